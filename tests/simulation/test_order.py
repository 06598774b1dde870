"""Homeservers deliver out of order, late or never: what somebody says stands in the order in which they said it, soon.

Stories that are too seldom told by chance.
"""

from collections.abc import Iterator

import pytest

from tests.simulation.judge import judge
from tests.simulation.world import World

SOON = 40
"""Seconds; the next look of every few minutes is later."""


@pytest.fixture
def world() -> Iterator[World]:
    world = World(1)
    # The looks that follow a start are over.
    world.pass_time(60)
    yield world
    world.close()


def anna_says(world: World) -> None:
    anna = world.people[0]
    world.say(anna, world.rooms_of(anna, "join")[0], command=False, which=0, new_session=False, key_later=0.0)
    world.pass_time(1)


def taken_in(world: World) -> list[str]:
    """What of it is in the history: event ids, oldest first."""
    said = {said.event_id for said in world.said}
    rows = world.rows("SELECT origin_id FROM messages ORDER BY position")
    return [row["origin_id"] for row in rows if row["origin_id"] in said]


def in_order(world: World) -> list[str]:
    return [said.event_id for said in world.said]


def test_a_transaction_that_comes_after_a_later_one_is_waited_for(world: World) -> None:
    """Synapse makes one in the moment in which it recovers, and leaves it unsent."""
    world.deliveries.down = True
    anna_says(world)
    anna_says(world)
    world.deliveries.hold()
    world.deliveries.down = False
    anna_says(world)
    world.pass_time(SOON)
    assert taken_in(world) == in_order(world)
    assert len(world.deliveries.held) == 1
    world.settle()
    judge(world)


def test_what_a_homeserver_lost_when_it_died_comes_before_what_it_delivers_then(world: World) -> None:
    world.deliveries.down = True
    anna_says(world)
    anna_says(world)
    world.deliveries.lose()
    world.deliveries.down = False
    anna_says(world)
    world.pass_time(SOON)
    assert taken_in(world) == in_order(world)
    world.settle()
    judge(world)


def test_what_stays_unsent_after_transactions_were_refused_is_found_soon(world: World) -> None:
    world.faults.database_down = True
    anna_says(world)
    world.faults.database_down = False
    world.deliveries.down = True
    anna_says(world)
    world.deliveries.hold()
    world.deliveries.down = False
    world.pass_time(SOON)
    assert taken_in(world) == in_order(world)
    world.settle()
    judge(world)


def test_a_new_transaction_that_overtakes_a_refused_one_waits_for_it(world: World) -> None:
    world.deliveries.down = True
    anna_says(world)
    world.deliveries.under_way, late = [], world.deliveries.under_way
    assert late
    world.deliveries.down = False
    anna_says(world)
    assert taken_in(world) == in_order(world)
    world.homeserver.queue += late
    world.settle()
    judge(world)


def test_a_homeserver_that_backs_off_delivers_at_once_to_a_bridge_that_starts(world: World) -> None:
    """By itself it would try again 255 s after the first attempt."""
    world.supervisor.kill(down_for=200)
    anna_says(world)
    world.pass_time(190)
    taken = len(world.deliveries.accepted)
    assert world.deliveries.under_way
    world.pass_time(SOON)
    assert (len(world.deliveries.accepted), world.deliveries.under_way) == (taken + 1, [])
    world.settle()
    judge(world)
