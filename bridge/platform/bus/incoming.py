"""Events by the bus: stored before they are acknowledged, in the order of the stream."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from bridge.core.errors import Refusal
from bridge.core.ids import TenantId
from bridge.platform.intake import InboxIntake
from bridge.platform.reception import Reception, Refused
from bridge.storage.database import DatabaseError
from bridge.web.problems import field_errors

DURABLE = "festimo-bridge"
AT_ONCE = 100
"""Events of one transaction."""
AHEAD = 1_000
"""Events that the bus hands out before the first of them is acknowledged."""
ACK_WAIT = 30.0
PAUSE = 1.0
"""Seconds, where the database is away: nothing goes on without it, so that nothing overtakes."""

log = structlog.get_logger(__name__)


class OutOfOrder(Exception):
    """An event was handed out and did not arrive, or comes again: from there on all must come once more."""


class EventsFromBus:
    def __init__(
        self, reception: Reception, intake: InboxIntake, *, tenants: Collection[TenantId], subject: str
    ) -> None:
        """`subject`: of a tenant's events, without the tenant; who may publish there, the bus decides."""
        self._reception = reception
        self._intake = intake
        self._tenants = frozenset(tenants)
        self._prefix = f"{subject}."
        self._waiting: asyncio.Queue[Msg] = asyncio.Queue()
        self._last = 0

    def begin(self) -> None:
        """The bus begins anew to hand out events: those that are not acknowledged yet come first."""
        self._waiting = asyncio.Queue()
        self._last = 0

    async def came(self, message: Msg) -> None:
        self._waiting.put_nowait(message)

    async def run(self) -> None:
        """Store and acknowledge what comes, until cancelled. Raise `OutOfOrder` where something was lost on its way."""
        while True:
            messages = [await self._waiting.get()]
            while len(messages) < AT_ONCE and not self._waiting.empty():
                messages.append(self._waiting.get_nowait())
            for message in messages:
                self._last = _next(message, after=self._last)
            await self._store(messages)

    async def _store(self, messages: Sequence[Msg]) -> None:
        """However long that takes."""
        while True:
            try:
                await self._keep(messages)
                break
            except DatabaseError as error:
                log.error("bus_waits_for_database", error=type(error).__qualname__)
                await asyncio.sleep(PAUSE)
        for message in messages:
            await message.ack()

    async def _keep(self, messages: Sequence[Msg]) -> None:
        of_tenant: defaultdict[str, list[bytes]] = defaultdict(list)
        for message in messages:
            of_tenant[message.subject.removeprefix(self._prefix)].append(message.data)
        for name, bodies in of_tenant.items():
            tenant_id = TenantId(name)
            if tenant_id not in self._tenants:
                log.warning("event_for_unknown_tenant", number=len(bodies))
                for body in bodies:
                    await self._intake.refuse(
                        TenantId(""), body, reason="its subject names no tenant of ours"
                    )
                continue
            outcomes = await self._reception.take(tenant_id, bodies)
            for body, outcome in zip(bodies, outcomes, strict=True):
                if isinstance(outcome, Refused):
                    await self._intake.refuse(tenant_id, body, reason=_why(outcome))


def _why(refused: Refused) -> str:
    """Never what it says: of fields at fault only the names."""
    if isinstance(refused.error, ValidationError):
        return "invalid_input: " + "; ".join(
            f"{one.field}: {one.detail}" for one in field_errors(refused.error)[:5]
        )
    error: Refusal = refused.error
    return f"{error.code}: {error.detail}"


def _next(message: Msg, *, after: int) -> int:
    """The number of this delivery; they go 1, 2, 3 ... as long as nothing is lost."""
    number = message.metadata.sequence.consumer
    if number != after + 1:
        raise OutOfOrder
    return number


async def consumer(bus: JetStreamContext, stream: str) -> ConsumerConfig:
    """A consumer of the stream from the first event on that is not acknowledged, in place of the former one.

    The former would hand out again what it was not told of only when its time is up, behind what came later. Should we
    be killed in between, all that the stream holds comes again: it has no second effect.
    """
    start = None
    try:
        former = await bus.consumer_info(stream, DURABLE)
    except NotFoundError:
        pass
    else:
        start = 1 + (former.ack_floor.stream_seq if former.ack_floor is not None else 0)
        await bus.delete_consumer(stream, DURABLE)
    return ConsumerConfig(
        durable_name=DURABLE,
        deliver_policy=DeliverPolicy.ALL if start is None else DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_ack_pending=AHEAD,
        max_deliver=-1,
    )
