"""The platform on the other side: makes events, signs them, sends them; and an intake in memory."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from pydantic import SecretStr

from bridge.config import Tenant
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Accepted
from bridge.platform.api import PATH, EventsApi
from bridge.platform.ports import Incoming, Intake
from bridge.platform.reception import Reception
from bridge.platform.signature import Signatures
from bridge.web.problems import problems

Client = TestClient[web.Request, web.Application]

MAX_TEXT_LENGTH = 100


def secret(letter: str) -> str:
    return "whsec_" + base64.b64encode(letter.encode() * 32).decode()


OLD, NEW, OTHER, STRANGER = (secret(letter) for letter in "onxs")
TENANTS = (
    Tenant(id="festipin", webhook_secrets=(SecretStr(OLD), SecretStr(NEW))),
    Tenant(id="other", webhook_secrets=(SecretStr(OTHER),)),
)


@dataclass(frozen=True, slots=True)
class Stored:
    tenant_id: TenantId
    source: str
    event_id: str
    event_type: str
    lane: str
    body: bytes


@dataclass(slots=True)
class MemoryIntake:
    stored: list[Stored] = field(default_factory=list)
    failure: Exception | None = None

    async def accept(self, tenant_id: TenantId, events: Sequence[Incoming]) -> list[Accepted]:
        if self.failure is not None:
            raise self.failure
        return [self._accept(tenant_id, event) for event in events]

    def _accept(self, tenant_id: TenantId, new: Incoming) -> Accepted:
        for event in self.stored:
            if (event.tenant_id, event.source, event.event_id) == (tenant_id, new.source, new.event_id):
                same = json.loads(event.body) == json.loads(new.body)
                return Accepted.DUPLICATE if same else Accepted.CONFLICT
        self.stored.append(Stored(tenant_id, new.source, new.event_id, new.event_type, new.lane, new.body))
        return Accepted.NEW


def application(intake: Intake) -> web.Application:
    app = web.Application(middlewares=[problems])
    reception = Reception(intake, max_text_length=MAX_TEXT_LENGTH)
    api = EventsApi(reception, signatures=Signatures(TENANTS))
    app.add_routes(api.routes())
    return app


def sign(
    body: bytes, *, secret: str, message_id: str = "msg_1", timestamp: int | None = None
) -> dict[str, str]:
    """Standard Webhooks, written from its specification and not from the library we verify with."""
    seconds = int(time.time()) if timestamp is None else timestamp
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


async def send(
    client: Client,
    body: bytes,
    *,
    secret: str = NEW,
    content_type: str = "application/cloudevents+json",
    headers: Mapping[str, str] | None = None,
    path: str = PATH,
) -> tuple[int, dict[str, Any]]:
    """Signs and posts; the status and the JSON that came back."""
    signed = sign(body, secret=secret) if headers is None else headers
    async with client.post(
        path, data=io.BytesIO(body), headers={"Content-Type": content_type, **signed}
    ) as response:
        assert response.content_type in ("application/json", "application/problem+json")
        document = json.loads(await response.read())
        if response.status >= 400:
            assert response.content_type == "application/problem+json"
            assert document["status"] == response.status
            assert document["type"].startswith("urn:festimo:problem:")
        return response.status, document


def encode(event: object) -> bytes:
    return json.dumps(event).encode()


def host() -> dict[str, Any]:
    return {"id": "u-anna", "name": "Anna", "mxid": "@anna:example.org", "avatar_url": "mxc://example.org/a1"}


def vendor(vendor_id: str = "v-1") -> dict[str, Any]:
    return {"id": vendor_id, "name": "Sweet Bites", "vendor_type": "caterer"}


def party() -> dict[str, Any]:
    return {"id": "p-1", "title": "Anna & Ben", "hosts": [host()]}


def event(event_type: str, data: object, **attributes: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/festipin",
        "type": event_type,
        "time": "2027-05-01T10:00:00.5Z",
        "datacontenttype": "application/json",
        "data": data,
        **attributes,
    }


def plan_completed() -> dict[str, Any]:
    return event("party.plan.completed", {"party": party(), "vendors": [vendor("v-1"), vendor("v-2")]})


def vendor_selected() -> dict[str, Any]:
    return event("vendor.selected", {"party": party(), "vendor": vendor()})


def booking_told(kind: str = "confirmed") -> dict[str, Any]:
    booking = {
        "id": "b-1",
        "service": "Catering",
        "starts_at": "2027-06-12T18:00:00+02:00",
        "ends_at": "2027-06-12T23:30:00+02:00",
        "total": {"amount": 125_000, "currency": "EUR"},
    }
    return event(f"booking.{kind}", {"booking": booking, "party": party(), "vendor": vendor()})


def booking_confirmed() -> dict[str, Any]:
    return booking_told("confirmed")


def payment_received() -> dict[str, Any]:
    payment = {"id": "pay-1", "amount": 25_000, "currency": "EUR"}
    return event("payment.received", {"party_id": "p-1", "booking_id": "b-1", "payment": payment})


def message_send(text: str = "Shall we say 8 pm?\n\tAnna 🎉") -> dict[str, Any]:
    data = {"party_id": "p-1", "vendor_id": "v-1", "sender_id": "u-anna", "text": text}
    return event("message.send", data)


def vendor_updated(**told: object) -> dict[str, Any]:
    return event("vendor.updated", {"vendor_id": "v-1", **told})


def vendor_status(status: str | None, **more: object) -> dict[str, Any]:
    return event("vendor.status_changed", {"vendor_id": "v-1", "status": status, **more})


def review_created(rating: int = 5, **more: object) -> dict[str, Any]:
    return event("review.created", {"vendor_id": "v-1", "host_id": "u-anna", "rating": rating, **more})


def user_updated(**told: object) -> dict[str, Any]:
    return event("user.updated", {"user_id": "u-anna", **told})


def user_deleted(user_id: str = "u-anna") -> dict[str, Any]:
    return event("user.deleted", {"user_id": user_id})
