"""Who asks something of us: a program or a person, of one tenant."""

from dataclasses import dataclass, field
from typing import Literal

from bridge.core.ids import ParticipantId, TenantId

CallerRole = Literal["service", "admin", "host", "vendor"]
PEOPLE: frozenset[CallerRole] = frozenset({"host", "vendor"})
STAFF: frozenset[CallerRole] = frozenset({"service", "admin"})
"""Of whoever may see all that is the tenant's."""
EVERYBODY: frozenset[CallerRole] = STAFF | PEOPLE
"""Of whoever is known at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a caller showed, without its secret: enough to ask later whether it still holds.

    `subject`: the id of an API key, or whom a token stands for. Times in epoch ms.
    """

    kind: Literal["api_key", "token"]
    subject: str
    token_id: str | None = None
    session_id: str | None = None
    issued_at: int = 0
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`participant_id`: the person whom a host's or vendor's token stands for; None for programs and staff.

    `scopes`: all that a program's key is good for; None: whatever its role may.
    """

    tenant_id: TenantId
    role: CallerRole
    participant_id: ParticipantId | None = None
    scopes: frozenset[str] | None = None
    credential: Credential | None = field(default=None, compare=False)

    @property
    def is_person(self) -> bool:
        """One who sees only what they take part in."""
        return self.role in PEOPLE

    def may_use(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes
