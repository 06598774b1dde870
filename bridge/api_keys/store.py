"""API keys in the database."""

from bridge.api_keys.model import ApiKey
from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Row, Transaction

_COLUMNS = "key_id, tenant_id, name, secret_hash, created_at, revoked_at, scopes"
INSERT = f"INSERT INTO api_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
SELECT = f"SELECT {_COLUMNS} FROM api_keys WHERE key_id = $1"
SELECT_ALL = f"SELECT {_COLUMNS} FROM api_keys ORDER BY tenant_id, created_at, key_id"
REVOKE = "UPDATE api_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL"


class ApiKeyStore:
    async def insert(self, tx: Transaction, key: ApiKey) -> None:
        await tx.execute(
            INSERT,
            key.key_id,
            key.tenant_id,
            key.name,
            key.secret_hash,
            key.created_at,
            key.revoked_at,
            None if key.scopes is None else " ".join(sorted(key.scopes)),
        )

    async def get(self, reader: Reader, key_id: str) -> ApiKey | None:
        row = await reader.fetch_one(SELECT, key_id)
        return None if row is None else _key(row)

    async def all(self, reader: Reader) -> list[ApiKey]:
        return [_key(row) for row in await reader.fetch(SELECT_ALL)]

    async def revoke(self, tx: Transaction, key_id: str, *, now: int) -> bool:
        """Return False where there is no such key, or it was revoked before."""
        return bool(await tx.execute(REVOKE, key_id, now))


def _key(row: Row) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        tenant_id=TenantId(row["tenant_id"]),
        name=row["name"],
        secret_hash=bytes(row["secret_hash"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        scopes=None if row["scopes"] is None else frozenset(row["scopes"].split()),
    )
