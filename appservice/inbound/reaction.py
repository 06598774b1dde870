"""`m.reaction`: somebody reacted to a message in their client. Reactions are not encrypted, in any client."""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.inbound.message import sent_at
from appservice.inbound.people import with_account
from appservice.inbound.waiting import is_event_id, may_be_ours, wait_for
from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.reactions.service import Reactions
from bridge.storage.database import Transaction

log = structlog.get_logger(__name__)


class InboundReactions:
    def __init__(
        self,
        *,
        names: Names,
        inbox: Inbox,
        outbox: Outbox,
        reactions: Reactions,
        conversations: ConversationStore,
    ) -> None:
        self._names = names
        self._inbox = inbox
        self._outbox = outbox
        self._reactions = reactions
        self._conversations = conversations

    async def receive(
        self, tx: Transaction, room: Room, event: Mapping[str, Any], content: Mapping[str, Any], item: Item
    ) -> bool:
        """Return False where the item is set aside: the message has yet to come."""
        sender = event["sender"]
        if self._names.is_ours(sender):
            return True
        relation = content.get("m.relates_to")
        if not isinstance(relation, dict) or relation.get("rel_type") != "m.annotation":
            return True
        of, emoji = relation.get("event_id"), relation.get("key")
        if not is_event_id(of) or not isinstance(emoji, str):
            log.info("reaction_to_nothing", room=room.room_id, event_id=event["event_id"])
            return True
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        people = await self._conversations.members(tx, room.conversation_id)
        member = with_account(people, sender)
        try:
            known = await self._reactions.receive(
                tx,
                conversation,
                of=of,
                by=sender,
                participant_id=None if member is None else member.participant.participant_id,
                emoji=emoji,
                origin_id=event["event_id"],
                claimed_at=sent_at(event),
                received_at=item.created_at,
            )
        except Refusal as refusal:
            log.info("reaction_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        if not known:
            await may_be_ours(self._outbox, tx, room, item)
        return known or await wait_for(self._inbox, tx, item, of)
