"""Delivers what waits: each endpoint by itself, many lanes at once, each lane in order.

Of what waits only as much is in memory as is under way. After a kill between an answer and its commit the same is sent
again.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bridge.core.clock import Clock
from bridge.storage.database import Database, DatabaseError
from bridge.storage.sealing import CannotOpen
from bridge.webhooks import rules
from bridge.webhooks.courier import Answer
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.metrics import ATTEMPTS, SECONDS
from bridge.webhooks.model import Attempt, Delivery, Endpoint, EndpointId
from bridge.webhooks.payload import body_of
from bridge.webhooks.signing import signed
from bridge.webhooks.store import EndpointStore, lock_of

AT_ONCE = 32
"""Deliveries under way to one endpoint."""
DOWN_AFTER = 8
"""Failures in a row, after which an endpoint is tried with one delivery at a time until it takes something."""
LOOK_EVERY = 5.0
"""Seconds. Clocks are set, and what another process changed wakes nobody here: so look now and then."""
GONE = 410
ACCEPTED_EVERY = rules.HOUR
"""So exactly it is noted when an endpoint took something last."""

log = structlog.get_logger(__name__)


class Carrier(Protocol):
    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer: ...


class Deliverer:
    def __init__(
        self,
        database: Database,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        carrier: Carrier,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._carrier = carrier
        self._clock = clock
        self._jitter = jitter
        self._came = asyncio.Event()
        self._at_work: dict[EndpointId, asyncio.Event] = {}
        self._failures: dict[EndpointId, int] = {}

    def wake(self) -> None:
        """There is something to deliver, or an endpoint changed."""
        self._came.set()
        for came in self._at_work.values():
            came.set()

    async def run(self) -> None:
        """Until cancelled; begins with what an earlier process left behind."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._came.clear()
                pause = LOOK_EVERY
                try:
                    now = self._clock.now()
                    for endpoint_id, first in (await self._deliveries.first_due(self._database)).items():
                        if first > now:
                            pause = min(pause, (first - now) / 1000)
                        elif endpoint_id not in self._at_work:
                            self._at_work[endpoint_id] = asyncio.Event()
                            tasks.create_task(self._serve(endpoint_id))
                except DatabaseError as error:
                    await _trouble(error)
                await _wait(self._came, pause)

    async def due(self, endpoint: Endpoint, *, limit: int = AT_ONCE) -> list[Delivery]:
        """What can be tried now, at most one of each lane."""
        now = self._clock.now()
        return await self._deliveries.due(self._database, endpoint.endpoint_id, now=now, limit=limit)

    async def attempt(self, endpoint: Endpoint, one: Delivery) -> None:
        """Send it once, and keep what came of it."""
        at = self._clock.now()
        try:
            body = body_of(endpoint.tenant_id, one.happened)
            headers = signed(body, message_id=one.happened.event_id, at=at, by=endpoint.secrets.at(at))
            answer = await self._carrier.carry(endpoint.address.url, body=body, headers=headers)
        except Exception as error:
            # On the schedule, too: what fails by a fault of ours must not be tried without end.
            log.error("webhook_fault", webhook=endpoint.endpoint_id, error=type(error).__qualname__)
            answer = Answer(None, f"a fault of ours ({type(error).__qualname__})")
        now = self._clock.now()
        attempt = Attempt(at=at, status=answer.status, failure=answer.failure, took=now - at)
        await self._settle(endpoint, one, attempt, answer, now=now)

    async def _serve(self, endpoint_id: EndpointId) -> None:
        """Until nothing is due there, or the endpoint is disabled or deleted."""
        came = self._at_work[endpoint_id]
        under_way: set[int] = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    came.clear()
                    endpoint, due = await self._look(endpoint_id, limit=AT_ONCE + len(under_way))
                    new = [one for one in due if one.seq not in under_way]
                    if endpoint is not None:
                        for one in new[: max(self.at_once(endpoint_id) - len(under_way), 0)]:
                            under_way.add(one.seq)
                            tasks.create_task(self._deliver(endpoint, one, under_way, came))
                    if not under_way and not came.is_set():
                        return
                    await _wait(came, LOOK_EVERY)
        finally:
            del self._at_work[endpoint_id]
            self._came.set()

    async def _look(self, endpoint_id: EndpointId, *, limit: int) -> tuple[Endpoint | None, list[Delivery]]:
        """The endpoint, if something may be sent there, and what is due."""
        try:
            endpoint = await self._endpoints.find(self._database, endpoint_id)
            if endpoint is None or endpoint.disabled is not None:
                return None, []
            return endpoint, await self.due(endpoint, limit=limit)
        except (DatabaseError, CannotOpen) as error:
            await _trouble(error)
            return None, []

    async def _deliver(
        self, endpoint: Endpoint, one: Delivery, under_way: set[int], came: asyncio.Event
    ) -> None:
        try:
            await self.attempt(endpoint, one)
        except Exception as error:
            await _trouble(error)  # it will be sent again
        finally:
            under_way.discard(one.seq)
            came.set()

    def at_once(self, endpoint_id: EndpointId) -> int:
        """How many may be under way to it at once."""
        return 1 if self._failures.get(endpoint_id, 0) >= DOWN_AFTER else AT_ONCE

    async def _settle(
        self, endpoint: Endpoint, one: Delivery, attempt: Attempt, answer: Answer, *, now: int
    ) -> None:
        if answer.status is not None and 200 <= answer.status < 300:
            await self._taken(endpoint, one, attempt, now=now)
            return
        failures = self._failures[endpoint.endpoint_id] = self._failures.get(endpoint.endpoint_id, 0) + 1
        delay = None
        if not rules.is_tried_once(one.happened.event):
            delay = rules.next_delay(
                one.attempts + 1, age=now - one.since, jitter=self._jitter(), asked=answer.retry_after
            )
        if failures == 1 or failures % DOWN_AFTER == 0 or delay is None:
            log.warning(
                "webhook_not_delivered",
                webhook=endpoint.endpoint_id,
                event_id=one.happened.event_id,
                attempt=one.attempts + 1,
                reason=attempt.failure or f"status {attempt.status}",
                given_up=delay is None,
            )
        if answer.status == GONE:
            await self._gone(endpoint, one, attempt, now=now)
        elif delay is None:
            await self._give_up(endpoint, one, attempt, now=now)
        else:
            async with self._database.transaction() as tx:
                await self._deliveries.retry(tx, one, attempt, at=now + delay)
            ATTEMPTS.labels("retried").inc()

    async def _taken(self, endpoint: Endpoint, one: Delivery, attempt: Attempt, *, now: int) -> None:
        self._failures.pop(endpoint.endpoint_id, None)
        async with self._database.transaction() as tx:
            await tx.lock(lock_of(endpoint.endpoint_id))
            tx.may_be_lost = True  # then it is sent again, with the same id
            await self._deliveries.finish(tx, one, attempt, dead=False, now=now)
            if now - endpoint.accepted_at >= ACCEPTED_EVERY:
                await self._endpoints.accepted(tx, endpoint.endpoint_id, at=now)
        ATTEMPTS.labels("delivered").inc()
        SECONDS.observe((now - one.happened.occurred_at) / 1000)

    async def _gone(self, endpoint: Endpoint, one: Delivery, attempt: Attempt, *, now: int) -> None:
        """What waits stays, should its owner enable it again."""
        async with self._database.transaction() as tx:
            await tx.lock(lock_of(endpoint.endpoint_id))
            await self._deliveries.retry(tx, one, attempt, at=now)
            await self._endpoints.disable(tx, endpoint.endpoint_id, "gone", now=now)
        ATTEMPTS.labels("gone").inc()
        log.warning("webhook_disabled", webhook=endpoint.endpoint_id, why="gone")

    async def _give_up(self, endpoint: Endpoint, one: Delivery, attempt: Attempt, *, now: int) -> None:
        failing = not rules.is_tried_once(one.happened.event) and (
            now - endpoint.accepted_at >= rules.FAILING_FOR
        )
        async with self._database.transaction() as tx:
            await tx.lock(lock_of(endpoint.endpoint_id))
            await self._deliveries.finish(tx, one, attempt, dead=True, now=now)
            if failing:
                await self._endpoints.disable(tx, endpoint.endpoint_id, "failing", now=now)
        ATTEMPTS.labels("dead").inc()
        if failing:
            log.warning("webhook_disabled", webhook=endpoint.endpoint_id, why="failing")


async def _wait(came: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await came.wait()
    except TimeoutError:
        pass


async def _trouble(error: Exception) -> None:
    log.error("webhooks_trouble", error=type(error).__qualname__)
    await asyncio.sleep(1)
