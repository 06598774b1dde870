"""Quick replies in the database; what they say is sealed."""

import json
from dataclasses import asdict

from bridge.core.ids import ParticipantId, TenantId
from bridge.messages.quick_replies.model import QuickReply, Wording
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

_COLUMNS = "position, quick_reply_id, tenant_id, owner_id, content, created_at, updated_at"
EVERYBODYS = ""
"""Stands for the owner of what is everybody's: no id is empty."""
INSERT = """
INSERT INTO quick_replies (quick_reply_id, tenant_id, owner_id, content, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $5)
"""
FIND = f"SELECT {_COLUMNS} FROM quick_replies WHERE tenant_id = $1 AND quick_reply_id = $2"
SELECT_OF = f"""
SELECT {_COLUMNS} FROM quick_replies WHERE tenant_id = $1 AND owner_id IN ($2, $3) ORDER BY position
"""
COUNT_OF = "SELECT COUNT(*) FROM quick_replies WHERE tenant_id = $1 AND owner_id = $2"
CHANGE = "UPDATE quick_replies SET content = $2, updated_at = $3 WHERE quick_reply_id = $1"
DELETE = "DELETE FROM quick_replies WHERE quick_reply_id = $1"


class QuickReplyStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def insert(
        self,
        tx: Transaction,
        *,
        quick_reply_id: str,
        tenant_id: TenantId,
        owner_id: ParticipantId | None,
        wording: Wording,
        now: int,
    ) -> None:
        content = await self._seal(tx, tenant_id, quick_reply_id, wording)
        await tx.execute(INSERT, quick_reply_id, tenant_id, owner_id or EVERYBODYS, content, now)

    async def find(self, reader: Reader, tenant_id: TenantId, quick_reply_id: str) -> QuickReply | None:
        """None where it is another tenant's, too."""
        row = await reader.fetch_one(FIND, tenant_id, quick_reply_id)
        return None if row is None else await self._quick_reply(reader, row)

    async def of(
        self, reader: Reader, tenant_id: TenantId, owner_id: ParticipantId | None
    ) -> list[QuickReply]:
        """Theirs, and everybody's; in the order in which they were made."""
        rows = await reader.fetch(SELECT_OF, tenant_id, owner_id or EVERYBODYS, EVERYBODYS)
        return [await self._quick_reply(reader, row) for row in rows]

    async def how_many(self, reader: Reader, tenant_id: TenantId, owner_id: ParticipantId | None) -> int:
        return int(await reader.fetch_value(COUNT_OF, tenant_id, owner_id or EVERYBODYS))

    async def change(self, tx: Transaction, one: QuickReply, wording: Wording, *, now: int) -> None:
        content = await self._seal(tx, one.tenant_id, one.quick_reply_id, wording)
        await tx.execute(CHANGE, one.quick_reply_id, content, now)

    async def delete(self, tx: Transaction, quick_reply_id: str) -> None:
        await tx.execute(DELETE, quick_reply_id)

    async def _seal(
        self, tx: Transaction, tenant_id: TenantId, quick_reply_id: str, wording: Wording
    ) -> bytes:
        content = json.dumps(asdict(wording)).encode()
        return await self._sealer.seal(tx, tenant_id, "quick-replies", content, place=_place(quick_reply_id))

    async def _quick_reply(self, reader: Reader, row: Row) -> QuickReply:
        place = _place(row["quick_reply_id"])
        wording = Wording(**json.loads(await self._sealer.open(reader, row["content"], place=place)))
        return QuickReply(
            position=row["position"],
            quick_reply_id=row["quick_reply_id"],
            tenant_id=TenantId(row["tenant_id"]),
            owner_id=None if row["owner_id"] == EVERYBODYS else ParticipantId(row["owner_id"]),
            wording=wording,
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _place(quick_reply_id: str) -> str:
    return f"quick_replies.content:{quick_reply_id}"
