"""The judge of the simulation sees what it is there for: each of these worlds has one fault, put in by hand."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.simulation.homeserver import Landed
from tests.simulation.judge import judge
from tests.simulation.people import Phone
from tests.simulation.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Anna has said and heard something in the first room; Ben has never been in it."""
    world = World(1)
    anna, ben, _ = world.people
    room_id, _ = world.conversation("balloons")
    world.do(world.homeserver.leave(ben.user, room_id))
    world.pass_time(5)
    world.post("balloons", by_vendor=True)
    world.say(anna, room_id, command=True, which=0, new_session=True, key_later=0)
    world.settle()
    yield world
    world.close()


def _landed(world: World) -> list[Landed]:
    return world.homeserver.landed[world.conversation("balloons")[0]]


def _phone(world: World, who: int) -> Phone:
    return world.people[who].phones[0]


def _lost(world: World) -> None:
    _landed(world).pop()


def _twice(world: World) -> None:
    last = _landed(world)[-1]
    _landed(world).append(replace(last, event=last.event | {"event_id": "$again"}))


def _in_another_order(world: World) -> None:
    _landed(world).reverse()


def _not_taken_in(world: World) -> None:
    world.said.append(replace(world.said[0], event_id="$never"))


def _taken_in_otherwise(world: World) -> None:
    world.said[0] = replace(world.said[0], text="something else")


def _without_its_key(world: World) -> None:
    _phone(world, 0).room_keys.clear()


def _read_by_who_left(world: World) -> None:
    _phone(world, 1).room_keys = _phone(world, 0).room_keys


def _in_the_clear(world: World) -> None:
    said = world.said[0]
    world.homeserver.rooms[said.room_id].timeline.append({"event_id": "$clear", "body": said.text})


def _in_the_log(world: World) -> None:
    world.logs.append({"event": "oops", "text": world.said[0].text})


def _by_an_error(world: World) -> None:
    world.logs.append({"event": "handler_failed", "error": "KeyError"})


FAULTS = [
    _lost,
    _twice,
    _in_another_order,
    _not_taken_in,
    _taken_in_otherwise,
    _without_its_key,
    _read_by_who_left,
    _in_the_clear,
    _in_the_log,
    _by_an_error,
]


def test_a_world_without_a_fault_passes(world: World) -> None:
    judge(world)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_a_fault_is_seen(world: World, fault: Callable[[World], None]) -> None:
    fault(world)
    with pytest.raises(AssertionError):
        judge(world)
