"""Events of bookings without a `time`: what they tell happened in the order in which they were accepted."""

from collections.abc import Sequence
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from bridge.core.clock import FrozenClock
from bridge.platform.api import BATCH_PATH
from bridge.storage.database import Database
from tests.bridge.platform.platform import LANE, Platform
from tests.bridge.platform.sender import application, booking_told, encode, send

HOUR = 3_600_000


def untimed(kind: str, service: str = "Catering") -> dict[str, Any]:
    sent = {name: value for name, value in booking_told(kind).items() if name != "time"}
    sent["data"]["booking"]["service"] = service
    return sent | {"id": f"{kind} {service}"}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def platform(database: Database, clock: FrozenClock) -> Platform:
    return Platform(database, clock=clock)


@pytest.mark.parametrize(
    ("batch", "card"),
    [
        ([untimed("confirmed"), untimed("cancelled"), untimed("requested")], "Booking requested: Catering"),
        ([untimed("cancelled"), untimed("confirmed")], "Booking confirmed: Catering"),
        ([untimed("changed", "Dinner"), untimed("confirmed", "Lunch")], "Booking confirmed: Lunch"),
        ([untimed("confirmed", "Lunch"), untimed("changed", "Dinner")], "Booking confirmed: Dinner"),
        (
            [untimed("requested"), untimed("cancelled"), untimed("requested", "Lunch")],
            "Booking requested: Lunch",
        ),
    ],
)
async def test_a_batch_happened_as_it_stands(
    aiohttp_client: AiohttpClient, platform: Platform, batch: Sequence[dict[str, Any]], card: str
) -> None:
    """All in one millisecond."""
    client = await aiohttp_client(application(platform.intake))
    body, how = encode(batch), "application/cloudevents-batch+json"
    status, answer = await send(client, body, path=BATCH_PATH, content_type=how)
    assert (status, [one["status"] for one in answer["events"]]) == (200, ["accepted"] * len(batch))
    await platform.apply()
    assert await platform.failures() == []
    assert (await platform.texts())[0].splitlines()[0] == card


async def test_a_clock_that_was_put_back_does_not_matter(platform: Platform, clock: FrozenClock) -> None:
    await platform.accept(untimed("confirmed"), event_id="1")
    clock.advance(-HOUR)
    await platform.accept(untimed("cancelled"), event_id="2")
    await platform.apply()
    assert (await platform.texts())[0].splitlines()[0] == "Booking cancelled: Catering"


async def fails_and_is_replayed(platform: Platform) -> None:
    """The next of the lane."""
    inbox, database = platform.desk.inbox, platform.features.database
    item = await inbox.head(LANE)
    assert item is not None
    async with database.transaction() as tx:
        await inbox.bury(tx, item, failure="a fault")
    dead = await inbox.dead(database, item.id)
    assert dead is not None
    async with database.transaction() as tx:
        await inbox.revive(tx, dead)


async def test_what_is_replayed_happened_when_it_was_accepted_first(
    platform: Platform, clock: FrozenClock
) -> None:
    """However often: a confirmation that failed thrice is no answer to the cancellation that came after it."""
    await platform.accept(untimed("confirmed"), event_id="1")
    clock.advance(-HOUR)
    for _ in range(2):
        await fails_and_is_replayed(platform)
    await platform.accept(untimed("cancelled"), event_id="2")
    await fails_and_is_replayed(platform)
    await platform.apply()
    assert await platform.failures() == []
    assert (await platform.texts())[0].splitlines()[0] == "Booking cancelled: Catering"
