"""Deliveries in the database: one row for an event and an endpoint. Each lane has one head; only heads are due."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from bridge.storage.database import Reader, Row, Transaction, Value
from bridge.webhooks.model import Attempt, Delivery, EndpointId, Happened, State
from bridge.webhooks.rules import HISTORY

_COLUMNS = (
    "seq, endpoint_id, event_id, event, lane, number, about, occurred_at, state, since, not_before, attempts,"
    " history, finished_at"
)
_OF = f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1"
_FREE = """CASE WHEN EXISTS (
    SELECT 1 FROM webhook_deliveries h WHERE h.endpoint_id = $1 AND h.lane = $2 AND h.state = 'next'
) THEN 'behind' ELSE 'next' END"""
INSERT = f"""
INSERT INTO webhook_deliveries
    (endpoint_id, lane, event_id, event, number, about, occurred_at, since, not_before, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, {_FREE})
"""
SELECT = f"{_OF} AND event_id = $2"
SELECT_DUE = f"{_OF} AND state = 'next' AND not_before <= $2 ORDER BY not_before, seq LIMIT $3"
SELECT_FIRST_DUE = """
SELECT endpoint_id, (
    SELECT MIN(d.not_before) FROM webhook_deliveries d
    WHERE d.endpoint_id = webhook_endpoints.endpoint_id AND d.state = 'next'
) AS first_at FROM webhook_endpoints WHERE disabled IS NULL
"""
SELECT_NEWEST = f"{_OF} AND seq < $2 ORDER BY seq DESC LIMIT $3"
SELECT_DEAD = f"{_OF} AND state = 'dead' AND seq > $2 ORDER BY seq LIMIT $3"
RETRY = """
UPDATE webhook_deliveries SET attempts = attempts + 1, history = $3, not_before = $4
WHERE seq = $1 AND attempts = $2 AND state = 'next'
"""
FINISH = """
UPDATE webhook_deliveries SET attempts = attempts + 1, history = $3, state = $4, finished_at = $5
WHERE seq = $1 AND attempts = $2 AND state = 'next'
"""
PROMOTE = """
UPDATE webhook_deliveries SET state = 'next' WHERE seq = (
    SELECT MIN(b.seq) FROM webhook_deliveries b WHERE b.endpoint_id = $1 AND b.lane = $2 AND b.state = 'behind'
)
"""
REPLAY = f"""
UPDATE webhook_deliveries SET state = {_FREE}, attempts = 0, since = $4, not_before = $4, finished_at = NULL
WHERE endpoint_id = $1 AND lane = $2 AND seq = $3 AND finished_at IS NOT NULL
"""
# What stands at the head and waits for its time.
HURRY = """
UPDATE webhook_deliveries SET not_before = $2 WHERE endpoint_id = $1 AND state = 'next' AND not_before > $2
"""
FORGET = """
DELETE FROM webhook_deliveries WHERE seq IN (
    SELECT seq FROM webhook_deliveries WHERE state = $1 AND finished_at < $2 ORDER BY finished_at LIMIT $3
)
"""
FORGET_OF = """
DELETE FROM webhook_deliveries WHERE seq IN (SELECT seq FROM webhook_deliveries WHERE endpoint_id = $1 LIMIT $2)
"""
COUNT = """
SELECT 'waiting' AS state, COUNT(*) AS number FROM webhook_deliveries WHERE state = 'next'
UNION ALL SELECT 'behind', COUNT(*) FROM webhook_deliveries WHERE state = 'behind'
UNION ALL SELECT 'dead', COUNT(*) FROM webhook_deliveries WHERE state = 'dead'
"""


class DeliveryStore:
    async def insert(self, tx: Transaction, new: Iterable[tuple[EndpointId, Happened]], *, now: int) -> None:
        """Each at the end of its lane. Hold the locks of the endpoints."""
        await tx.execute_many(
            INSERT,
            [
                (
                    endpoint_id,
                    one.lane,
                    one.event_id,
                    one.event,
                    one.number,
                    json.dumps(dict(one.about)),
                    one.occurred_at,
                    now,
                )
                for endpoint_id, one in new
            ],
        )

    async def find(self, reader: Reader, endpoint_id: EndpointId, event_id: str) -> Delivery | None:
        row = await reader.fetch_one(SELECT, endpoint_id, event_id)
        return None if row is None else _delivery(row)

    async def due(self, reader: Reader, endpoint_id: EndpointId, *, now: int, limit: int) -> list[Delivery]:
        """Those whose turn and time it is, of different lanes."""
        return [_delivery(row) for row in await reader.fetch(SELECT_DUE, endpoint_id, now, limit)]

    async def first_due(self, reader: Reader) -> dict[EndpointId, int]:
        """When the next one is (epoch ms), of each endpoint that is enabled and for which something waits."""
        rows = await reader.fetch(SELECT_FIRST_DUE)
        return {
            EndpointId(row["endpoint_id"]): row["first_at"] for row in rows if row["first_at"] is not None
        }

    async def newest(
        self, reader: Reader, endpoint_id: EndpointId, *, states: Sequence[State], before: int, limit: int
    ) -> list[Delivery]:
        """Those recorded last first. `states`: empty for all."""
        sql, args = SELECT_NEWEST, list[Value](states)
        if states:
            places = ", ".join(f"${number}" for number in range(4, len(states) + 4))
            sql = sql.replace("AND seq <", f"AND state IN ({places}) AND seq <")
        return [_delivery(row) for row in await reader.fetch(sql, endpoint_id, before, limit, *args)]

    async def dead(
        self, reader: Reader, endpoint_id: EndpointId, *, after: int, limit: int
    ) -> list[Delivery]:
        """In the order in which they were recorded."""
        return [_delivery(row) for row in await reader.fetch(SELECT_DEAD, endpoint_id, after, limit)]

    async def retry(self, tx: Transaction, one: Delivery, attempt: Attempt, *, at: int) -> bool:
        """Return False where somebody else settled it meanwhile."""
        return bool(await tx.execute(RETRY, one.seq, one.attempts, _history(one, attempt), at))

    async def finish(self, tx: Transaction, one: Delivery, attempt: Attempt, *, dead: bool, now: int) -> bool:
        """And have the next of its lane be its head. Return False where somebody else settled it meanwhile."""
        state = "dead" if dead else "done"
        if not await tx.execute(FINISH, one.seq, one.attempts, _history(one, attempt), state, now):
            return False
        await tx.execute(PROMOTE, one.endpoint_id, one.happened.lane)
        return True

    async def replay(self, tx: Transaction, one: Delivery, *, now: int) -> bool:
        """Have it wait again. Return False where it waits already."""
        return bool(await tx.execute(REPLAY, one.endpoint_id, one.happened.lane, one.seq, now))

    async def hurry(self, tx: Transaction, endpoint_id: EndpointId, *, now: int) -> None:
        """Have all that wait for their time be tried now."""
        await tx.execute(HURRY, endpoint_id, now)

    async def forget(self, tx: Transaction, *, state: State, before: int, limit: int) -> int:
        return await tx.execute(FORGET, state, before, limit)

    async def forget_of(self, tx: Transaction, endpoint_id: EndpointId, *, limit: int) -> int:
        return await tx.execute(FORGET_OF, endpoint_id, limit)

    async def counts(self, reader: Reader) -> dict[str, int]:
        """How many wait, stand behind one that waits, are dead."""
        return {row["state"]: row["number"] for row in await reader.fetch(COUNT)}


def _history(one: Delivery, attempt: Attempt) -> str:
    return json.dumps([asdict(made) for made in (*one.history, attempt)[-HISTORY:]])


def _delivery(row: Row) -> Delivery:
    return Delivery(
        seq=row["seq"],
        endpoint_id=EndpointId(row["endpoint_id"]),
        happened=Happened(
            event_id=row["event_id"],
            event=row["event"],
            lane=row["lane"],
            number=row["number"],
            about=json.loads(row["about"]),
            occurred_at=row["occurred_at"],
        ),
        state=row["state"],
        since=row["since"],
        not_before=row["not_before"],
        attempts=row["attempts"],
        history=[Attempt(**made) for made in json.loads(row["history"])],
        finished_at=row["finished_at"],
    )
