"""Webhooks by REST: make, look at, change, rotate the secret of, delete and try one."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from bridge.core.caller import STAFF, Caller
from bridge.storage.database import Database, Transaction
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursors
from bridge.webhooks import rules
from bridge.webhooks.service import Webhooks
from bridge.webhooks.views import (
    DeliveryView,
    ListOfWebhooks,
    OneWebhook,
    SecretToRotate,
    WebhookPage,
    WebhookToChange,
    WebhookToMake,
    WebhookView,
    WebhookWithSecret,
    delivery_view,
    view_of,
    view_with_secret,
)

PATH = "/api/v1/webhooks"
ONE = f"{PATH}/{{webhook_id}}"
DELIVERY = f"{ONE}/deliveries/{{delivery_id}}"

POST = Operation(
    method="POST",
    path=PATH,
    name="createWebhook",
    summary="Have what happens sent to a URL",
    description="From now on, as `webhooks` of this document says. The answer holds the secret by which to tell that it"
    " is us, this once.",
    tag="webhooks",
    params=Nothing,
    body=WebhookToMake,
    answers={HTTPStatus.CREATED: Says("It is made.", WebhookWithSecret, {"Location": "its address"})},
    refusals=("webhook_url_refused", "unknown_event", "too_many_webhooks"),
    roles=STAFF,
    links={"getWebhook": {"webhook_id": "$response.body#/webhook_id"}},
)
LIST = Operation(
    method="GET",
    path=PATH,
    name="listWebhooks",
    summary="List webhooks",
    tag="webhooks",
    params=ListOfWebhooks,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", WebhookPage)},
    refusals=("invalid_cursor",),
    roles=STAFF,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getWebhook",
    summary="Look at a webhook",
    tag="webhooks",
    params=OneWebhook,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The webhook.", WebhookView)},
    refusals=("not_found",),
    roles=STAFF,
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="changeWebhook",
    summary="Give a webhook another URL or other events; disable or enable it",
    description="What is left out is what it is where a webhook is made. What waits goes to the new URL.",
    tag="webhooks",
    params=OneWebhook,
    body=WebhookToChange,
    answers={HTTPStatus.OK: Says("It is so now.", WebhookView)},
    refusals=("not_found", "webhook_url_refused", "unknown_event"),
    roles=STAFF,
)
DELETE = Operation(
    method="DELETE",
    path=ONE,
    name="deleteWebhook",
    summary="Delete a webhook, and all that waits for it",
    tag="webhooks",
    params=OneWebhook,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It is gone; this was it.", WebhookView)},
    refusals=("not_found",),
    roles=STAFF,
)
ROTATE = Operation(
    method="POST",
    path=f"{ONE}/secret",
    name="rotateWebhookSecret",
    summary="Make another secret",
    description="For `overlap_hours` what is sent bears both signatures, so that nothing is refused meanwhile; 0 where"
    " the former one is known to somebody else.",
    tag="webhooks",
    params=OneWebhook,
    body=SecretToRotate,
    answers={HTTPStatus.OK: Says("This is the secret now.", WebhookWithSecret)},
    refusals=("not_found",),
    roles=STAFF,
)
TEST = Operation(
    method="POST",
    path=f"{ONE}/test",
    name="testWebhook",
    summary="Have a test sent, once and at once",
    description="`webhook.test`, whatever events it is told of, past all that waits. `getWebhookDelivery` says what"
    " came of it.",
    tag="webhooks",
    params=OneWebhook,
    body=Nothing,
    answers={HTTPStatus.CREATED: Says("It will be sent.", DeliveryView, {"Location": "its address"})},
    refusals=("not_found", "webhook_disabled"),
    roles=STAFF,
)
OPERATIONS = (POST, LIST, GET, PUT, DELETE, ROTATE, TEST)


class Hosts(Protocol):
    async def check(self, host: str) -> None:
        """Raise `UrlRefused` where the host leads to where nothing is sent. Takes the network."""


class WebhooksApi:
    def __init__(
        self, database: Database, webhooks: Webhooks, hosts: Hosts, cursors: Cursors, *, http_allowed: bool
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._hosts = hosts
        self._cursors = cursors
        self._http_allowed = http_allowed

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(POST, self.make, check=self._check),
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.change, check=self._check),
            toolkit.write(DELETE, self.delete),
            toolkit.write(ROTATE, self.rotate),
            toolkit.write(TEST, self.test),
        )

    async def make(self, tx: Transaction, caller: Caller, _: Nothing, new: WebhookToMake) -> Answer:
        made = await self._webhooks.make(tx, caller.tenant_id, new.address)
        location = ONE.format(webhook_id=made.endpoint_id)
        return answer(view_with_secret(made), status=HTTPStatus.CREATED, location=location)

    async def list(self, caller: Caller, asked: ListOfWebhooks) -> Answer:
        this_list = ("webhooks", caller.tenant_id)
        after = (0, "")
        if asked.cursor is not None:
            created_at, endpoint_id = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            after = (int(created_at), str(endpoint_id))
        # All of them are opened: there are no more than `rules.MOST` of a tenant.
        found = [
            one
            for one in await self._webhooks.of(self._database, caller.tenant_id)
            if (one.created_at, one.endpoint_id) > after
        ]
        shown = found[: asked.limit]
        next_cursor = None
        if len(found) > asked.limit:
            next_cursor = self._cursors.at((shown[-1].created_at, shown[-1].endpoint_id), of=this_list)
        return answer(WebhookPage(webhooks=[view_of(one) for one in shown], next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneWebhook) -> Answer:
        return answer(view_of(await self._webhooks.get(self._database, caller.tenant_id, asked.webhook_id)))

    async def change(
        self, tx: Transaction, caller: Caller, asked: OneWebhook, new: WebhookToChange
    ) -> Answer:
        changed = await self._webhooks.change(
            tx, caller.tenant_id, asked.webhook_id, new.address, enabled=new.enabled
        )
        return answer(view_of(changed))

    async def delete(self, tx: Transaction, caller: Caller, asked: OneWebhook, _: Nothing) -> Answer:
        return answer(view_of(await self._webhooks.delete(tx, caller.tenant_id, asked.webhook_id)))

    async def rotate(self, tx: Transaction, caller: Caller, asked: OneWebhook, how: SecretToRotate) -> Answer:
        overlap = how.overlap_hours * rules.HOUR
        rotated = await self._webhooks.rotate(tx, caller.tenant_id, asked.webhook_id, overlap=overlap)
        return answer(view_with_secret(rotated))

    async def test(self, tx: Transaction, caller: Caller, asked: OneWebhook, _: Nothing) -> Answer:
        one = await self._webhooks.test(tx, caller.tenant_id, asked.webhook_id)
        location = DELIVERY.format(webhook_id=asked.webhook_id, delivery_id=one.happened.event_id)
        return answer(delivery_view(one), status=HTTPStatus.CREATED, location=location)

    async def _check(self, _: object, new: WebhookToMake) -> None:
        await self._hosts.check(rules.host_of(new.url, http_allowed=self._http_allowed))
