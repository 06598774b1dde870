"""The feed in the database."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import ConversationId, TenantId
from bridge.feed.kinds import Kind
from bridge.feed.model import BEGINNING, Entry, Place
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = "seq, event_id, tenant_id, conversation_id, number, kind, event, about, created_at"
INSERT = """
INSERT INTO feed (event_id, tenant_id, conversation_id, kind, event, about, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
SELECT_UNNUMBERED = "SELECT entry, conversation_id, kind FROM feed WHERE seq IS NULL ORDER BY entry LIMIT $1"
NUMBER = "UPDATE feed SET seq = $2, number = $3 WHERE entry = $1"
COUNT_ON = """
INSERT INTO feed_numbers (conversation_id, last) VALUES ($1, $2)
ON CONFLICT (conversation_id) DO UPDATE SET last = feed_numbers.last + excluded.last RETURNING last
"""
SELECT_NEWEST = "SELECT seq, event_id FROM feed WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1"
SELECT_OLDEST = "SELECT seq FROM feed WHERE seq IS NOT NULL ORDER BY seq LIMIT 1"
SELECT_EVENT = "SELECT event_id FROM feed WHERE seq = $1"
SELECT_AFTER = f"SELECT {_COLUMNS} FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2"
SELECT_OF_TENANT = f"SELECT {_COLUMNS} FROM feed WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
SELECT_OF_CONVERSATION = f"""
SELECT {_COLUMNS} FROM feed WHERE conversation_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""
SELECT_FIRST = "SELECT seq, created_at FROM feed WHERE seq IS NOT NULL ORDER BY seq LIMIT $1"
FORGET = "DELETE FROM feed WHERE seq <= $1"


@dataclass(frozen=True, slots=True)
class Unnumbered:
    entry: int
    conversation_id: ConversationId
    kind: str


class FeedStore:
    async def insert(
        self, tx: Transaction, event: Event, kind: Kind, *, event_id: str, created_at: int
    ) -> None:
        about = json.dumps({name: getattr(event, name) for name in kind.keeps})
        place = (event_id, event.tenant_id, event.conversation_id)
        await tx.execute(INSERT, *place, kind.name, kind.event_of(event), about, created_at)

    async def unnumbered(self, tx: Transaction, *, limit: int) -> list[Unnumbered]:
        """In the order in which they were recorded."""
        rows = await tx.fetch(SELECT_UNNUMBERED, limit)
        return [Unnumbered(row["entry"], ConversationId(row["conversation_id"]), row["kind"]) for row in rows]

    async def count_on(self, tx: Transaction, conversation_id: ConversationId, by: int) -> int:
        """Return the conversation's last number, `by` more than before."""
        return int(await tx.fetch_value(COUNT_ON, conversation_id, by))

    async def number(self, tx: Transaction, given: Iterable[tuple[int, int, int]]) -> None:
        """Each: the entry, its `seq`, its `number`."""
        await tx.execute_many(NUMBER, list(given))

    async def newest(self, reader: Reader) -> Place:
        row = await reader.fetch_one(SELECT_NEWEST)
        return BEGINNING if row is None else Place(row["seq"], row["event_id"])

    async def is_kept(self, reader: Reader, place: Place) -> bool:
        """Whether all that came behind this place is still there."""
        if place.seq == 0:
            return (await reader.fetch_value(SELECT_OLDEST) or 1) == 1
        return bool(await reader.fetch_value(SELECT_EVENT, place.seq) == place.event_id)

    async def after(self, reader: Reader, seq: int, *, limit: int) -> list[Entry]:
        return [entry_of(row) for row in await reader.fetch(SELECT_AFTER, seq, limit)]

    async def of_tenant(self, reader: Reader, tenant_id: TenantId, *, after: int, limit: int) -> list[Entry]:
        return [entry_of(row) for row in await reader.fetch(SELECT_OF_TENANT, tenant_id, after, limit)]

    async def of_conversation(
        self, reader: Reader, conversation_id: ConversationId, *, after: int, limit: int
    ) -> list[Entry]:
        rows = await reader.fetch(SELECT_OF_CONVERSATION, conversation_id, after, limit)
        return [entry_of(row) for row in rows]

    async def first(self, reader: Reader, *, limit: int) -> Sequence[tuple[int, int]]:
        """The `seq` of the oldest entries, and when they were recorded."""
        return [(row["seq"], row["created_at"]) for row in await reader.fetch(SELECT_FIRST, limit)]

    async def forget(self, tx: Transaction, *, up_to: int) -> int:
        return await tx.execute(FORGET, up_to)


def entry_of(row: Row) -> Entry:
    about: Mapping[str, str] = json.loads(row["about"])
    return Entry(
        seq=row["seq"],
        event_id=row["event_id"],
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        number=row["number"],
        kind=row["kind"],
        event=row["event"],
        about=about,
        created_at=row["created_at"],
    )
