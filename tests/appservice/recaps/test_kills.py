"""A recap, whenever the process dies."""

import pytest

from tests.appservice.encryption.engine import WatchedDatabase
from tests.appservice.recaps.world import CHEF, World
from tests.databases import quick_database


class Killed(BaseException):
    """The process has died here."""


class Death:
    """Kills at the given commit or call (before it or after it), counted from `watch` on."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed = 0
        self.watching = False

    def __call__(self, call: str, moment: str) -> None:
        if not self.watching:
            return
        self.passed += 1
        if self.passed == self.at:
            raise Killed


async def until_told(world: World) -> None:
    """What a start does with what the last life has left; the join is delivered until it has been taken."""
    await world.becomes(CHEF, "join", sender=CHEF)
    await world.engine.step()
    await world.work()


async def recap_with_a_death(at: int | None) -> int:
    """Return how many steps there were."""
    async with quick_database() as real:
        watched, death = WatchedDatabase(real), Death(at)
        world = World(watched)
        await world.begin()
        await world.say("missed")
        chef = await world.sign_in()
        watched.on_moment = world.homeserver.on_moment = death
        death.watching = True
        try:
            await until_told(world)
        except Killed:
            death.watching = False
            await world.restart()
            await until_told(world)
        death.watching = False
        await until_told(world)
        assert "> missed" in await world.recap(chef), f"killed at {at}"
        assert await world.rows() == [("chef", "told")]
        return death.passed


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_a_recap() -> None:
    steps = await recap_with_a_death(None)
    assert steps > 20
    for at in range(1, steps + 1):
        await recap_with_a_death(at)
