"""Whose tokens are believed, what one says, and how it is ended before its time."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import TenantId

RevocationKind = Literal["token", "session", "subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A tenant's sign-in service. `role_claim`, `participant_claim`: where its tokens say who somebody is."""

    tenant_id: TenantId
    issuer: str
    audience: str
    role_claim: str
    participant_claim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Ends one token (its `jti`), a session's (`sid`), or all of somebody that were issued until now."""

    tenant_id: TenantId
    kind: RevocationKind
    value: str
