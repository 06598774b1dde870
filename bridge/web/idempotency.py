"""Idempotency-Key: what a request was answered, kept in the transaction of its effect, so that it is had once."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import ParticipantId, TenantId
from bridge.storage.database import Transaction
from bridge.storage.sealing import Sealer

HEADER = "Idempotency-Key"
PATTERN = "^[!-~]{1,255}$"
KEPT = 48 * 60 * 60 * 1000
"""Milliseconds; clients are promised 24 hours."""

_KEY = re.compile(r"[!-~]{1,255}")

SELECT = "SELECT request_hash, answer FROM idempotency_keys WHERE tenant_id = $1 AND key = $2"
INSERT = """
INSERT INTO idempotency_keys (tenant_id, key, request_hash, answer, created_at) VALUES ($1, $2, $3, $4, $5)
"""
# A few at a time, and none that another process is forgetting already.
FORGET = """
DELETE FROM idempotency_keys WHERE (tenant_id, key) IN (
    SELECT tenant_id, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT 100
    FOR UPDATE SKIP LOCKED)
"""


class IdempotencyKeyInvalid(Refusal):
    code = "invalid_input"


class IdempotencyKeyReused(Refusal):
    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`content`: all that makes it this request and no other, as JSON values.

    `participant_id`: the person who asks, whose keys are nobody else's; None for a program.
    """

    tenant_id: TenantId
    key: str
    content: object
    participant_id: ParticipantId | None = None

    @property
    def kept_key(self) -> str:
        """No header can hold a blank, so that no program's key is a person's."""
        return self.key if self.participant_id is None else f"{self.participant_id} {self.key}"

    @property
    def canonical(self) -> bytes:
        return json.dumps(self.content, sort_keys=True).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    status: int
    body: str
    location: str | None


def key_of(headers: Mapping[str, str]) -> str | None:
    key = headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid(
            f"{HEADER} must be 1 to 255 visible ASCII characters, such as a UUID.", field=HEADER
        )
    return key


class IdempotencyKeys:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def answer_to(self, tx: Transaction, request: Request) -> Kept | None:
        """What the request was answered before. From here on, the same key waits for this transaction to end.

        Raise `IdempotencyKeyReused` where the key came with another request.
        """
        await tx.lock(_place(request))
        row = await tx.fetch_one(SELECT, request.tenant_id, request.kept_key)
        if row is None:
            return None
        if row["request_hash"] != self._sealer.fingerprint(request.canonical):
            raise IdempotencyKeyReused(
                f"This {HEADER} came before, with another request. Nothing was changed. Take a new key for a new"
                " request.",
                field=HEADER,
            )
        kept = json.loads(await self._sealer.open(tx, row["answer"], place=_place(request)))
        return Kept(status=kept["status"], body=kept["body"], location=kept["location"])

    async def keep(
        self, tx: Transaction, request: Request, *, status: int, body: str, location: str | None
    ) -> None:
        now = self._clock.now()
        kept = json.dumps({"status": status, "body": body, "location": location}).encode()
        sealed = await self._sealer.seal(tx, request.tenant_id, "idempotency", kept, place=_place(request))
        fingerprint = self._sealer.fingerprint(request.canonical)
        await tx.execute(INSERT, request.tenant_id, request.kept_key, fingerprint, sealed, now)
        await tx.execute(FORGET, now - KEPT)


def _place(request: Request) -> str:
    return f"idempotency_keys.answer:{json.dumps([request.tenant_id, request.kept_key])}"
