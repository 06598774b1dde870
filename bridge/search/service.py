"""Find messages: candidates come from the index; each is opened, and shown only if it says what is looked for."""

import asyncio
from collections.abc import Sequence

from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.search.index import BlindIndex
from bridge.search.model import Found, Origin, Search
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
        """Messages that hold each of the words, if there are any, and fit otherwise.

        `before`: the position of the last one seen.
        """
        source: Sequence[int] | Origin
        groups: list[frozenset[str]] = []
        others: list[list[int]] = []
        if search.words is None:
            source = await self._origin(reader, search)
        else:
            groups = self._words.groups(search.words)
            numbers = await self._index.numbers(reader, search.tenant_id, groups)
            if not numbers:
                return Found([], more=False)
            source, others = await self._narrowest(reader, search, numbers)
        found: list[Message] = []
        place = _BEHIND_ALL if before is None else before
        step, *_ = STEPS
        while True:
            candidates, are_all = await self._candidates(reader, search, source, before=place, limit=step)
            if candidates:
                place = candidates[-1]
                fitting = await self._store.fitting(reader, search, candidates, others[:NARROWED_BY])
                while fitting and len(found) <= limit:
                    wanted = limit + 1 - len(found)
                    next_ones, fitting = fitting[:wanted], fitting[wanted:]
                    opened = await self._messages.at(reader, next_ones)
                    found += [one for one in opened if not groups or self._words.match(groups, one.text)]
            if len(found) > limit:
                return Found(found[:limit], more=True)
            if are_all or place <= search.since:
                return Found(found, more=False)
            step = STEPS[1]
            await asyncio.sleep(0)  # others first: on SQLite, statements do not wait

    def can_find(self, words: str) -> bool:
        """Whether there is any word in them."""
        return bool(self._words.groups(words))

    async def is_complete(self, reader: Reader) -> bool:
        """Whether messages of before there was this index are in it, too."""
        state = await self._store.state(reader)
        return state is not None and state[0] == self._words.made_of and state[1] <= 0

    async def _narrowest(
        self, reader: Reader, search: Search, numbers: Sequence[list[int]]
    ) -> tuple[list[int] | Origin, list[list[int]]]:
        """Where candidates come from: a word, or the sender; and what they must hold beside, the rarest first."""
        if len(numbers) == 1 and search.sender_id is None:
            return numbers[0], []
        widths = sorted(
            [
                (await self._store.width(reader, search, group, most=COUNTED), place)
                for place, group in enumerate(numbers)
            ]
        )
        rarest, *others = [numbers[place] for _, place in widths]
        if search.sender_id is not None:
            said = await self._store.width_of_sender(reader, search, most=COUNTED)
            # Of one conversation or person, it must be little wherever it was said: most of it may be elsewhere.
            is_little = said.many < COUNTED
            is_everywhere = search.conversation_id is None and search.participant_id is None
            if said < widths[0][0] and (is_little or is_everywhere):
                return "sender", [rarest, *others]
        return rarest, others

    async def _origin(self, reader: Reader, search: Search) -> Origin:
        """Where candidates come from without words."""
        if search.conversation_id is not None:
            return "conversation"
        if search.sender_id is None:
            return "everywhere" if search.participant_id is None else "person"
        if search.participant_id in (None, search.sender_id):
            return "sender"
        # Most of what somebody says may be said to others: it must be little.
        said = await self._store.width_of_sender(reader, search, most=COUNTED)
        return "sender" if said.many < COUNTED else "person"

    async def _candidates(
        self, reader: Reader, search: Search, source: Sequence[int] | Origin, *, before: int, limit: int
    ) -> tuple[list[int], bool]:
        """Positions of messages that may fit, newest first; and whether there are no others."""
        if isinstance(source, str):
            newest = await self._store.newest(reader, search, source, before=before, limit=limit)
            return newest, len(newest) < limit
        together: set[int] = set()
        are_all = True
        for word in source:
            positions = await self._store.positions(reader, search, word, before=before, limit=limit)
            are_all = are_all and len(positions) < limit
            together.update(positions)
        newest = sorted(together, reverse=True)
        return newest[:limit], are_all and len(newest) <= limit
