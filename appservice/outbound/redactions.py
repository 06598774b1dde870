"""Deletions that were made on our side, into the room. A redaction is not encrypted: it says nothing but what goes."""

import json
from collections.abc import Sequence

import structlog

from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from bridge.core.ids import MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.edit_store import EditStore
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class Redactions:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        own_devices: OwnDevices,
        message_store: MessageStore,
        edit_store: EditStore,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._own_devices = own_devices
        self._message_store = message_store
        self._edit_store = edit_store
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def deleted(self, item: Item) -> None:
        """Deliver a `MessageDeleted`. The message and its edits have gone before: they stand in the same lane."""
        told = json.loads(item.body)
        if not told["in_client"]:
            message = await self._message_store.get(self._database, MessageId(told["message_id"]))
            assert message is not None, "messages are not removed"
            async with decided():
                await self._redact(item, message)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)

    async def _redact(self, item: Item, message: Message) -> None:
        """A message that is in no room needs nothing. Redacting twice does what redacting once does."""
        if message.origin_id is None:
            return
        room_id = await self._former_rooms.home_of(message.conversation_id, message.origin_id)
        if room_id is None:
            return
        speaker = message.origin_sender or self._names.bot
        if not self._names.is_ours(speaker):
            speaker = self._names.bot  # on behalf of somebody for whom we cannot speak
        edits = await self._edit_store.origin_ids(self._database, message.message_id)
        try:
            await self._redact_as(speaker, item, room_id, message.origin_id, edits)
        except HomeserverRefused as refusal:
            if refusal.status != 403 or speaker == self._names.bot:
                raise
            # A ghost that has left, or may not write any more since the conversation was closed.
            await self._redact_as(self._names.bot, item, room_id, message.origin_id, edits)
        log.info("message_redacted", message=message.message_id, edits=len(edits))

    async def _redact_as(
        self, speaker: str, item: Item, room_id: str, event_id: str, edits: Sequence[str]
    ) -> None:
        device = await self._own_devices.ensure(speaker)
        # The message first, and its id is the item's: the homeserver tells transactions apart by that alone.
        await self._homeserver.redact(speaker, device, room_id, event_id, item.id)
        for number, edit in enumerate(edits, start=1):
            await self._homeserver.redact(speaker, device, room_id, edit, f"{item.id}.{number}")
