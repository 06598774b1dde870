"""What was sent to a webhook, by REST: with each attempt; and to have it sent again."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from bridge.core.caller import STAFF, Caller
from bridge.storage.database import Database, Transaction
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursors
from bridge.webhooks.api import DELIVERY, ONE
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.service import Webhooks
from bridge.webhooks.views import (
    SHOWN,
    DeliveriesToReplay,
    DeliveryPage,
    DeliveryView,
    ListOfDeliveries,
    OneDelivery,
    OneWebhook,
    ReplayedDeliveries,
    delivery_view,
)

NEWEST = 2**62
"""Beyond each `seq`."""

LIST = Operation(
    method="GET",
    path=f"{ONE}/deliveries",
    name="listWebhookDeliveries",
    summary="List what was sent to a webhook, waits or was given up, newest first",
    tag="webhooks",
    params=ListOfDeliveries,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", DeliveryPage)},
    refusals=("not_found", "invalid_cursor"),
    roles=STAFF,
)
GET = Operation(
    method="GET",
    path=DELIVERY,
    name="getWebhookDelivery",
    summary="Look at what came of sending an event to a webhook",
    tag="webhooks",
    params=OneDelivery,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The delivery.", DeliveryView)},
    refusals=("not_found",),
    roles=STAFF,
)
REPLAY = Operation(
    method="POST",
    path=f"{DELIVERY}/replay",
    name="replayWebhookDelivery",
    summary="Have an event sent again that was delivered or given up",
    description="With the same `webhook-id`; on the schedule from its beginning.",
    tag="webhooks",
    params=OneDelivery,
    body=Nothing,
    answers={HTTPStatus.OK: Says("It waits.", DeliveryView)},
    refusals=("not_found", "webhook_disabled", "still_waiting"),
    roles=STAFF,
)
REPLAY_ALL = Operation(
    method="POST",
    path=f"{ONE}/replay",
    name="replayWebhook",
    summary="Have all that was given up sent again, and what waits for its time at once",
    description="Up to 500 dead ones at once, those recorded first first; with `next_cursor` there are more.",
    tag="webhooks",
    params=OneWebhook,
    body=DeliveriesToReplay,
    answers={HTTPStatus.OK: Says("They wait.", ReplayedDeliveries)},
    refusals=("not_found", "webhook_disabled", "invalid_cursor"),
    roles=STAFF,
)
OPERATIONS = (LIST, GET, REPLAY, REPLAY_ALL)


class DeliveriesApi:
    def __init__(
        self, database: Database, webhooks: Webhooks, deliveries: DeliveryStore, cursors: Cursors
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(REPLAY, self.replay),
            toolkit.write(REPLAY_ALL, self.replay_all),
        )

    async def list(self, caller: Caller, asked: ListOfDeliveries) -> Answer:
        endpoint = await self._webhooks.get(self._database, caller.tenant_id, asked.webhook_id)
        this_list = ("webhook deliveries", endpoint.endpoint_id, asked.state)
        before = self._place(asked.cursor, this_list, or_else=NEWEST)
        states = [state for state, shown in SHOWN.items() if shown == asked.state]
        found = await self._deliveries.newest(
            self._database, endpoint.endpoint_id, states=states, before=before, limit=asked.limit + 1
        )
        shown = found[: asked.limit]
        more = shown[-1].seq if len(found) > asked.limit else None
        views = [delivery_view(one) for one in shown]
        return answer(DeliveryPage(deliveries=views, next_cursor=self._cursor(more, this_list)))

    async def get(self, caller: Caller, asked: OneDelivery) -> Answer:
        one = await self._webhooks.delivery(
            self._database, caller.tenant_id, asked.webhook_id, asked.delivery_id
        )
        return answer(delivery_view(one))

    async def replay(self, tx: Transaction, caller: Caller, asked: OneDelivery, _: Nothing) -> Answer:
        one = await self._webhooks.replay(tx, caller.tenant_id, asked.webhook_id, asked.delivery_id)
        return answer(delivery_view(one))

    async def replay_all(
        self, tx: Transaction, caller: Caller, asked: OneWebhook, more: DeliveriesToReplay
    ) -> Answer:
        this_list = ("webhook deliveries to replay", caller.tenant_id, asked.webhook_id)
        count, behind = await self._webhooks.replay_dead(
            tx, caller.tenant_id, asked.webhook_id, after=self._place(more.cursor, this_list, or_else=0)
        )
        return answer(ReplayedDeliveries(replayed=count, next_cursor=self._cursor(behind, this_list)))

    def _place(self, cursor: str | None, this_list: Sequence[str | None], *, or_else: int) -> int:
        if cursor is None:
            return or_else
        (seq,) = self._cursors.place(cursor, of=this_list, field="cursor")
        return int(seq)

    def _cursor(self, seq: int | None, this_list: Sequence[str | None]) -> str | None:
        return None if seq is None else self._cursors.at([seq], of=this_list)
