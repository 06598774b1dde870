"""Find messages: candidates come from the index; each is opened, and shown only if it says what is looked for."""

import asyncio
from collections.abc import Sequence

from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.search.index import BlindIndex
from bridge.search.model import Found, Search
from bridge.search.rules import Words
from bridge.search.store import SearchStore
from bridge.storage.database import Reader

STEPS = (64, 256)
"""Candidates of the first statement, and of each after it: no statement keeps everybody else waiting for long."""
COUNTED = 1_000
NARROWED_BY = 3
"""Words beside the rarest that the database looks for; the others are looked for in what it finds."""
_BEHIND_ALL = 2**63 - 1


class Searching:
    def __init__(self, messages: MessageStore, index: BlindIndex, words: Words, store: SearchStore) -> None:
        self._messages = messages
        self._index = index
        self._words = words
        self._store = store

    async def find(self, reader: Reader, search: Search, *, before: int | None, limit: int) -> Found:
        """Messages that hold each of the words and fit otherwise; `before`: the position of the last one seen."""
        groups = self._words.groups(search.words)
        numbers = await self._index.numbers(reader, search.tenant_id, groups)
        if not numbers:
            return Found([], more=False)
        rarest, *others = await self._rarest_first(reader, search, numbers)
        found: list[Message] = []
        place = _BEHIND_ALL if before is None else before
        step, *_ = STEPS
        while True:
            candidates, are_all = await self._candidates(reader, search, rarest, before=place, limit=step)
            if candidates:
                place = candidates[-1]
                fitting = await self._store.fitting(reader, search, candidates, others[:NARROWED_BY])
                while fitting and len(found) <= limit:
                    wanted = limit + 1 - len(found)
                    next_ones, fitting = fitting[:wanted], fitting[wanted:]
                    opened = await self._messages.at(reader, next_ones)
                    found += [one for one in opened if self._words.match(groups, one.text)]
            if len(found) > limit:
                return Found(found[:limit], more=True)
            if are_all:
                return Found(found, more=False)
            step = STEPS[1]
            await asyncio.sleep(0)  # others first: on SQLite, statements do not wait

    async def is_complete(self, reader: Reader) -> bool:
        """Whether messages of before there was this index are in it, too."""
        state = await self._store.state(reader)
        return state is not None and state[0] == self._words.made_of and state[1] <= 0

    async def _rarest_first(
        self, reader: Reader, search: Search, numbers: Sequence[list[int]]
    ) -> list[list[int]]:
        if len(numbers) < 2:
            return list(numbers)
        counted = [
            (await self._store.how_many(reader, group, search.conversation_id, most=COUNTED), place)
            for place, group in enumerate(numbers)
        ]
        return [numbers[place] for _, place in sorted(counted)]

    async def _candidates(
        self, reader: Reader, search: Search, group: Sequence[int], *, before: int, limit: int
    ) -> tuple[list[int], bool]:
        """Positions of messages that hold one of the words, newest first; and whether there are no others."""
        together: set[int] = set()
        are_all = True
        for word in group:
            positions = await self._store.positions(reader, search, word, before=before, limit=limit)
            are_all = are_all and len(positions) < limit
            together.update(positions)
        newest = sorted(together, reverse=True)
        return newest[:limit], are_all and len(newest) <= limit
