"""What waits for one client: what happened in order, signals behind it, and nothing that is not true any more."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.clock import FrozenClock
from bridge.sockets.outgoing import Outgoing, Signal
from tests.examples import examples


def signal(key: str, frame: str, until: int | None = None) -> Signal:
    return Signal((key,), frame, "signals:read", until=until)


async def taken(outgoing: Outgoing, most: int = 1_000) -> list[str]:
    """What is there."""
    found: list[str] = []
    while len(found) < most:
        waiting = asyncio.ensure_future(outgoing.next())
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            break
        found.append(waiting.result())
    return found


async def test_what_happened_goes_before_what_passes() -> None:
    outgoing = Outgoing(FrozenClock())
    outgoing.hint(signal("typing", "types"))
    outgoing.put("one")
    outgoing.put("two")
    assert await taken(outgoing) == ["one", "two", "types"]


async def test_of_one_thing_only_the_latest_is_told_and_only_while_it_is_true() -> None:
    clock = FrozenClock()
    outgoing = Outgoing(clock)
    now = clock.now()
    outgoing.hint(signal("anna", "anna types", now + 10_000))
    outgoing.hint(signal("ben", "ben types", now + 10_000))
    outgoing.hint(signal("anna", "anna stops"))
    clock.advance(10_000)
    assert await taken(outgoing) == ["anna stops"]


async def test_too_many_signals_crowd_out_the_oldest() -> None:
    outgoing = Outgoing(FrozenClock(), most_signals=2)
    for number in range(4):
        outgoing.hint(signal(f"{number}", f"{number}"))
    outgoing.hint(signal("2", "2 again"))
    assert await taken(outgoing) == ["2 again", "3"]


async def test_no_more_frames_wait_than_there_is_room_for() -> None:
    outgoing = Outgoing(FrozenClock(), most_frames=2)
    assert [outgoing.put(frame) for frame in "abc"] == [True, True, False]
    waiting = asyncio.create_task(outgoing.put_in_turn("d"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await outgoing.next() == "a"
    await waiting
    assert await taken(outgoing) == ["b", "d"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("happens"), st.just(0)),
        st.tuples(st.just("types"), st.integers(0, 3)),
        st.tuples(st.just("stops"), st.integers(0, 3)),
        st.tuples(st.just("reads"), st.integers(1, 5)),
        st.tuples(st.just("waits"), st.integers(1, 12_000)),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=examples(150))
def test_a_flood_of_signals_delays_and_loses_nothing_that_happened(steps: list[tuple[str, int]]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 4: typing shows as it is; whatever is typed meanwhile,
    what happened comes complete, in order and first."""

    async def play() -> None:
        clock = FrozenClock()
        outgoing = Outgoing(clock, most_frames=1_000)
        happened: list[str] = []
        read: list[str] = []
        latest: dict[str, tuple[str, int | None]] = {}
        for count, (what, how) in enumerate(steps):
            if what == "happens":
                happened.append(f"event {count}")
                outgoing.put(happened[-1])
            elif what in ("types", "stops"):
                until = clock.now() + 10_000 if what == "types" else None
                latest[f"{how}"] = (f"signal {how} {count}", until)
                outgoing.hint(signal(f"{how}", *latest[f"{how}"]))
            elif what == "waits":
                clock.advance(how)
            else:
                for frame in await taken(outgoing, how):
                    if frame.startswith("signal"):
                        assert read == happened  # nothing that happened waits behind it
                        told, until = latest[frame.split()[1]]
                        assert frame == told
                        assert until is None or clock.now() < until
                    else:
                        read.append(frame)
        assert [*read, *(one for one in await taken(outgoing) if one.startswith("event"))] == happened

    asyncio.run(play())


@pytest.mark.parametrize("number", [0, 1])
async def test_who_waits_is_woken(number: int) -> None:
    outgoing = Outgoing(FrozenClock())
    waiting = asyncio.create_task(outgoing.next())
    await asyncio.sleep(0)
    if number:
        outgoing.put("happened")
    else:
        outgoing.hint(signal("anna", "happened"))
    async with asyncio.timeout(5):
        assert await waiting == "happened"
