"""What this edge needs from the rest: a place where an event is safe."""

from typing import Protocol

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted


class Intake(Protocol):
    async def accept(
        self, *, tenant_id: TenantId, source: str, event_id: str, event_type: str, lane: str, body: bytes
    ) -> Accepted:
        """Stores the event; durable on return. Events of one lane are applied in the order of acceptance."""
        ...
