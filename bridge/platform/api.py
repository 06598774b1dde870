"""Events by REST: takes signed ones, one or many at once, stores them, then says so. Applies nothing itself."""

import json
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field, JsonValue, RootModel

from bridge.core.ids import TenantId
from bridge.platform.events import KnownEvent, Unknown
from bridge.platform.reception import Reception, Refused, Taken
from bridge.platform.signature import Signatures
from bridge.web.body import decode_utf8, read_body, read_json, require_content_type
from bridge.web.operations import Nothing, Operation, Says, answer, route
from bridge.web.problems import problem_of

PATH = "/api/v1/events"
BATCH_PATH = f"{PATH}/batch"
CONTENT_TYPES = ("application/cloudevents+json", "application/json")
BATCH_CONTENT_TYPES = ("application/cloudevents-batch+json", "application/json")
MOST_EVENTS = 1_000
"""Of a batch, which is stored in one transaction."""


class AnyEvent(RootModel[KnownEvent | Unknown]):
    """A CloudEvent 1.0; see docs/events.md."""


class Batch(RootModel[Annotated[tuple[dict[str, JsonValue], ...], Field(max_length=MOST_EVENTS)]]):
    """CloudEvents 1.0, each as `sendEvent` takes it, and judged for itself."""


class Receipt(BaseModel):
    id: str
    status: Literal["accepted", "kept_unknown_type"]
    duplicate: bool = Field(description="it came before, and has no second effect")


class FieldAtFault(BaseModel):
    field: str
    detail: str


class WhyRefused(BaseModel):
    """As of the problem document that the event would have been answered with by itself."""

    type: str
    status: int
    detail: str
    field: str | None
    errors: list[FieldAtFault]


class BatchReceipt(BaseModel):
    id: str | None = Field(description="the event's, where it has one")
    status: Literal["accepted", "kept_unknown_type", "refused"]
    duplicate: bool
    problem: WhyRefused | None = Field(description="of one that was refused: it is not stored")


class BatchAnswer(BaseModel):
    events: list[BatchReceipt] = Field(description="in the order in which they were sent")


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
POST_BATCH = Operation(
    method="POST",
    path=BATCH_PATH,
    name="sendEvents",
    summary="Tell of many things that happened on the platform",
    description=f"Up to {MOST_EVENTS}, signed as one. Each is answered for itself: one that is refused keeps no other"
    " back. What is accepted is durable, and applied in this order.",
    tag="events",
    params=Nothing,
    body=Batch,
    content_types=BATCH_CONTENT_TYPES,
    answers={HTTPStatus.OK: Says("What became of each.", BatchAnswer)},
    security="signature",
)
OPERATIONS = (POST, POST_BATCH)


class EventsApi:
    def __init__(self, reception: Reception, *, signatures: Signatures) -> None:
        self._reception = reception
        self._signatures = signatures

    def routes(self) -> list[web.RouteDef]:
        return [route(POST, self.post), route(POST_BATCH, self.post_batch)]

    async def post(self, request: web.Request) -> web.Response:
        require_content_type(request, CONTENT_TYPES)
        tenant_id, body = await self._signed(request)
        (outcome,) = await self._reception.take(tenant_id, [body])
        if isinstance(outcome, Refused):
            raise outcome.error
        receipt = Receipt(id=outcome.event.id, status=_status(outcome), duplicate=outcome.is_duplicate)
        return answer(receipt, status=HTTPStatus.ACCEPTED).response()

    async def post_batch(self, request: web.Request) -> web.Response:
        require_content_type(request, BATCH_CONTENT_TYPES)
        tenant_id, body = await self._signed(request)
        text = decode_utf8(body)
        read_json(text)
        sent = Batch.model_validate_json(text, strict=True).root
        outcomes = await self._reception.take(tenant_id, [json.dumps(event).encode() for event in sent])
        receipts = [_receipt(event, outcome) for event, outcome in zip(sent, outcomes, strict=True)]
        return answer(BatchAnswer(events=receipts)).response()

    async def _signed(self, request: web.Request) -> tuple[TenantId, bytes]:
        """Whose it is, and the body."""
        body = await read_body(request)
        return self._signatures.tenant_of(decode_utf8(body), request.headers), body


def _status(taken: Taken) -> Literal["accepted", "kept_unknown_type"]:
    return "accepted" if taken.is_known else "kept_unknown_type"


def _receipt(sent: dict[str, JsonValue], outcome: Taken | Refused) -> BatchReceipt:
    if isinstance(outcome, Taken):
        return BatchReceipt(
            id=outcome.event.id, status=_status(outcome), duplicate=outcome.is_duplicate, problem=None
        )
    problem = problem_of(outcome.error, method="POST", route=BATCH_PATH)
    event_id = sent.get("id")
    return BatchReceipt(
        id=event_id if isinstance(event_id, str) else None,
        status="refused",
        duplicate=False,
        problem=WhyRefused(
            type=f"urn:festimo:problem:{problem.code}",
            status=problem.status,
            detail=problem.detail,
            field=problem.field,
            errors=[FieldAtFault(field=one.field, detail=one.detail) for one in problem.errors],
        ),
    )
