"""An older copy of the database knows that it is one, whatever was interrupted."""

import pytest

from appservice.generation import TYPE, Generation
from appservice.homeserver import HomeserverUnavailable
from bridge.storage.database import Database
from tests.fakes.homeserver import FakeHomeserver

BOT = "@festimo:bridge.test"


@pytest.fixture
def homeserver() -> FakeHomeserver:
    return FakeHomeserver()


@pytest.fixture
def generation(database: Database, homeserver: FakeHomeserver) -> Generation:
    return Generation(database, homeserver, bot=BOT)


async def rows(database: Database) -> list[tuple[int, int]]:
    found = await database.fetch("SELECT number, confirmed FROM generations")
    return [(row["number"], row["confirmed"]) for row in found]


async def put_back(database: Database, number: int, confirmed: int) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE generations SET number = $1, confirmed = $2", number, confirmed)


async def test_a_database_that_goes_on_is_no_copy(generation: Generation) -> None:
    for _ in range(3):
        assert not await generation.is_restored()
        await generation.advance()


@pytest.mark.parametrize("confirmed", [0, 1])
async def test_an_older_copy_is_noticed_until_the_count_goes_on(
    generation: Generation, database: Database, confirmed: int
) -> None:
    for _ in range(3):
        await generation.advance()
    await put_back(database, 2, confirmed)
    assert await generation.is_restored()
    assert await generation.is_restored()
    await generation.advance()
    assert await rows(database) == [(4, 1)]
    assert not await generation.is_restored()


async def test_an_older_copy_of_the_homeserver_is_noticed(
    generation: Generation, homeserver: FakeHomeserver
) -> None:
    for _ in range(3):
        await generation.advance()
    homeserver.users[BOT].account_data[TYPE] = {"number": 2}
    assert await generation.is_restored()


async def test_a_new_database_at_a_known_homeserver_is_no_copy(
    generation: Generation, homeserver: FakeHomeserver, database: Database
) -> None:
    homeserver.users[BOT].account_data[TYPE] = {"number": 7}
    assert not await generation.is_restored()
    await generation.advance()
    assert await rows(database) == [(8, 1)]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_interrupted_count_is_no_restore(
    generation: Generation, homeserver: FakeHomeserver, moment: str
) -> None:
    await generation.advance()
    homeserver.fail("put_account_data", HomeserverUnavailable("no answer"), moment=moment)  # type: ignore[arg-type]
    with pytest.raises(HomeserverUnavailable):
        await generation.advance()
    assert not await generation.is_restored()
    await generation.advance()
    assert not await generation.is_restored()


@pytest.mark.parametrize(
    "content", [{}, {"number": "3"}, {"number": -1}, {"number": None}, {"number": 2**60}]
)
async def test_nonsense_in_the_account_data_counts_as_nothing(
    generation: Generation, homeserver: FakeHomeserver, content: dict[str, object]
) -> None:
    homeserver.users[BOT].account_data[TYPE] = content
    assert not await generation.is_restored()
    await generation.advance()
    assert homeserver.users[BOT].account_data[TYPE] == {"number": 1}
