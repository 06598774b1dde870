"""Endpoints in the database: where they are and their secrets are sealed, as a URL may hold a token."""

import json
from collections.abc import Sequence

from bridge.core.ids import TenantId
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer
from bridge.webhooks.model import Address, Disabled, Endpoint, EndpointId, Reach, Secrets

_COLUMNS = (
    "endpoint_id, tenant_id, events, sealed, disabled, disabled_at, accepted_at, created_at, updated_at"
)
_KNOWN = f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE deleted_at IS NULL"
INSERT = """
INSERT INTO webhook_endpoints (endpoint_id, tenant_id, events, sealed, after_seq, accepted_at, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6, $6)
"""
SELECT = f"{_KNOWN} AND endpoint_id = $1"
SELECT_OF = f"{_KNOWN} AND tenant_id = $1 ORDER BY created_at, endpoint_id"
SELECT_ALL = f"{_KNOWN} ORDER BY tenant_id, created_at, endpoint_id"
COUNT_OF = "SELECT COUNT(*) FROM webhook_endpoints WHERE tenant_id = $1 AND deleted_at IS NULL"
UPDATE = "UPDATE webhook_endpoints SET events = $2, sealed = $3, updated_at = $4 WHERE endpoint_id = $1"
DISABLE = """
UPDATE webhook_endpoints SET disabled = $2, disabled_at = $3, updated_at = $3
WHERE endpoint_id = $1 AND disabled IS NULL
"""
ENABLE = """
UPDATE webhook_endpoints SET disabled = NULL, disabled_at = NULL, after_seq = $2, accepted_at = $3, updated_at = $3
WHERE endpoint_id = $1 AND disabled IS NOT NULL
"""
DELETE = """
UPDATE webhook_endpoints SET disabled = 'by_request', deleted_at = $3, sealed = $2 WHERE endpoint_id = $1
"""
ACCEPTED = "UPDATE webhook_endpoints SET accepted_at = $2 WHERE endpoint_id = $1"

_ACTIVE = "FROM webhook_endpoints WHERE disabled IS NULL"
SELECT_REACHES = f"SELECT endpoint_id, tenant_id, events, after_seq {_ACTIVE} ORDER BY endpoint_id"
HAVE_READ = "UPDATE webhook_endpoints SET after_seq = $2 WHERE endpoint_id = $1 AND disabled IS NULL AND after_seq < $2"
LEAST_READ = f"SELECT MIN(after_seq) {_ACTIVE}"
SELECT_DELETED = "SELECT endpoint_id FROM webhook_endpoints WHERE deleted_at IS NOT NULL"
FORGET = "DELETE FROM webhook_endpoints WHERE endpoint_id = $1"


def lock_of(endpoint_id: EndpointId) -> str:
    """Who puts something into a lane of the endpoint, or takes something out, holds it: so each has one head."""
    return f"webhook:{endpoint_id}"


class EndpointStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def insert(
        self,
        tx: Transaction,
        endpoint_id: EndpointId,
        *,
        tenant_id: TenantId,
        address: Address,
        secrets: Secrets,
        after_seq: int,
        now: int,
    ) -> None:
        sealed = await self._seal(tx, tenant_id, endpoint_id, address, secrets)
        await tx.execute(INSERT, endpoint_id, tenant_id, json.dumps(address.events), sealed, after_seq, now)

    async def find(self, reader: Reader, endpoint_id: EndpointId) -> Endpoint | None:
        """Raise `CannotOpen`."""
        row = await reader.fetch_one(SELECT, endpoint_id)
        return None if row is None else await self._endpoint(reader, row)

    async def of(self, reader: Reader, tenant_id: TenantId | None) -> list[Endpoint]:
        """In the order in which they were made; None: of all tenants."""
        rows = await (reader.fetch(SELECT_ALL) if tenant_id is None else reader.fetch(SELECT_OF, tenant_id))
        return [await self._endpoint(reader, row) for row in rows]

    async def how_many(self, reader: Reader, tenant_id: TenantId) -> int:
        return int(await reader.fetch_value(COUNT_OF, tenant_id))

    async def update(
        self, tx: Transaction, endpoint: Endpoint, *, address: Address, secrets: Secrets, now: int
    ) -> None:
        sealed = await self._seal(tx, endpoint.tenant_id, endpoint.endpoint_id, address, secrets)
        await tx.execute(UPDATE, endpoint.endpoint_id, json.dumps(address.events), sealed, now)

    async def disable(self, tx: Transaction, endpoint_id: EndpointId, why: Disabled, *, now: int) -> bool:
        """Return False where it was before."""
        return bool(await tx.execute(DISABLE, endpoint_id, why, now))

    async def enable(self, tx: Transaction, endpoint_id: EndpointId, *, after_seq: int, now: int) -> bool:
        """Return False where it was not disabled."""
        return bool(await tx.execute(ENABLE, endpoint_id, after_seq, now))

    async def delete(self, tx: Transaction, endpoint_id: EndpointId, *, now: int) -> None:
        """It is found no more, and its secrets are gone; the row is, once nothing is kept that belongs to it."""
        await tx.execute(DELETE, endpoint_id, b"", now)

    async def accepted(self, tx: Transaction, endpoint_id: EndpointId, *, at: int) -> None:
        await tx.execute(ACCEPTED, endpoint_id, at)

    async def reaches(self, reader: Reader) -> list[Reach]:
        """Of those that are told of what happens."""
        return [
            Reach(
                endpoint_id=EndpointId(row["endpoint_id"]),
                tenant_id=TenantId(row["tenant_id"]),
                events=json.loads(row["events"]),
                after_seq=row["after_seq"],
            )
            for row in await reader.fetch(SELECT_REACHES)
        ]

    async def have_read(self, tx: Transaction, endpoint_ids: Sequence[EndpointId], *, up_to: int) -> None:
        await tx.execute_many(HAVE_READ, [(one, up_to) for one in endpoint_ids])

    async def least_read(self, reader: Reader) -> int | None:
        """Up to where the feed has been read for every endpoint; None where there is none."""
        least: int | None = await reader.fetch_value(LEAST_READ)
        return least

    async def deleted(self, reader: Reader) -> list[EndpointId]:
        return [EndpointId(row["endpoint_id"]) for row in await reader.fetch(SELECT_DELETED)]

    async def forget(self, tx: Transaction, endpoint_id: EndpointId) -> None:
        await tx.execute(FORGET, endpoint_id)

    async def _seal(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        endpoint_id: EndpointId,
        address: Address,
        secrets: Secrets,
    ) -> bytes:
        content = {
            "url": address.url,
            "description": address.description,
            "secret": secrets.current,
            "former": secrets.former,
            "former_until": secrets.former_until,
        }
        return await self._sealer.seal(
            tx, tenant_id, "webhooks", json.dumps(content).encode(), place=_place(endpoint_id)
        )

    async def _endpoint(self, reader: Reader, row: Row) -> Endpoint:
        endpoint_id = EndpointId(row["endpoint_id"])
        content = json.loads(await self._sealer.open(reader, row["sealed"], place=_place(endpoint_id)))
        return Endpoint(
            endpoint_id=endpoint_id,
            tenant_id=TenantId(row["tenant_id"]),
            address=Address(
                url=content["url"], events=json.loads(row["events"]), description=content["description"]
            ),
            secrets=Secrets(
                current=content["secret"], former=content["former"], former_until=content["former_until"]
            ),
            disabled=row["disabled"],
            disabled_at=row["disabled_at"],
            accepted_at=row["accepted_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _place(endpoint_id: EndpointId) -> str:
    return f"webhook_endpoints.sealed:{endpoint_id}"
