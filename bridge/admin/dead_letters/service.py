"""List dead letters and replay them: an item waits again, as if it had just been recorded, with the body it had."""

import dataclasses
from collections.abc import Mapping, Sequence

from bridge.admin.dead_letters.errors import AlreadyDone, CannotBeReplayed
from bridge.admin.dead_letters.model import DeadLetter, Filter, LetterId, Place, Replayed, read_letter_id
from bridge.admin.dead_letters.ports import Lanes, OnReplay
from bridge.admin.dead_letters.store import DeadLetterStore
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.delivery.metrics import ITEMS
from bridge.delivery.outbox import Outbox
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.sealing import CannotOpen

AT_ONCE = 500
"""Dead letters replayed in one transaction: nothing else is written meanwhile."""


class DeadLetters:
    """`tenant_id`: None means any tenant, and none: the operator's view."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        outbox: Outbox,
        lanes: Lanes,
        *,
        on_replay: Mapping[str, OnReplay],
    ) -> None:
        """`on_replay`: by topic."""
        self._database = database
        self._store = DeadLetterStore()
        self._queues = {"inbox": inbox, "outbox": outbox}
        self._lanes = lanes
        self._on_replay = on_replay

    async def newest(self, wanted: Filter, *, before: Place | None = None, limit: int) -> list[DeadLetter]:
        """Those recorded last first."""
        reader = self._database
        found = await self._store.newest(
            reader, wanted, inbox_lane=await self._inbox_lane(reader, wanted), before=before, limit=limit
        )
        return await self._placed(reader, found)

    async def get(self, tenant_id: TenantId | None, letter_id: str) -> DeadLetter:
        """Also what was a dead letter and has been replayed since. Raise `NotFound`."""
        (letter,) = await self._placed(
            self._database, [await self._find(self._database, tenant_id, letter_id)]
        )
        return letter

    async def replay(self, tx: Transaction, tenant_id: TenantId | None, letter_id: str) -> DeadLetter:
        """Have it tried again. One that waits already is left as it is.

        Raise `NotFound`, `AlreadyDone` or `CannotBeReplayed`.
        """
        letter = await self._find(tx, tenant_id, letter_id)
        if letter.state == "done":
            raise AlreadyDone(
                "It is dealt with already, so there is nothing to replay. Nothing was changed.",
                field="dead_letter_id",
            )
        if letter.state == "dead":
            await self._replay(tx, letter)
        (letter,) = await self._placed(tx, [await self._find(tx, tenant_id, letter_id)])
        return letter

    async def replay_all(
        self, tx: Transaction, wanted: Filter, *, after: Place | None = None, limit: int = AT_ONCE
    ) -> Replayed:
        """Have all of a filter tried again, those recorded first first; those that cannot be stay as they are."""
        lane = await self._inbox_lane(tx, wanted)
        found = await self._store.oldest(tx, wanted, inbox_lane=lane, after=after, limit=limit + 1)
        refused: list[tuple[LetterId, str]] = []
        for letter in found[:limit]:
            try:
                await self._replay(tx, letter)
            except CannotBeReplayed as refusal:
                refused.append((letter.letter_id, refusal.detail))
        more = found[limit - 1].place if len(found) > limit else None
        return Replayed(min(len(found), limit) - len(refused), tuple(refused), more)

    async def _replay(self, tx: Transaction, letter: DeadLetter) -> None:
        queue = self._queues[letter.queue]
        try:
            item = await queue.dead(tx, letter.item_id)
        except CannotOpen as reason:
            raise CannotBeReplayed(f"Its body cannot be read: {reason}.", field="dead_letter_id") from reason
        if item is None:
            return  # by somebody else, a moment ago
        consequence = self._on_replay.get(letter.topic)
        if consequence is not None:
            await consequence(tx, item)
        await queue.revive(tx, item)
        tx.after_commit(ITEMS.labels(letter.topic, "replayed").inc)

    async def _find(self, reader: Reader, tenant_id: TenantId | None, letter_id: str) -> DeadLetter:
        known = read_letter_id(letter_id)
        letter = None if known is None else await self._store.find(reader, *known)
        if letter is None or tenant_id not in (None, letter.tenant_id):
            raise NotFound("There is no dead letter with this id.", field="dead_letter_id")
        return letter

    async def _inbox_lane(self, reader: Reader, wanted: Filter) -> str | None:
        if wanted.conversation_id is None:
            return None
        return await self._lanes.lane_of(reader, wanted.conversation_id)

    async def _placed(self, reader: Reader, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """With their conversations."""
        lanes = sorted({letter.lane for letter in letters if letter.queue == "inbox"})
        known = dict(await self._lanes.conversations_of(reader, lanes))
        for letter in letters:
            if letter.queue == "outbox":
                known[letter.lane] = ConversationId(letter.lane.partition(":")[2])
        return [dataclasses.replace(letter, conversation_id=known.get(letter.lane)) for letter in letters]
