"""`m.room.redaction`: the homeserver has taken an event's content from everybody; our copy goes, too, where it may."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from appservice.homeserver import Homeserver
from appservice.inbound.late import LateNotices
from appservice.inbound.message import sent_at
from appservice.inbound.undecryptable import Undecryptable
from appservice.inbound.waiting import inbox_id, is_event_id, wait_for
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.room_map import Room
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.messages.changes import MessageChanges
from bridge.messages.errors import DeleteWindowClosed
from bridge.messages.polls.service import Polls
from bridge.messages.reactions.service import Reactions
from bridge.storage.database import Database, Transaction

log = structlog.get_logger(__name__)


def redacted_event(event: Mapping[str, Any]) -> str | None:
    """The id of the event that is redacted: in the content since room version 11, beside it before."""
    content = event["content"]
    redacts = content["redacts"] if "redacts" in content else event.get("redacts")
    return redacts if is_event_id(redacts) else None


def is_redacted(event: Mapping[str, Any]) -> bool:
    """Whether the homeserver gave us what is left of an event. `unsigned` is our own homeserver's word."""
    unsigned = event.get("unsigned")
    return isinstance(unsigned, dict) and isinstance(unsigned.get("redacted_because"), dict)


def may_redact(power_levels: Mapping[str, Any], user: str) -> bool:
    """What others have said. Spec: client-server API, `m.room.power_levels`."""
    users = power_levels.get("users")
    level = users.get(user) if isinstance(users, dict) else None
    if level is None:
        level = power_levels.get("users_default", 0)
    needed = power_levels.get("redact", 50)
    return isinstance(level, int) and isinstance(needed, int) and level >= needed


class InboundRedactions:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        inbox: Inbox,
        changes: MessageChanges,
        reactions: Reactions,
        polls: Polls,
        conversations: ConversationStore,
        late: LateNotices,
        undecryptable: Undecryptable,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._inbox = inbox
        self._changes = changes
        self._reactions = reactions
        self._polls = polls
        self._conversations = conversations
        self._late = late
        self._undecryptable = undecryptable

    async def is_by_staff(self, room: Room, event: Mapping[str, Any]) -> bool:
        """Whether somebody redacts what is not their own, and may. May ask the homeserver: not in a transaction."""
        sender, original = event["sender"], redacted_event(event)
        if self._names.is_ours(sender):
            return True
        if original is None:
            return False
        here = (self._database, room.conversation_id, original)
        author = (
            await self._changes.author_of(*here)
            or await self._reactions.author_of(*here)
            or await self._polls.author_of(*here)
        )
        return author not in (None, sender) and await self.may_redact(room, sender)

    async def may_redact(self, room: Room, sender: str) -> bool:
        """What others have said, as the homeserver says: not in a transaction."""
        async with decided():
            state = await self._homeserver.state(self._names.bot, room.room_id)
        levels = [found["content"] for found in state if found["type"] == "m.room.power_levels"]
        return bool(levels) and may_redact(levels[0], sender)

    async def receive(
        self, tx: Transaction, room: Room, event: Mapping[str, Any], item: Item, *, is_staff: bool
    ) -> bool:
        """Return False where the item is set aside: what it redacts has yet to come."""
        original = redacted_event(event)
        if original is None:
            log.info("redaction_of_nothing", room=room.room_id, event_id=event["event_id"])
            return True
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        try:
            known = await self._changes.receive_deletion(
                tx,
                conversation,
                of=original,
                by=event["sender"],
                is_staff=is_staff,
                claimed_at=sent_at(event),
                received_at=item.created_at,
            ) or await self._take_back(tx, conversation, event, original, is_staff=is_staff)
        except DeleteWindowClosed:
            log.info("redaction_too_late", room=room.room_id, event_id=event["event_id"], of=original)
            await self._late.deletion(tx, conversation)
            return True
        except Refusal as refusal:
            log.info("redaction_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        # What we redact ourselves we knew before.
        if known or self._names.is_ours(event["sender"]) or await self._drop(tx, event["sender"], original):
            return True
        return await wait_for(self._inbox, tx, item, original)

    async def _take_back(
        self,
        tx: Transaction,
        conversation: Conversation,
        event: Mapping[str, Any],
        of: str,
        *,
        is_staff: bool,
    ) -> bool:
        """Where it is a reaction or a vote. Of those that we take back we know; since then it may have been made
        again.
        """
        if self._names.is_ours(event["sender"]):
            return False
        by = event["sender"]
        return await self._reactions.receive_removal(
            tx, conversation, of=of, by=by, is_staff=is_staff
        ) or await self._polls.receive_withdrawal(tx, conversation, of=of, by=by, is_staff=is_staff)

    async def _drop(self, tx: Transaction, sender: str, original: str) -> bool:
        """Forget the sender's own event that waits (for its key, for what it edits) or was given up."""
        found = await self._inbox.set_aside(tx, inbox_id(original))
        if found is None:
            return False
        event = json.loads(found.body)
        if event["sender"] != sender or event["type"] not in ("m.room.encrypted", "m.reaction"):
            return False
        log.info("dropped_as_redacted", event_id=original)
        await self._inbox.drop(tx, found)
        await self._undecryptable.given_up(tx, found, "redacted")
        return True
