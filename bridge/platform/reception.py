"""Judges events and has those that are some stored: the same for whichever way they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from bridge.conversations.model import Scope
from bridge.core.errors import Refusal
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted
from bridge.platform.errors import EventIdReused
from bridge.platform.events import PlatformEvent, Unknown
from bridge.platform.lanes import lane_of
from bridge.platform.parse import parse
from bridge.platform.ports import Incoming, Intake

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """On disk. `is_duplicate`: it came before, and has no second effect."""

    event: PlatformEvent
    is_duplicate: bool

    @property
    def is_known(self) -> bool:
        return not isinstance(self.event, Unknown)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not stored, and why."""

    error: Refusal | ValidationError


class Reception:
    def __init__(self, intake: Intake, *, max_text_length: int, scope: Scope = "party_vendor") -> None:
        """`scope`: what there is one conversation for."""
        self._intake = intake
        self._scope = scope
        self._max_text_length = max_text_length

    async def take(self, tenant_id: TenantId, bodies: Sequence[bytes]) -> list[Taken | Refused]:
        """Each is a structured-mode CloudEvent. What became of each, in their order; all that is taken is durable."""
        judged = [self._judged(body) for body in bodies]
        sound = [
            (one, body) for one, body in zip(judged, bodies, strict=True) if not isinstance(one, Refused)
        ]
        incoming = [
            Incoming(
                source=event.source,
                event_id=event.id,
                event_type=event.type,
                lane=lane_of(event, tenant_id, scope=self._scope),
                body=body,
            )
            for event, body in sound
        ]
        accepted = iter(await self._intake.accept(tenant_id, incoming) if incoming else ())
        return [
            one if isinstance(one, Refused) else _outcome(tenant_id, one, next(accepted)) for one in judged
        ]

    def _judged(self, body: bytes) -> PlatformEvent | Refused:
        try:
            return parse(body, max_text_length=self._max_text_length)
        except (Refusal, ValidationError) as error:
            return Refused(error)


def _outcome(tenant_id: TenantId, event: PlatformEvent, accepted: Accepted) -> Taken | Refused:
    if accepted is Accepted.CONFLICT:
        return Refused(
            EventIdReused(
                "An event with this source and id came before, and said something else. Nothing was changed."
                " Send a new event under a new id, or the same event as it was.",
                field="id",
            )
        )
    if isinstance(event, Unknown):
        log.warning("platform event of unknown type kept", tenant_id=tenant_id, event_type=event.type)
    return Taken(event, is_duplicate=accepted is Accepted.DUPLICATE)
