"""Who came, declined, left or was removed. Who is in the room is asked from the homeserver; this is what it means."""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.ghosts import has_ghost
from appservice.inbound.invites import InboundInvites
from appservice.inbound.message import sent_at
from appservice.inbound.people import with_account
from appservice.names import Names
from appservice.readers import Readers
from appservice.room_map import Room
from bridge.conversations.model import Away
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.storage.database import Transaction

GONE = ("leave", "ban")

log = structlog.get_logger(__name__)


class InboundMembership:
    def __init__(
        self,
        names: Names,
        service: Conversations,
        conversations: ConversationStore,
        readers: Readers,
        invites: InboundInvites,
    ) -> None:
        self._invites = invites
        self._names = names
        self._readers = readers
        self._service = service
        self._conversations = conversations

    async def changed(self, tx: Transaction, room: Room, event: Mapping[str, Any]) -> None:
        user, membership = event.get("state_key"), event["content"].get("membership")
        if user == self._names.bot and membership in GONE:
            log.error("bot_removed", room=room.room_id, by=event["sender"], conversation=room.conversation_id)
            return await self._service.not_opened(
                tx,
                room.conversation_id,
                reason=f"Festimo was removed from the room by {event['sender']}. The next event for this party and"
                " vendor makes a new room.",
            )
        if membership == "invite" and not self._names.is_ours(event["sender"]):
            return await self._invites.invited(tx, room, event, at=sent_at(event))
        member = with_account(await self._conversations.members(tx, room.conversation_id), str(user))
        if member is None:
            return None
        person, at = member.participant.participant_id, sent_at(event)
        if membership == "invite":
            await self._readers.invited(tx, room, person, at=at)
        elif membership == "join":
            is_there = await self._service.came(tx, room.conversation_id, person)
            await self._readers.joined(tx, room, person, str(user), at=at)
            if is_there and _was(event) != "join":  # else they have changed how they look
                ghost = self._names.ghost(room.tenant_id, person)
                spoken_for = await has_ghost(tx, ghost)
                await self._service.came_with_account(
                    tx, room.tenant_id, room.conversation_id, person, spoken_for=spoken_for
                )
        elif membership in GONE and event["sender"] != self._names.bot:  # what the bot does, we know
            away = _why(event)
            log.info("member_away", room=room.room_id, user=user, away=away)
            await self._service.went(tx, room.conversation_id, person, away)
            await self._readers.gone(tx, room.conversation_id, person)
        return None


def _why(event: Mapping[str, Any]) -> Away:
    if event["sender"] != event["state_key"]:
        return "removed"
    return "declined" if _was(event) == "invite" else "left"


def _was(event: Mapping[str, Any]) -> object:
    """The membership before."""
    unsigned = event.get("unsigned")
    before = unsigned.get("prev_content") if isinstance(unsigned, dict) else None
    return before.get("membership") if isinstance(before, dict) else None
