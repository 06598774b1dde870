"""A booking, whenever the process dies."""

import pytest

from bridge.core.clock import FrozenClock
from bridge.delivery.inbox import Accepted
from tests.appservice.changes.bookings import accept, apply, calendar_in, is_edit, pinned, seen, told
from tests.appservice.changes.room import Conversation
from tests.appservice.encryption.engine import Engine, WatchedDatabase
from tests.appservice.encryption.reader import ANNA
from tests.appservice.recaps.test_kills import Death, Killed
from tests.databases import quick_database
from tests.fakes.homeserver import FakeHomeserver

FIRST = told("confirmed", 1)
CHANGE = told("changed", 3, service="Catering for 80")
"""It is an edit, a notice and a file."""


async def live(talk: Conversation) -> None:
    """The platform sends it until it is acknowledged; then it is applied and told."""
    assert await accept(talk, CHANGE) in (Accepted.NEW, Accepted.DUPLICATE)
    await apply(talk)
    await talk.go_out()


async def booked_with_a_death(at: int | None) -> int:
    """Return how many steps there were."""
    async with quick_database() as real:
        watched, death = WatchedDatabase(real), Death(at)
        homeserver = FakeHomeserver()
        talk = await Conversation(Engine(watched, homeserver, FrozenClock())).opened()
        anna = await talk.joined(ANNA)
        await accept(talk, FIRST)
        await apply(talk)
        await talk.go_out()
        watched.on_moment = homeserver.on_moment = death
        death.watching = True
        try:
            await live(talk)
        except Killed:
            death.watching = False
            again = Conversation(talk.engine.restarted())
            again.conversation = talk.conversation
            await live(talk := again)
        death.watching = False

        entries = await seen(talk, anna)
        said = [entry["content"]["body"].splitlines()[0] for entry in entries if not is_edit(entry)]
        assert said == [
            "Booking confirmed: Catering",
            "booking-b1.ics",
            "Booking changed: Catering for 80",
            "booking-b1.ics",
        ], f"killed at {at}"
        edits = [entry["content"] for entry in entries if is_edit(entry)]
        assert [edit["m.relates_to"]["event_id"] for edit in edits] == [entries[0]["event_id"]]
        assert edits[0]["m.new_content"]["body"].startswith("Booking confirmed: Catering for 80\n")
        assert await pinned(talk) == [entries[0]["event_id"]]
        files = [entry for entry in entries if entry["content"]["msgtype"] == "m.file"]
        sequences = [calendar_in(talk, file).walk("VEVENT")[0]["sequence"] for file in files]
        assert sequences == [0, 1]
        return death.passed


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_news_of_a_booking() -> None:
    steps = await booked_with_a_death(None)
    assert steps > 20
    for at in range(1, steps + 1):
        await booked_with_a_death(at)
