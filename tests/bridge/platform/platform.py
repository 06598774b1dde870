"""The bridge's side of the events: accepts them as the edge does, and applies them as the bridge does."""

import asyncio
from typing import Any

from pydantic import ValidationError

from bridge.conversations.model import Scope
from bridge.core.clock import Clock
from bridge.core.ids import PartyId, TenantId, VendorId
from bridge.delivery.inbox import Accepted
from bridge.platform.intake import TOPIC, InboxIntake
from bridge.platform.parse import parse
from bridge.platform.ports import Incoming
from bridge.platform.strangers import PATIENCE as WAIT
from bridge.platform.strangers import DueStrangers, Introductions
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, Features
from tests.bridge.delivery.desk import PATIENCE, Desk
from tests.bridge.platform.sender import encode

LANE = "party:festipin:p-1"


def lane_of(body: bytes, tenant: TenantId) -> str:
    """Of what an earlier version has accepted, too."""
    try:
        return parse(body).lane(tenant)
    except ValidationError:
        return LANE


class Platform:
    def __init__(
        self, database: Database, *, clock: Clock | None = None, scope: Scope = "party_vendor"
    ) -> None:
        """`clock`: by which events are accepted."""
        self.features = Features(database, scope=scope)
        self.desk = Desk(database, clock)
        self.intake = InboxIntake(database, self.desk.inbox)
        self.features.outbox.witness(Introductions(self.desk.inbox).heard)
        self.strangers = DueStrangers(database, self.desk.inbox, self.features.clock)

    async def accept(
        self, sent: dict[str, Any], *, event_id: str, source: str = "/festipin", tenant: TenantId = TENANT
    ) -> Accepted:
        body = encode(sent | {"id": event_id})
        incoming = Incoming(
            source=source,
            event_id=event_id,
            event_type=sent["type"],
            lane=lane_of(body, tenant),
            body=body,
        )
        (accepted,) = await self.intake.accept(tenant, [incoming])
        return accepted

    async def apply(self) -> None:
        """All that waits, until nothing does."""
        async with (
            self.desk.worked_off(more={TOPIC: self.features.platform.apply}) as dispatcher,
            asyncio.timeout(PATIENCE),
        ):
            while await self.features.database.fetch("SELECT 1 FROM inbox WHERE state = 'waiting' LIMIT 1"):
                await asyncio.sleep(0.001)
                await dispatcher.idle()

    async def apply_at_once(self) -> None:
        """All that waits, without anybody whose work it is: nothing is tried twice."""
        while lanes := await self.desk.inbox.lanes():
            for lane in lanes:
                while item := await self.desk.inbox.head(lane):
                    await self.features.platform.apply(item)

    async def tire(self) -> None:
        """So much later that whatever waits for somebody to become known has waited for long enough."""
        self.features.clock.advance(self.desk.clock.now() - self.features.clock.now() + WAIT)
        await self.strangers.do_due()
        await self.apply()

    async def states(self) -> list[str]:
        """Of all events, in the order in which they were accepted."""
        rows = await self.features.database.fetch("SELECT state FROM inbox ORDER BY seq")
        return [row["state"] for row in rows]

    async def conversation_titles(self) -> list[str]:
        rows = await self.features.database.fetch("SELECT title FROM conversations ORDER BY vendor_id")
        return [row["title"] for row in rows]

    async def texts(self, vendor_id: str = "v-1") -> list[str]:
        conversation = await self.features.conversation_store.of_pair(
            self.features.database, TENANT, PartyId("p-1"), VendorId(vendor_id)
        )
        assert conversation is not None
        return [message.text for message in await self.features.history(conversation)]

    async def failures(self) -> list[str]:
        rows = await self.features.database.fetch(
            "SELECT failure FROM inbox WHERE state = 'dead' ORDER BY seq"
        )
        return [row["failure"] for row in rows]
