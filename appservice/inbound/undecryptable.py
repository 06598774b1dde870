"""Events whose room key is missing: set aside, tried again whenever a key comes and on a schedule, and told of.

Whether and how to tell people is decided in `bridge.festimo.unread`. Key requests are not sent and forwarded keys are
not taken: docs/reliability.md says why.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Gauge

from appservice.encryption.sync import waits_for_key
from appservice.encryption.withheld import Withheld
from appservice.room_map import Room, former_room_by_id, room_by_id
from bridge.core.clock import Clock
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.festimo.unread import Unread, UnreadNotices
from bridge.storage.database import Database, DatabaseError, Reader, Row, Transaction

TRY_AGAIN_AFTER = tuple(
    delay // timedelta(milliseconds=1)
    for delay in (
        timedelta(seconds=10),
        timedelta(minutes=1),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(days=1),
    )
)
"""Since the key was first missed, in ms. After the last the events stay, for the key to open them whenever it comes."""
LOOK_AT_LEAST_EVERY = 60.0
PAUSE_AFTER_FAILURE = 1.0
"""Seconds."""

PUT_EVENT = """
INSERT INTO undecryptable_events (item_id, room_id, session_id, sender, sent_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (item_id) DO NOTHING
"""
SELECT_EVENT = "SELECT room_id, session_id, sender FROM undecryptable_events WHERE item_id = $1"
DELETE_EVENT = "DELETE FROM undecryptable_events WHERE item_id = $1"
COUNT_EVENTS = """
SELECT COUNT(*) AS number, MIN(sent_at) AS first FROM undecryptable_events
WHERE session_id = $1 AND room_id = $2 AND sender = $3
"""
# Those whose item has gone without having been read: a message that was deleted, say.
DELETE_SETTLED = """
DELETE FROM undecryptable_events WHERE session_id = $1 AND room_id = $2 AND sender = $3
    AND EXISTS (SELECT 1 FROM inbox WHERE inbox.id = item_id AND inbox.state IN ('done', 'dead'))
"""
# Where the schedule was over, it begins anew.
PUT_KEY = """
INSERT INTO missing_keys (session_id, room_id, sender, missed_at, due_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (session_id, room_id, sender) DO UPDATE SET missed_at = excluded.missed_at, due_at = excluded.due_at
    WHERE missing_keys.due_at IS NULL
"""
_KEY = "SELECT session_id, room_id, sender, missed_at, due_at FROM missing_keys"
SELECT_DUE = f"{_KEY} WHERE due_at <= $1 ORDER BY due_at LIMIT 100"
SELECT_TO_CHANGE = f"{_KEY} WHERE session_id = $1 AND room_id = $2 AND sender = $3 FOR UPDATE"
# Keys that are here, and whose device is known as the sender's now.
SELECT_ATTRIBUTED = """
SELECT DISTINCT e.session_id FROM undecryptable_events e
    JOIN inbound_sessions s ON s.room_id = e.room_id AND s.session_id = e.session_id
    JOIN devices d ON d.user_id = e.sender AND d.identity_key = s.sender_key AND d.signing_key = s.signing_key
WHERE e.sender = $1
"""
NEXT_DUE = "SELECT MIN(due_at) FROM missing_keys WHERE due_at IS NOT NULL"
SET_DUE = "UPDATE missing_keys SET due_at = $4 WHERE session_id = $1 AND room_id = $2 AND sender = $3"
DELETE_KEY = "DELETE FROM missing_keys WHERE session_id = $1 AND room_id = $2 AND sender = $3"
COUNT = """
SELECT CASE WHEN k.due_at IS NULL THEN 'overdue' ELSE 'tried' END AS state, COUNT(*) AS number
FROM undecryptable_events e JOIN missing_keys k
    ON k.session_id = e.session_id AND k.room_id = e.room_id AND k.sender = e.sender
WHERE e.item_id IN (SELECT id FROM inbox WHERE state = 'parked')
GROUP BY 1
"""
UNDECRYPTABLE = Gauge(
    "festimo_undecryptable",
    "Events whose room key is missing: still looked for (tried), or after the last try (overdue)",
    ["state"],
)

FindElsewhere = Callable[[str, str], Awaitable[bool]]
"""(room id, Megolm session id) -> whether the key was found and is kept now. Called outside of any transaction."""

log = structlog.get_logger(__name__)


def nobody_looks() -> None:
    """Keys come by themselves."""


async def nowhere_else(room_id: str, session_id: str) -> bool:
    return False


class Undecryptable:
    def __init__(
        self,
        *,
        database: Database,
        inbox: Inbox,
        withheld: Withheld,
        notices: UnreadNotices,
        clock: Clock,
        find_elsewhere: FindElsewhere = nowhere_else,
        on_missing: Callable[[], None] = nobody_looks,
    ) -> None:
        """`on_missing` is called when a key is missing that may be on its way to us."""
        self._database = database
        self._inbox = inbox
        self._withheld = withheld
        self._notices = notices
        self._clock = clock
        self._find_elsewhere = find_elsewhere
        self._on_missing = on_missing
        self._wanted = asyncio.Event()

    # From the handler of the event, in its transaction and under the lock of `waits_for_key`

    async def wait(
        self,
        tx: Transaction,
        event: Mapping[str, Any],
        item: Item,
        session_id: str,
        *,
        look_at_once: bool = False,
    ) -> None:
        """Set the event aside until its key comes. `look_at_once`: it had come before, so others may keep it."""
        room_id, sender, now = event["room_id"], event["sender"], self._clock.now()
        await self._inbox.park(tx, item.id, until=waits_for_key(session_id))
        if not await tx.execute(PUT_EVENT, item.id, room_id, session_id, sender, _sent_at(event, now)):
            return
        due_at = now if look_at_once else now + TRY_AGAIN_AFTER[0]
        if await tx.execute(PUT_KEY, session_id, room_id, sender, now, due_at):
            code = await self._withheld.code(tx, room_id, session_id, sender)
            log.info("room_key_missing", room=room_id, session=session_id, sender=sender, withheld=code)
            tx.after_commit(self._wanted.set)
            tx.after_commit(self._on_missing)

    async def devices_known(self, tx: Transaction, sender: str) -> None:
        """The sender's devices have been asked for: one of them may have given a key that was nobody's till now."""
        for row in await tx.fetch(SELECT_ATTRIBUTED, sender):
            await self._inbox.unpark(tx, waits_for_key(row["session_id"]))

    async def read(self, tx: Transaction, room: Room, item: Item) -> None:
        """The event was read, late: when it was the last of its kind, whoever was told hears that, too."""
        row = await self._forget(tx, item)
        if row is not None:
            log.info("undecryptable_read", room=room.room_id, item=item.id)
            await self._notices.read(tx, room.conversation_id, sender=row["sender"], batch=row["session_id"])

    async def given_up(self, tx: Transaction, item: Item, reason: str) -> None:
        """The event's item became a dead letter: there is a key, and it is no use."""
        await self._forget(tx, item)

    async def _forget(self, tx: Transaction, item: Item) -> Row | None:
        """Return the key that nothing waits for any more, if there is one."""
        if item.parked_for is None:
            return None  # it never waited: most do not
        row = await tx.fetch_one(SELECT_EVENT, item.id)
        if row is None:
            return None
        await tx.execute(DELETE_EVENT, item.id)
        key = (row["session_id"], row["room_id"], row["sender"])
        if await self._waits(tx, key):
            return None
        await self._forget_key(tx, key)
        return row

    async def _waits(self, tx: Transaction, key: tuple[str, str, str]) -> bool:
        return bool(await tx.fetch_value(COUNT_EVENTS, *key))

    async def _forget_key(self, tx: Transaction, key: tuple[str, str, str]) -> None:
        session_id, room_id, sender = key
        await tx.execute(DELETE_KEY, *key)
        await self._withheld.forget(tx, room_id, session_id, sender)

    # On the schedule

    async def run(self) -> None:
        """Try what is due, until cancelled. Due times are in the database: a restart changes none."""
        while True:
            try:
                await self.step()
                due = await self._database.fetch_value(NEXT_DUE)
            except DatabaseError as error:
                log.warning("undecryptable_failed", reason=type(error).__qualname__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            pause = LOOK_AT_LEAST_EVERY if due is None else max(0, due - self._clock.now()) / 1000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, LOOK_AT_LEAST_EVERY)):
                    await self._wanted.wait()
            self._wanted.clear()

    async def step(self) -> None:
        for row in await self._database.fetch(SELECT_DUE, self._clock.now()):
            await self._try(row)

    async def _try(self, row: Row) -> None:
        key = (row["session_id"], row["room_id"], row["sender"])
        await self._look_elsewhere(row)
        async with self._database.transaction() as tx:
            await tx.lock(waits_for_key(row["session_id"]))
            current = await tx.fetch_one(SELECT_TO_CHANGE, *key)
            if current is None:
                return  # read meanwhile
            await tx.execute(DELETE_SETTLED, *key)
            if not await self._waits(tx, key):
                await self._forget_key(tx, key)
                return
            room = await room_by_id(tx, row["room_id"]) or await former_room_by_id(tx, row["room_id"])
            due_at = _next_due(row["missed_at"], self._clock.now()) if room is not None else None
            await tx.execute(SET_DUE, *key, due_at)
            # Whether we hold the key is seen by trying: also when whoever stored it has not woken anybody.
            await self._inbox.unpark(tx, waits_for_key(row["session_id"]))
            if room is not None:
                await self._notices.unread(tx, room.conversation_id, await self._unread(tx, row))
            if due_at is None:
                log.warning("undecryptable_overdue", room=row["room_id"], session=row["session_id"])

    async def _look_elsewhere(self, row: Row) -> None:
        try:
            await self._find_elsewhere(row["room_id"], row["session_id"])
        except DatabaseError:
            raise
        except Exception as error:  # another place that fails keeps nobody from being told
            log.warning("key_not_found_elsewhere", error=type(error).__qualname__)

    async def _unread(self, tx: Transaction, row: Row) -> Unread:
        session_id, room_id, sender = row["session_id"], row["room_id"], row["sender"]
        events = await tx.fetch_one(COUNT_EVENTS, session_id, room_id, sender)
        assert events is not None
        return Unread(
            sender=sender,
            batch=session_id,
            count=events["number"],
            first_sent_at=events["first"],
            since=row["missed_at"],
            withheld=await self._withheld.code(tx, room_id, session_id, sender),
        )


async def count_undecryptable(reader: Reader) -> int:
    """Set the gauge from the database, which is the truth of it; return how many are overdue."""
    found = {row["state"]: int(row["number"]) for row in await reader.fetch(COUNT)}
    for state in ("tried", "overdue"):
        UNDECRYPTABLE.labels(state).set(found.get(state, 0))
    return found.get("overdue", 0)


def _next_due(missed_at: int, now: int) -> int | None:
    return next((missed_at + delay for delay in TRY_AGAIN_AFTER if missed_at + delay > now), None)


def _sent_at(event: Mapping[str, Any], now: int) -> int:
    """As the sender's homeserver says, unless it says nonsense."""
    told = event.get("origin_server_ts")
    return told if isinstance(told, int) and 0 < told <= now else now
