"""What the REST API takes and shows of webhooks. A secret is shown when it is made, and never again."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from bridge.web.fields import Data, Id, Time, Title, refuse_empty, rfc3339, whole
from bridge.web.paging import Cursor, Limit
from bridge.webhooks.model import Address, Attempt, Delivery, Disabled, Endpoint, State
from bridge.webhooks.payload import known_events
from bridge.webhooks.rules import LONGEST_OVERLAP_HOURS, LONGEST_URL

PAGE = 50

Shown = Literal["waiting", "delivered", "dead"]
SHOWN: Mapping[State, Shown] = {"next": "waiting", "behind": "waiting", "done": "delivered", "dead": "dead"}
_CURSOR = Field(description="`next_cursor` of the page before")

EVENTS = sorted(known_events())
FAMILIES = sorted({one.partition(".")[0] + ".*" for one in EVENTS})

EventName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z_]{1,40}(\.([a-z_]{1,40}|\*))?$"),
    WithJsonSchema({"type": "string", "enum": [*EVENTS, *FAMILIES]}),
]
Events = Annotated[
    tuple[EventName, ...],
    Field(max_length=50, json_schema_extra={"minItems": 1}),
    AfterValidator(refuse_empty),
]
Url = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL, pattern=r"^https?://[!-~]+$")]


class WebhookToMake(Data):
    url: Annotated[
        Url, Field(description="https, on a public address; nothing else unless the operator allows it")
    ]
    events: Annotated[
        Events | None,
        Field(
            description="of which it is told, such as `message.sent`, or families, such as `message.*`; left out: all"
        ),
    ] = None
    description: Annotated[Title | None, Field(description="what it is for")] = None

    @property
    def address(self) -> Address:
        return Address(url=self.url, events=self.events, description=self.description)


class WebhookToChange(WebhookToMake):
    enabled: Annotated[
        bool,
        Field(
            description="false: nothing is sent, and what happens meanwhile is not kept for it; true again: what waited"
            " before is sent"
        ),
    ] = True


class SecretToRotate(Data):
    overlap_hours: Annotated[
        int,
        Field(ge=0, le=LONGEST_OVERLAP_HOURS, description="for which the former secret signs, too"),
        BeforeValidator(whole),
    ] = 24


class OneWebhook(Data):
    webhook_id: Id


class OneDelivery(Data):
    webhook_id: Id
    delivery_id: Id


class ListOfWebhooks(Data):
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, Field(description="webhooks of a page")] = PAGE


class ListOfDeliveries(Data):
    webhook_id: Id
    state: Shown | None = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, Field(description="deliveries of a page")] = PAGE


class DeliveriesToReplay(Data):
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the answer before")] = None


class WebhookView(BaseModel):
    webhook_id: str
    url: str
    events: list[str] | None = Field(description="null: all")
    description: str | None
    enabled: bool
    disabled_because: Disabled | None = Field(
        description="`by_request`; `gone`: it answered 410; `failing`: it took nothing for 5 days"
    )
    disabled_at: Time | None
    former_secret_until: Time | None = Field(description="until when the former secret signs, too")
    created_at: Time
    updated_at: Time


class WebhookWithSecret(WebhookView):
    secret: str = Field(description="what is signed with; keep it: it is not shown again")


class WebhookPage(BaseModel):
    webhooks: list[WebhookView] = Field(description="in the order in which they were made")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class AttemptView(BaseModel):
    at: Time
    status: int | None = Field(description="what was answered; null: nothing")
    failure: str | None = Field(description="why nothing was")
    took_ms: int


class DeliveryView(BaseModel):
    delivery_id: str = Field(description="the event's id, and its `webhook-id`")
    type: str
    conversation_id: str | None
    sequence: int
    state: Shown
    attempts: list[AttemptView] = Field(description="the latest 20")
    next_attempt_at: Time | None = Field(
        description="at the earliest; null: it waits behind another of its conversation, or for nothing"
    )
    occurred_at: Time
    finished_at: Time | None


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryView] = Field(description="newest first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class ReplayedDeliveries(BaseModel):
    replayed: int = Field(description="how many dead ones wait again")
    next_cursor: str | None = Field(
        description="for `cursor`, to go on; null when all have been gone through"
    )


def view_of(endpoint: Endpoint) -> WebhookView:
    return WebhookView.model_validate(_fields(endpoint))


def view_with_secret(endpoint: Endpoint) -> WebhookWithSecret:
    return WebhookWithSecret.model_validate({**_fields(endpoint), "secret": endpoint.secrets.current})


def delivery_view(one: Delivery) -> DeliveryView:
    happened = one.happened
    return DeliveryView(
        delivery_id=happened.event_id,
        type=happened.event,
        conversation_id=happened.conversation_id,
        sequence=happened.number,
        state=SHOWN[one.state],
        attempts=[_attempt(made) for made in one.history],
        next_attempt_at=rfc3339(one.not_before) if one.state == "next" else None,
        occurred_at=rfc3339(happened.occurred_at),
        finished_at=None if one.finished_at is None else rfc3339(one.finished_at),
    )


def _attempt(made: Attempt) -> AttemptView:
    return AttemptView(at=rfc3339(made.at), status=made.status, failure=made.failure, took_ms=made.took)


def _fields(endpoint: Endpoint) -> dict[str, object]:
    secrets = endpoint.secrets
    events = endpoint.address.events
    return {
        "webhook_id": endpoint.endpoint_id,
        "url": endpoint.address.url,
        "events": None if events is None else list(events),
        "description": endpoint.address.description,
        "enabled": endpoint.disabled is None,
        "disabled_because": endpoint.disabled,
        "disabled_at": None if endpoint.disabled_at is None else rfc3339(endpoint.disabled_at),
        "former_secret_until": None if secrets.former is None else rfc3339(secrets.former_until),
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }
