"""What somebody wanted said or shown who asked to be erased, and what they were to be told: it is settled, and nothing
goes out. Asked when an item's turn comes, so whatever was recorded before or after is found."""

import json
from collections.abc import Mapping

import structlog

from appservice.outbound.decisions import decided
from appservice.outbound.timeline import Timeline
from appservice.room_map import room_of
from bridge.core.ids import MessageId
from bridge.delivery.dispatcher import Handler
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.erasures import REASON
from bridge.storage.database import Database

WHO_SAID_IT = """
SELECT 1 FROM messages m JOIN erasures e ON e.tenant_id = m.tenant_id AND e.participant_id = m.sender_id
WHERE m.tenant_id = $1 AND m.message_id = $2
"""
WHO_REACTED = """
SELECT 1 FROM reactions r JOIN erasures e ON e.tenant_id = r.tenant_id AND e.participant_id = r.participant_id
WHERE r.tenant_id = $1 AND r.reaction_id = $2
"""
WHO_VOTED = """
SELECT 1 FROM poll_votes v JOIN erasures e ON e.tenant_id = v.tenant_id AND e.participant_id = v.participant_id
WHERE v.tenant_id = $1 AND v.vote_id = $2
"""
WHO_MISSED_IT = """
SELECT 1 FROM recaps r JOIN erasures e ON e.tenant_id = r.tenant_id AND e.participant_id = r.participant_id
WHERE r.tenant_id = $1 AND r.recap_id = $2
"""
WHO = "SELECT 1 FROM erasures WHERE tenant_id = $1 AND participant_id = $2"

WHOSE: Mapping[str, tuple[str, str]] = {
    "matrix.MessagePosted": (WHO_SAID_IT, "message_id"),
    "matrix.MessageEdited": (WHO_SAID_IT, "message_id"),
    "matrix.ReactionAdded": (WHO_REACTED, "reaction_id"),
    "matrix.PollVoted": (WHO_VOTED, "vote_id"),
    "matrix.ParticipantAdded": (WHO, "participant_id"),
    "held.ParticipantHeld": (WHO, "participant_id"),
    "profiles.AppearanceChanged": (WHO, "participant_id"),
    "receipts.ConversationRead": (WHO, "reader_id"),
    "matrix.RecapDue": (WHO_MISSED_IT, "recap_id"),
    "matrix.RecapChanged": (WHO_MISSED_IT, "recap_id"),
    "recap-held.RecapHeld": (WHO_MISSED_IT, "recap_id"),
    "festimo.MessageReceived": (WHO_SAID_IT, "message_id"),
    "festimo.SaidToFestimo": (WHO_SAID_IT, "message_id"),
    "quotes.MessageReceived": (WHO_SAID_IT, "message_id"),
    "quotes.SaidToFestimo": (WHO_SAID_IT, "message_id"),
}
"""By topic: how to ask whether that is done for somebody who was erased, and by which field of the item."""

log = structlog.get_logger(__name__)


class ErasedStaySilent:
    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        messages: Messages,
        message_store: MessageStore,
        timeline: Timeline,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._messages = messages
        self._message_store = message_store
        self._timeline = timeline

    def before(self, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
        """The same handlers; those of what is somebody's are not reached by what is theirs who was erased."""
        return {topic: self._before(topic, handler) for topic, handler in handlers.items()}

    def _before(self, topic: str, handler: Handler) -> Handler:
        whose = WHOSE.get(topic)
        if whose is None:
            return handler
        sql, field = whose

        async def handle(item: Item) -> None:
            if await self._database.fetch_value(sql, item.tenant_id, json.loads(item.body)[field]) is None:
                return await handler(item)
            log.info("nothing_goes_out_for_who_is_erased", topic=topic, id=item.id)
            if topic == "matrix.MessagePosted":
                return await self._withhold(item)
            async with self._database.transaction() as tx:
                await self._outbox.finish(tx, item)
            return None

        return handle

    async def _withhold(self, item: Item) -> None:
        """What has come into the room already, its answer lost, was said; the rest never will be."""
        message_id = MessageId(json.loads(item.body)["message_id"])
        message = await self._message_store.get(self._database, message_id)
        assert message is not None, "the message and this item are one commit"
        room = await room_of(self._database, message.conversation_id)
        async with decided():
            event_id = await self._timeline.said_before(item, None if room is None else room.room_id)
        async with self._database.transaction() as tx:
            if event_id is None:
                await self._messages.failed(tx, message_id, reason=f"its sender {REASON}")
            else:
                speaker, _ = await self._timeline.voice(message)
                await self._messages.sent(tx, message_id, origin_id=event_id, origin_sender=speaker)
            await self._outbox.finish(tx, item)
