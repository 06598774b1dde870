"""POST /api/v1/events: takes a signed event, stores it, then says so. Applies nothing itself."""

from http import HTTPStatus

import structlog
from aiohttp import web

from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted
from bridge.platform.errors import EventIdReused
from bridge.platform.events import PlatformEvent, Unknown
from bridge.platform.parse import parse
from bridge.platform.ports import Intake
from bridge.platform.signature import Signatures
from bridge.web.body import decode_utf8, read_body, require_content_type

PATH = "/api/v1/events"
CONTENT_TYPES = ("application/cloudevents+json", "application/json")

_log = structlog.stdlib.get_logger(__name__)


class EventsApi:
    def __init__(self, intake: Intake, *, signatures: Signatures, max_text_length: int) -> None:
        self._intake = intake
        self._signatures = signatures
        self._max_text_length = max_text_length

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.post)]

    async def post(self, request: web.Request) -> web.Response:
        require_content_type(request, CONTENT_TYPES)
        body = await read_body(request)
        tenant_id = self._signatures.tenant_of(decode_utf8(body), request.headers)
        event = parse(body, max_text_length=self._max_text_length)
        accepted = await self._intake.accept(
            tenant_id=tenant_id,
            source=event.source,
            event_id=event.id,
            event_type=event.type,
            lane=lane_of(tenant_id, event),
            body=body,
        )
        if accepted is Accepted.CONFLICT:
            raise EventIdReused(
                "An event with this source and id came before, with another body. Nothing was changed."
                " Send a new event under a new id, or the same event byte for byte.",
                field="id",
            )
        return _answer(tenant_id, event, duplicate=accepted is Accepted.DUPLICATE)


def lane_of(tenant_id: TenantId, event: PlatformEvent) -> str:
    """Events of one lane apply in the order they came: those of one party do."""
    if isinstance(event, Unknown):
        return f"platform:{tenant_id}:unknown"
    return f"party:{tenant_id}:{event.party_id}"


def _answer(tenant_id: TenantId, event: PlatformEvent, *, duplicate: bool) -> web.Response:
    status = "accepted"
    if isinstance(event, Unknown):
        status = "kept_unknown_type"
        _log.warning("platform event of unknown type kept", tenant_id=tenant_id, event_type=event.type)
    return web.json_response(
        {"id": event.id, "status": status, "duplicate": duplicate}, status=HTTPStatus.ACCEPTED
    )
