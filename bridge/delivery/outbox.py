"""What must go out: written in the transaction of the fact it tells, delivered after it."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, new_id
from bridge.delivery.queue import Item, Queue, Settled
from bridge.storage.database import Database, Reader, Row, Transaction
from bridge.storage.sealing import Sealer

E = TypeVar("E", bound=Event)
Witness = Callable[[Transaction, Event], Awaitable[None]]

INSERT = """
INSERT INTO outbox (id, tenant_id, lane, topic, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
PREPARE = """
UPDATE outbox SET prepared = $2, prepared_at = $3 WHERE id = $1 AND state = 'waiting' AND prepared IS NULL
"""
SELECT_DEAD = (
    "SELECT * FROM outbox WHERE lane = $1 AND topic = $2 AND state = 'dead' ORDER BY created_at, seq"
)
SELECT_FIXED = "SELECT 1 FROM outbox WHERE lane = $1 AND state = 'waiting' AND prepared IS NOT NULL LIMIT 1"
# Of an item that waits and was prepared otherwise meanwhile, nothing.
DISCARD = """
UPDATE outbox SET prepared = NULL, prepared_at = NULL WHERE id = $1 AND state = 'waiting' AND prepared = $2
"""
LAST_WAITING = "SELECT MAX(seq) FROM outbox WHERE lane = $1 AND state = 'waiting'"
# New rows, because `seq` is the place in the lane; each keeps its id, its body and what was prepared.
STEP_ASIDE = "UPDATE outbox SET id = 'moved:' || id WHERE lane = $1 AND state = 'waiting' AND seq <= $2"
GO_BEHIND = """
INSERT INTO outbox (id, tenant_id, lane, topic, body, created_at, prepared, prepared_at)
SELECT substr(id, 7), tenant_id, lane, topic, body, created_at, prepared, prepared_at
FROM outbox WHERE lane = $1 AND state = 'waiting' AND seq <= $2 ORDER BY seq
"""
LEAVE_PLACE = "DELETE FROM outbox WHERE lane = $1 AND state = 'waiting' AND seq <= $2"


class Outbox(Queue):
    """Domain events on their way to their consumers; one lane per consumer and conversation."""

    table = "outbox"
    extra_columns = ", prepared, prepared_at"
    kept_columns = ", prepared, prepared_at"

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        super().__init__(database, sealer, clock)
        self._consumers: dict[type[Event], list[tuple[str, Callable[[Any], bool]]]] = defaultdict(list)
        self._witnesses: list[Witness] = []

    def subscribe(
        self, consumer: str, *events: type[E], only: Callable[[E], bool] = lambda event: True
    ) -> None:
        """Have these events, when recorded from now on, delivered under the topic "consumer.EventName".

        `only`: of them, those that concern the consumer; the others cost no row.
        """
        for event in events:
            self._consumers[event].append((consumer, only))

    def witness(self, witness: Witness) -> None:
        """Have every event shown to `witness`, in the transaction that records it."""
        self._witnesses.append(witness)

    async def record(self, tx: Transaction, event: Event) -> None:
        """Record that `event` happened, once for each of its consumers."""
        for witness in self._witnesses:
            await witness(tx, event)
        name = type(event).__name__
        consumers = [consumer for consumer, only in self._consumers[type(event)] if only(event)]
        if not consumers:
            return
        body = json.dumps(dataclasses.asdict(event)).encode()
        for consumer in consumers:
            item_id = new_id()
            lane = _lane(consumer, event.conversation_id)
            sealed = await self._sealer.seal(
                tx, event.tenant_id, f"conversation:{event.conversation_id}", body, place=self._place(item_id)
            )
            topic = f"{consumer}.{name}"
            await tx.execute(INSERT, item_id, event.tenant_id, lane, topic, sealed, self._clock.now())
            self._work_waits(tx, lane)

    async def first(
        self,
        tx: Transaction,
        consumer: str,
        conversation_id: ConversationId,
        record: Callable[[], Awaitable[None]],
    ) -> None:
        """What `record` records for this consumer is delivered before all that waits for it, whose order stays."""
        lane = _lane(consumer, conversation_id)
        last = await tx.fetch_value(LAST_WAITING, lane)
        await record()
        if last is not None:
            for statement in (STEP_ASIDE, GO_BEHIND, LEAVE_PLACE):
                await tx.execute(statement, lane, last)
            self._work_waits(tx, lane)

    async def revive_event(self, tx: Transaction, event: Event) -> bool:
        """Have this very event tried again by whoever gave it up. Return whether somebody had."""
        found = False
        for consumer, _ in self._consumers[type(event)]:
            lane = _lane(consumer, event.conversation_id)
            for row in await tx.fetch(SELECT_DEAD, lane, f"{consumer}.{type(event).__name__}"):
                item = await self._item(row)
                if json.loads(item.body) == dataclasses.asdict(event):
                    await self.revive(tx, item)
                    found = True
        return found

    async def prepare(self, tx: Transaction, item: Item, prepared: bytes) -> None:
        """Fix what exactly will be sent, so that a later attempt sends the same. Not sealed: pass no plaintext.

        Raise `Settled` where it is fixed already, or the item waits no longer: by whatever process.
        """
        if not await tx.execute(PREPARE, item.id, prepared, self._clock.now()):
            raise Settled

    async def is_sending(self, reader: Reader, consumer: str, conversation_id: ConversationId) -> bool:
        """Whether something of the conversation is fixed and not yet finished: it may be on its way."""
        lane = _lane(consumer, conversation_id)
        return await reader.fetch_value(SELECT_FIXED, lane) is not None

    async def discard_prepared(self, item: Item) -> None:
        """What was fixed can never be sent: a later attempt may fix it anew."""
        async with self._database.transaction() as tx:
            await tx.execute(DISCARD, item.id, item.prepared)

    async def _item(self, row: Row) -> Item:
        item = await super()._item(row)
        return dataclasses.replace(item, prepared=row["prepared"], prepared_at=row["prepared_at"])


def _lane(consumer: str, conversation_id: ConversationId) -> str:
    return f"{consumer}:{conversation_id}"
