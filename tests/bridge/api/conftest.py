from dataclasses import dataclass

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from bridge.core.caller import CallerRole
from bridge.core.ids import TenantId
from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.world import OURS, THEIRS, World


@pytest.fixture
async def world(database: Database) -> World:
    return World(database)


@dataclass(frozen=True, slots=True)
class Sides:
    ours: Api
    theirs: Api
    nobody: Api


@pytest.fixture
async def sides(world: World, aiohttp_client: AiohttpClient) -> Sides:
    """A client of each of two tenants, and one without a key."""
    http = await aiohttp_client(world.app())
    keys = [str(await world.keys.create(tenant, name="tests")) for tenant in (OURS, THEIRS)]
    return Sides(*(Api(http, key) for key in (*keys, None)))


@dataclass(frozen=True, slots=True)
class People:
    """Those who have signed in, each with a token of their tenant's sign-in service."""

    sides: Sides
    world: World

    def who(self, role: CallerRole, subject: str, tenant: TenantId = OURS) -> Api:
        token = self.world.sign_ins[tenant].token(subject, role)
        return Api(self.sides.ours.http, token)

    @property
    def anna(self) -> Api:
        return self.who("host", "u-anna")

    @property
    def sweet_bites(self) -> Api:
        return self.who("vendor", "v-1")


@pytest.fixture
def people(sides: Sides, world: World) -> People:
    return People(sides, world)


@pytest.fixture
def api(sides: Sides) -> Api:
    return sides.ours
