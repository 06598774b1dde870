"""A decrypted response to a poll, or its end: somebody voted or closed it in their client."""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.inbound.message import sent_at
from appservice.inbound.people import with_account
from appservice.inbound.waiting import may_be_ours, wait_for
from appservice.names import Names
from appservice.polls import poll_event, selections_in
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.errors import NotTheSender
from bridge.messages.polls.service import Polls
from bridge.storage.database import Transaction

log = structlog.get_logger(__name__)


class PowersWanted(Exception):
    """Whether somebody may close what others asked, only the homeserver can say, and not in a transaction."""


class InboundPolls:
    def __init__(
        self,
        *,
        names: Names,
        inbox: Inbox,
        outbox: Outbox,
        polls: Polls,
        conversations: ConversationStore,
    ) -> None:
        self._names = names
        self._inbox = inbox
        self._outbox = outbox
        self._polls = polls
        self._conversations = conversations

    async def voted(
        self, tx: Transaction, room: Room, event: Mapping[str, Any], content: Mapping[str, Any], item: Item
    ) -> bool:
        """Return False where the item is set aside: the poll has yet to come."""
        sender = event["sender"]
        if self._names.is_ours(sender):
            return True
        of = poll_event(content)
        if of is None:
            log.info("vote_in_nothing", room=room.room_id, event_id=event["event_id"])
            return True
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        people = await self._conversations.members(tx, room.conversation_id)
        member = with_account(people, sender)
        try:
            known = await self._polls.receive_vote(
                tx,
                conversation,
                of=of,
                by=sender,
                participant_id=None if member is None else member.participant.participant_id,
                selections=selections_in(content),
                origin_id=event["event_id"],
                claimed_at=sent_at(event),
                received_at=item.created_at,
            )
        except Refusal as refusal:
            log.info("vote_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        return known or await self._wait(tx, room, of, item)

    async def ended(
        self,
        tx: Transaction,
        room: Room,
        event: Mapping[str, Any],
        content: Mapping[str, Any],
        item: Item,
        *,
        by_staff: bool | None,
    ) -> bool:
        """Return False where the item is set aside: the poll has yet to come.

        `by_staff`: whether the sender may redact what others said; None: nobody has asked yet.
        """
        of, sender = poll_event(content), event["sender"]
        if self._names.is_ours(sender):
            return True
        if of is None:
            log.info("end_of_nothing", room=room.room_id, event_id=event["event_id"])
            return True
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        try:
            known = await self._polls.receive_end(
                tx,
                conversation,
                of=of,
                by=sender,
                is_staff=bool(by_staff),
                origin_id=event["event_id"],
                claimed_at=sent_at(event),
                received_at=item.created_at,
            )
        except NotTheSender as refusal:
            if by_staff is None:
                raise PowersWanted from refusal
            log.info("end_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        except Refusal as refusal:
            log.info("end_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        return known or await self._wait(tx, room, of, item)

    async def _wait(self, tx: Transaction, room: Room, of: str, item: Item) -> bool:
        await may_be_ours(self._outbox, tx, room, item)
        return await wait_for(self._inbox, tx, item, of)
