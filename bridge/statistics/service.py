"""Goes through a conversation a page at a time; no content is opened."""

import asyncio

from bridge.core.ids import ConversationId, TenantId, VendorId
from bridge.statistics.rules import Engagement, Tally
from bridge.statistics.store import StatisticsStore
from bridge.storage.database import Reader

AT_ONCE = 500


class Statistics:
    def __init__(self, store: StatisticsStore) -> None:
        self._store = store

    async def of(
        self, reader: Reader, conversation_id: ConversationId, *, start: int | None, end: int | None
    ) -> Tally:
        """Of what was said from `start` on and before `end`, in epoch ms; None: from the beginning, until now."""
        tally, position = Tally(), 0
        while True:
            page = await self._store.said(reader, conversation_id, after=position, limit=AT_ONCE)
            for _, fact in page:
                if (start is None or fact.created_at >= start) and (end is None or fact.created_at < end):
                    tally.add(fact)
            if len(page) < AT_ONCE:
                return tally
            position = page[-1][0]
            await asyncio.sleep(0)  # others first: on SQLite, statements do not wait

    async def of_vendor(
        self,
        reader: Reader,
        tenant_id: TenantId,
        vendor_id: VendorId,
        *,
        start: int | None,
        end: int | None,
    ) -> Engagement:
        """As `of`, of all conversations of a vendor that are not deleted."""
        engagement = Engagement()
        for conversation_id, is_completed in await self._store.of_vendor(reader, tenant_id, vendor_id):
            tally = await self.of(reader, conversation_id, start=start, end=end)
            engagement.add(tally, is_completed=is_completed)
            await asyncio.sleep(0)
        return engagement
