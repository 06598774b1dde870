"""Dead letters in the database: rows of the inbox and outbox, without their bodies."""

from bridge.admin.dead_letters.model import DeadLetter, Filter, Place, QueueName
from bridge.core.ids import TenantId
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row

_COLUMNS = "seq, id, tenant_id, lane, topic, state, failure, attempts, created_at, finished_at"
# Both tables name these columns alike.
_DEAD = f"""
SELECT * FROM (
    SELECT 'inbox' AS queue, {_COLUMNS} FROM inbox WHERE state = 'dead'
    UNION ALL SELECT 'outbox', {_COLUMNS} FROM outbox WHERE state = 'dead'
) letters
"""
_FIND = {
    "inbox": f"SELECT 'inbox' AS queue, {_COLUMNS} FROM inbox WHERE id = $1",
    "outbox": f"SELECT 'outbox' AS queue, {_COLUMNS} FROM outbox WHERE id = $1",
}


class DeadLetterStore:
    async def newest(
        self, reader: Reader, wanted: Filter, *, inbox_lane: str | None, before: Place | None, limit: int
    ) -> list[DeadLetter]:
        """`inbox_lane`: that of the wanted conversation, where it has one."""
        return await self._list(reader, wanted, inbox_lane, before, limit, order="DESC", past="<")

    async def oldest(
        self, reader: Reader, wanted: Filter, *, inbox_lane: str | None, after: Place | None, limit: int
    ) -> list[DeadLetter]:
        return await self._list(reader, wanted, inbox_lane, after, limit, order="ASC", past=">")

    async def find(self, reader: Reader, queue: QueueName, item_id: str) -> DeadLetter | None:
        """In whatever state the item is by now."""
        row = await reader.fetch_one(_FIND[queue], item_id)
        return None if row is None else _letter(row)

    async def _list(
        self,
        reader: Reader,
        wanted: Filter,
        inbox_lane: str | None,
        place: Place | None,
        limit: int,
        *,
        order: str,
        past: str,
    ) -> list[DeadLetter]:
        args = Arguments(limit)
        conditions = [
            f"{column} = {args.place(value)}"
            for column, value in (
                ("tenant_id", wanted.tenant_id),
                ("queue", wanted.queue),
                ("topic", wanted.topic),
            )
            if value is not None
        ]
        if wanted.conversation_id is not None:
            # The lanes of the outbox are "consumer:conversation".
            like = "%:" + wanted.conversation_id.replace("_", "\\_")
            outbox = f"queue = 'outbox' AND lane LIKE {args.place(like)} ESCAPE '\\'"
            conditions.append(f"({outbox} OR queue = 'inbox' AND lane = {args.place(inbox_lane or '')})")
        if place is not None:
            there = args.place(place.created_at, place.queue, place.seq)
            conditions.append(f"(created_at, queue, seq) {past} ({there})")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        by = ", ".join(f"{column} {order}" for column in ("created_at", "queue", "seq"))
        rows = await reader.fetch(f"{_DEAD} {where} ORDER BY {by} LIMIT $1", *args.values)
        return [_letter(row) for row in rows]


def _letter(row: Row) -> DeadLetter:
    dead, attempted = row["state"] == "dead", row["finished_at"] is not None
    return DeadLetter(
        queue=row["queue"],
        seq=row["seq"],
        item_id=row["id"],
        tenant_id=TenantId(row["tenant_id"]),
        lane=row["lane"],
        topic=row["topic"],
        state=row["state"],
        reason=row["failure"] if dead else None,
        # The last attempt is not counted in the row; what nothing can be done with had none.
        attempts=row["attempts"] + attempted,
        created_at=row["created_at"],
        died_at=(row["finished_at"] if attempted else row["created_at"]) if dead else None,
    )
