"""What is deleted is pinned no longer."""

import json

from bridge.core.ids import MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.pins.service import Pins
from bridge.messages.store import MessageStore
from bridge.storage.database import Database


class PinListener:
    def __init__(self, database: Database, messages: MessageStore, pins: Pins, outbox: Outbox) -> None:
        self._database = database
        self._messages = messages
        self._pins = pins
        self._outbox = outbox

    async def deleted(self, item: Item) -> None:
        message_id = MessageId(json.loads(item.body)["message_id"])
        async with self._database.transaction() as tx:
            message = await self._messages.get(tx, message_id)
            assert message is not None, "messages are not removed"
            await self._pins.unpin(tx, message)
            await self._outbox.finish(tx, item)
