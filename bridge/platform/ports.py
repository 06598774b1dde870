"""What this edge needs from the rest: a place where an event is safe."""

from enum import Enum
from typing import Protocol

from bridge.core.ids import TenantId


class Accepted(Enum):
    """What became of an event whose identity is (tenant, source, id)."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """The same event with the same body was accepted before."""
    CONFLICT = "conflict"
    """Another body was accepted under the same identity; this one is not stored."""


class Intake(Protocol):
    async def accept(
        self, *, tenant_id: TenantId, source: str, event_id: str, event_type: str, lane: str, body: bytes
    ) -> Accepted:
        """Stores the event; durable on return. Events of one lane are applied in the order of acceptance."""
        ...
