"""The engine on a database of each kind."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.fakes.homeserver import FakeHomeserver

MakeParty = Callable[..., Awaitable[Party]]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def homeserver() -> FakeHomeserver:
    return FakeHomeserver()


@pytest.fixture
async def engine(database: Database, homeserver: FakeHomeserver, clock: FrozenClock) -> Engine:
    """With one room in which only the bot is."""
    engine = Engine(database, homeserver, clock)
    homeserver.add_room(ROOM, {BOT: "join"})
    await engine.add_room()
    await engine.step()
    return engine


@pytest.fixture
def join(homeserver: FakeHomeserver, engine: Engine) -> MakeParty:
    """Have somebody with a device join the room, cross-signed unless told otherwise."""

    async def party(
        name: str, device: str = "PHONE", *, signed: bool = True, one_time_keys: int = 20
    ) -> Party:
        user = f"@{name}:people.test"
        party = Party(homeserver, user, device, Identity(user) if signed else None)
        await party.publish(one_time_keys=one_time_keys)
        homeserver.set_membership(ROOM, user, "join")
        await engine.members_changed()
        return party

    return party
