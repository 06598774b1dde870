"""A room is replaced while things are said: each is said once, in order, here or in the next; whoever dies."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appservice.outbound.rooms import NOBODY_WRITES
from tests.examples import LONGER
from tests.simulation.faults import Moment, Place, Plan
from tests.simulation.judge import no_index_is_used_twice, nothing_leaks, nothing_was_given_up
from tests.simulation.world import VENDORS, World

GHOSTS, THEIR_OWN = VENDORS
"""In the room of the first a ghost speaks, and in both Festimo, on behalf of Anna."""
STEPS = range(1, 41, 4) if LONGER else range(5, 6)
"""At the how-manieth commit or call from then on it dies."""
POSTED = "SELECT id FROM outbox WHERE topic = 'matrix.MessagePosted'"


@contextmanager
def told(seed: int) -> Iterator[World]:
    world = World(seed)
    try:
        yield world
    finally:
        world.close()


def say_something(world: World, *, times: int = 1) -> None:
    for _ in range(times):
        for vendor in VENDORS:
            world.post(vendor, by_vendor=True)
            world.post(vendor, by_vendor=False)


def judge_moves(world: World, former: dict[str, str]) -> None:
    posts = {row["id"] for row in world.rows(POSTED)}
    for vendor in VENDORS:
        room, messages = world.conversation(vendor)
        assert room != former[vendor]
        said = [one for one in messages if not one.from_client]
        assert [one.status for one in said] == ["sent"] * len(said)
        landed = [
            one.event["event_id"]
            for place in (former[vendor], room)
            for one in world.homeserver.landed[place]
            if one.txn_id in posts
        ]
        assert [one.origin_id for one in said] == landed, "each once, in order"
        posted = [one.text for one in said if one.sender_type != "festimo"]
        assert posted == world.posted[vendor], "none is lost"
        anna = world.people[0]
        assert world.homeserver.rooms[room].members[anna.user] == "invite"
        last = world.homeserver.landed[room][-1].event
        assert any(phone.reads(last) for phone in anna.phones), "with the keys of the next room"
    conversations = [room for room in world.homeserver.rooms if not world.homeserver.is_space(room)]
    assert len(conversations) == 2 * len(VENDORS), "one room after the other, and no third"
    no_index_is_used_twice(world)
    nothing_was_given_up(world)
    nothing_leaks(world)


@pytest.mark.parametrize(
    ("place", "moment", "heard"),
    [
        ("commit", "before", "at once"),
        ("commit", "after", "late"),
        ("call", "before", "late"),
        ("call", "after", "at once"),
    ],
)
def test_whoever_dies_while_a_room_is_replaced(place: Place, moment: Moment, heard: str) -> None:
    """`late`: rooms refuse ghosts before we know why."""
    for countdown in STEPS:
        with told(countdown) as world:
            former = {vendor: world.conversation(vendor)[0] for vendor in VENDORS}
            world.faults.homeserver_down = True
            say_something(world, times=2)
            world.pass_time(1)
            world.deliveries.down = heard == "late"
            for room in former.values():
                world.do(world.homeserver.replace(room))
            if heard == "at once":
                world.pass_time(0.02)
            world.faults.plans.append(Plan(place=place, moment=moment, what="dies", countdown=countdown))
            world.faults.homeserver_down = False
            say_something(world)
            world.pass_time(0.3)
            say_something(world)
            if heard == "late":
                world.pass_time(5)
                world.deliveries.down = False
                world.deliveries.release()
            world.pass_time(5)
            say_something(world)
            world.settle()
            judge_moves(world, former)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", ["commit", "call"])
def test_whoever_dies_while_we_upgrade_a_room(place: Place, moment: Moment) -> None:
    """It is upgraded once, and its former room leads to the next."""
    for countdown in STEPS:
        with told(countdown) as world:
            former = {vendor: world.conversation(vendor)[0] for vendor in VENDORS}
            say_something(world)
            for vendor in VENDORS:
                world.upgrade(vendor)
            world.faults.plans.append(Plan(place=place, moment=moment, what="dies", countdown=countdown))
            say_something(world, times=2)
            world.pass_time(5)
            say_something(world)
            world.settle()
            judge_moves(world, former)
            for vendor in VENDORS:
                state = world.homeserver.room_state(former[vendor])
                tombstone = state["m.room.tombstone", ""]["content"]
                assert tombstone["replacement_room"] == world.conversation(vendor)[0]
                assert state["m.room.power_levels", ""]["content"]["events_default"] == NOBODY_WRITES
