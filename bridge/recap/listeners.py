"""Hears that a message was edited or deleted."""

import json

from bridge.core.ids import ConversationId, MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.recap.service import Recaps
from bridge.storage.database import Database


class RecapListener:
    def __init__(self, database: Database, recaps: Recaps, outbox: Outbox) -> None:
        self._database = database
        self._recaps = recaps
        self._outbox = outbox

    async def source_changed(self, item: Item) -> None:
        """Handle a `MessageEdited` or `MessageDeleted`."""
        event = json.loads(item.body)
        async with self._database.transaction() as tx:
            await self._recaps.source_changed(
                tx, item.tenant_id, ConversationId(event["conversation_id"]), MessageId(event["message_id"])
            )
            await self._outbox.finish(tx, item)
