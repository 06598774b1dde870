"""Who asks something of us: a program or a person, of one tenant."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ParticipantId, TenantId

CallerRole = Literal["service", "admin", "host", "vendor"]
PEOPLE: frozenset[CallerRole] = frozenset({"host", "vendor"})
STAFF: frozenset[CallerRole] = frozenset({"service", "admin"})
"""Of whoever may see all that is the tenant's."""
EVERYBODY: frozenset[CallerRole] = STAFF | PEOPLE
"""Of whoever is known at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`participant_id`: the person whom a host's or vendor's token stands for; None for programs and staff."""

    tenant_id: TenantId
    role: CallerRole
    participant_id: ParticipantId | None = None

    @property
    def is_person(self) -> bool:
        """One who sees only what they take part in."""
        return self.role in PEOPLE
