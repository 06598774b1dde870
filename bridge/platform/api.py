"""Events by REST: takes a signed one, stores it, then says so; tells what became of it. Applies nothing itself."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal

import structlog
from aiohttp import web
from pydantic import BaseModel, Field, RootModel

from bridge.core.caller import STAFF, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted
from bridge.platform.errors import EventIdReused
from bridge.platform.events import KnownEvent, PlatformEvent, Unknown
from bridge.platform.fields import Attribute, UriReference
from bridge.platform.parse import parse
from bridge.platform.ports import Intake
from bridge.platform.signature import Signatures
from bridge.platform.store import EventState, EventStore, Status
from bridge.storage.database import Database
from bridge.web.body import decode_utf8, read_body, require_content_type
from bridge.web.fields import Data, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer, route

PATH = "/api/v1/events"
CONTENT_TYPES = ("application/cloudevents+json", "application/json")


class AnyEvent(RootModel[KnownEvent | Unknown]):
    """A CloudEvent 1.0; see docs/events.md."""


class Receipt(BaseModel):
    id: str
    status: Literal["accepted", "kept_unknown_type"]
    duplicate: bool = Field(description="it came before, and has no second effect")


class OneEvent(Data):
    event_id: Attribute
    source: UriReference


class EventView(BaseModel):
    id: str
    source: str
    type: str
    status: Status
    failure: str | None = Field(description="why it could not be applied")
    received_at: Time
    finished_at: Time | None


POST = Operation(
    method="POST",
    path=PATH,
    name="sendEvent",
    summary="Tell what happened on the platform",
    description="Durable once answered, applied soon after. `source` and `id` together name an event.",
    tag="events",
    params=Nothing,
    body=AnyEvent,
    content_types=CONTENT_TYPES,
    answers={HTTPStatus.ACCEPTED: Says("It is on disk.", Receipt)},
    refusals=("event_id_reused",),
    security="signature",
    links={
        "getEvent": {"event_id": "$response.body#/id", "source": "$request.body#/source"},
    },
)
GET = Operation(
    method="GET",
    path=f"{PATH}/{{event_id}}",
    name="getEvent",
    summary="See what became of an event",
    tag="events",
    params=OneEvent,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("Its state.", EventView)},
    refusals=("not_found",),
)
OPERATIONS = (POST, GET)

_log = structlog.stdlib.get_logger(__name__)


class EventsApi:
    def __init__(self, intake: Intake, *, signatures: Signatures, max_text_length: int) -> None:
        self._intake = intake
        self._signatures = signatures
        self._max_text_length = max_text_length

    def routes(self) -> list[web.RouteDef]:
        return [route(POST, self.post)]

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
            lane=event.lane(tenant_id),
            body=body,
        )
        if accepted is Accepted.CONFLICT:
            raise EventIdReused(
                "An event with this source and id came before, with another body. Nothing was changed."
                " Send a new event under a new id, or the same event byte for byte.",
                field="id",
            )
        return _answer(tenant_id, event, duplicate=accepted is Accepted.DUPLICATE)


def _answer(tenant_id: TenantId, event: PlatformEvent, *, duplicate: bool) -> web.Response:
    known = not isinstance(event, Unknown)
    if not known:
        _log.warning("platform event of unknown type kept", tenant_id=tenant_id, event_type=event.type)
    receipt = Receipt(id=event.id, status="accepted" if known else "kept_unknown_type", duplicate=duplicate)
    return answer(receipt, status=HTTPStatus.ACCEPTED).response()


class EventStatesApi:
    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(GET, self.get),)

    async def get(self, caller: Caller, asked: OneEvent) -> Answer:
        state = await self._store.find(
            self._database, caller.tenant_id, source=asked.source, event_id=asked.event_id
        )
        if state is None:
            raise NotFound("There is no event with this id and source.", field="event_id")
        return answer(_view(state))


def _view(state: EventState) -> EventView:
    return EventView(
        id=state.event_id,
        source=state.source,
        type=state.type,
        status=state.status,
        failure=state.failure,
        received_at=rfc3339(state.received_at),
        finished_at=None if state.finished_at is None else rfc3339(state.finished_at),
    )
