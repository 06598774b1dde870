"""Read receipts of ghosts: what a person without an account has read elsewhere shows in the room as theirs.

A real user's receipts are their own: for them nothing is sent. Only the newest matters, so an older one is skipped.
"""

import json

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.outbound.former_rooms import FormerRooms
from appservice.room_map import Room, room_of
from bridge.core.ids import ConversationId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.participants.store import ParticipantStore
from bridge.signals.store import ReadStore
from bridge.storage.database import Database

LOOK_BACK = 50
"""Messages, to find the newest that the room has."""
WAIT_FOR_MESSAGES = 1_000
"""Milliseconds, where something that was read has yet to come into the room."""

log = structlog.get_logger(__name__)


class GhostReceipts:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        participants: ParticipantStore,
        reads: ReadStore,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._participants = participants
        self._reads = reads
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def read(self, item: Item) -> None:
        """Deliver a `ConversationRead`. Repeated, it shows the same."""
        told = json.loads(item.body)
        conversation_id = ConversationId(told["conversation_id"])
        reader_id = ParticipantId(told["reader_id"])
        person = await self._participants.get(self._database, item.tenant_id, reader_id)
        room = await room_of(self._database, conversation_id)
        position = await self._reads.position(self._database, conversation_id, reader_id)
        is_newest = position is not None and position.position == told["position"]
        if person is not None and person.mxid is None and room is not None and is_newest:
            ghost = self._names.ghost(person.tenant_id, reader_id)
            await self._send(ghost, room, reader_id, position=told["position"])
        async with self._database.transaction() as tx:
            tx.may_be_lost = True
            await self._outbox.finish(tx, item)

    async def _send(self, ghost: str, room: Room, reader_id: ParticipantId, *, position: int) -> None:
        read = await self._reads.backwards(
            self._database, room.conversation_id, reader_id, position=position, limit=LOOK_BACK
        )
        newest = next((row["origin_id"] for row in read if row["status"] == "sent"), None)
        if newest is not None:
            try:
                if await self._former_rooms.is_in(room, newest):
                    await self._homeserver.send_receipt(ghost, room.room_id, newest)
            except HomeserverUnavailable as trouble:
                raise Retry(str(trouble), delay=trouble.retry_after) from trouble
            except HomeserverRefused as refusal:
                # The ghost may have been removed. A receipt is worth no dead letter.
                log.info("receipt_refused", conversation=room.conversation_id, errcode=refusal.errcode)
        for row in read:
            if row["status"] == "sent":
                return
            if row["status"] == "pending":
                raise Retry("what was read is not in the room yet", delay=WAIT_FOR_MESSAGES)
