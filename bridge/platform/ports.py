"""What this edge needs from the rest: a place where events are safe."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An event as it came. `lane`: those of one lane are applied in the order of acceptance."""

    source: str
    event_id: str
    event_type: str
    lane: str
    body: bytes


class Intake(Protocol):
    async def accept(self, tenant_id: TenantId, events: Sequence[Incoming]) -> list[Accepted]:
        """Stores the events, all of them or none; durable on return. What became of each, in their order."""
        ...
