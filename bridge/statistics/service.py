"""Goes through a conversation a page at a time; no content is opened."""

import asyncio

from bridge.core.ids import ConversationId
from bridge.statistics.rules import Tally
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
