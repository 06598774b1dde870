"""Devices on other homeservers that ours has not been told of: what they say waits for that, and is not thrown away."""

import pytest

from tests.appservice.encryption.engine import BOT, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK, Reader
from tests.fakes.homeserver import FakeHomeserver, Json

OURS = "@ours:bridge.test"


@pytest.fixture
async def reader(engine: Engine) -> Reader:
    return await Reader(engine).opened()


class Unannounced:
    """A device of somebody in the room, of which our homeserver has only the keys that it sends."""

    def __init__(self, reader: Reader, homeserver: FakeHomeserver, user: str) -> None:
        self.reader = reader
        self.homeserver = homeserver
        self.user = user

    async def made(self) -> "Unannounced":
        await self.reader.joined(self.user)
        before: Json = await self.homeserver.query_keys(BOT, None, [self.user])
        self.device = await Party(self.homeserver, self.user, "LAPTOP").publish()
        await self.device.send_room_key(BOT, TALK)
        self.homeserver.query_answer = before
        await self.reader.synced()
        return self

    async def says(self, event_id: str, text: str) -> None:
        await self.reader.deliver(self.reader.event(self.device, event_id, text))
        await self.asked()

    async def asked(self) -> None:
        """What `DeviceLists.run` does."""
        encryption = self.reader.parts.encryption
        await encryption.device_lists.refresh_stale(BOT, await encryption.own_devices.ensure(BOT))
        await self.reader.work_off()

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.reader.engine.rows("inbox")]


async def test_what_it_says_is_read_once_our_homeserver_is_told_of_it(
    reader: Reader, homeserver: FakeHomeserver
) -> None:
    laptop = await Unannounced(reader, homeserver, ANNA).made()
    for number in (1, 2, 3):
        await laptop.says(f"${number}", f"From my laptop {number}")
    assert (await reader.read(), await laptop.states()) == ([], ["parked"] * 3)
    asked = len(homeserver.calls("query_keys"))
    for _ in range(3):
        await laptop.asked()
    assert len(homeserver.calls("query_keys")) == asked, "until there is something new, or it is time"

    homeserver.query_answer = None
    async with reader.engine.database.transaction() as tx:
        await reader.engine.device_lists.mark_stale(tx, [ANNA])
    await laptop.asked()
    assert await reader.read() == [f"From my laptop {number}" for number in (1, 2, 3)]
    for table in ("undecryptable_events", "missing_keys"):
        assert await reader.engine.rows(table) == []


async def test_it_is_looked_for_on_the_schedule_and_the_sender_is_told(
    reader: Reader, homeserver: FakeHomeserver
) -> None:
    laptop = await Unannounced(reader, homeserver, ANNA).made()
    await laptop.says("$1", "From my laptop")
    await reader.later(10_000)
    await laptop.asked()
    assert await laptop.states() == ["parked"]
    await reader.later(50_000)
    await laptop.asked()
    assert (await reader.read(), len(await reader.told())) == ([], 1)
    homeserver.query_answer = None
    await reader.later(600_000)
    await laptop.asked()
    assert await reader.read() == ["From my laptop"]


async def test_of_a_user_of_our_own_homeserver_it_is_nobodys(
    reader: Reader, homeserver: FakeHomeserver
) -> None:
    laptop = await Unannounced(reader, homeserver, OURS).made()
    await laptop.says("$1", "I accept the price.")
    assert (await reader.read(), await laptop.states()) == ([], ["dead"])
