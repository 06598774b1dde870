"""In which order things happened to a booking: as the platform says, or else as they were accepted."""

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.bookings.model import Kind, News, Status
from bridge.bookings.rules import booking_of, in_order
from tests.bridge.bookings.examples import B1, HOUR, news, terms
from tests.examples import examples

KINDS: tuple[Kind, ...] = ("requested", "confirmed", "changed", "completed", "cancelled")
"""In the order in which they happen where they are said to have happened at once."""


def untimed(kind: Kind, accepted: int, at: int) -> News:
    """`accepted`: its place; `at`: what the clock said then."""
    of = terms(service=f"{kind} {accepted}")
    return News(news_id=f"u{accepted}", kind=kind, happened_at=at, accepted=accepted, terms=of)


def timed(kind: Kind, at: int) -> News:
    of = terms(service=f"{kind} at {at}")
    return News(news_id=f"{kind} at {at}", kind=kind, happened_at=at, terms=of)


# What came without a time, all in the same millisecond; what the booking is then, and whose terms are those.
AS_ACCEPTED: list[tuple[list[Kind], Status, int]] = [
    (["requested", "confirmed"], "confirmed", 1),
    (["cancelled", "requested"], "requested", 1),  # booked once more
    (["changed", "confirmed"], "confirmed", 1),
    (["confirmed", "changed"], "confirmed", 1),
    (["cancelled", "confirmed"], "confirmed", 1),
    (["confirmed", "cancelled", "confirmed"], "confirmed", 2),
    (["completed", "changed"], "completed", 0),
    (["cancelled", "completed"], "cancelled", 0),
    (["confirmed", "cancelled", "changed"], "cancelled", 0),
]


@pytest.mark.parametrize(("kinds", "status", "whose"), AS_ACCEPTED)
@pytest.mark.parametrize(
    "step", [0, 1, -1], ids=["in one ms", "later and later", "by a clock that goes back"]
)
def test_what_has_no_time_happened_in_the_order_in_which_it_was_accepted(
    kinds: list[Kind], status: Status, whose: int, step: int
) -> None:
    told = [untimed(kind, place, 100 + step * place) for place, kind in enumerate(kinds)]
    for came in (told, told[::-1]):
        found = booking_of(B1, came, [])
        assert found is not None
        assert (found.status, found.terms) == (status, told[whose].terms)


def test_between_times_and_the_clock_the_time_decides() -> None:
    told = [untimed("confirmed", 1, 2 * HOUR), news("requested", 1), news("cancelled", 3), news("changed", 2)]
    ids = ["requested at 1", "changed at 2", "u1", "cancelled at 3"]
    assert [one.news_id for one in in_order(told)] == ids


def test_a_clock_that_was_put_back_makes_no_circle() -> None:
    """By the clock alone the second would be before the claimed one, that before the first, and the first before the
    second."""
    first, second, claimed = (
        untimed("requested", 1, 600),
        untimed("confirmed", 2, 540),
        timed("cancelled", 570),
    )
    assert in_order([first, second, claimed]) == [claimed, first, second]


@st.composite
def told(draw: st.DrawFn) -> list[News]:
    """By a clock that goes anywhere. Of one kind at one time only one is claimed: else what came first decides."""
    moments, kinds = st.integers(0, 4), st.sampled_from(KINDS)
    claimed = draw(st.lists(st.tuples(kinds, moments), max_size=5, unique=True))
    accepted = draw(st.lists(st.tuples(kinds, moments), max_size=5))
    return [
        *(timed(kind, at) for kind, at in claimed),
        *(untimed(kind, place, at) for place, (kind, at) in enumerate(accepted)),
    ]


def is_before(one: News, other: News, *, among: Sequence[News]) -> bool:
    """As docs/events.md says it, of two."""
    if one.accepted is not None and other.accepted is not None:
        return one.accepted < other.accepted
    if one.accepted is None and other.accepted is None:
        return (one.happened_at, KINDS.index(one.kind)) < (other.happened_at, KINDS.index(other.kind))
    if one.accepted is None:
        return one.happened_at <= _reached(other, among)
    return _reached(one, among) < other.happened_at


def _reached(one: News, among: Sequence[News]) -> int:
    """The latest that the clock had said when it was accepted."""
    place = one.accepted
    assert place is not None
    return max(other.happened_at for other in among if other.accepted is not None and other.accepted <= place)


@settings(max_examples=examples(300), deadline=None)
@given(told=told(), data=st.data())
def test_it_is_one_order_however_it_came(told: list[News], data: st.DataObject) -> None:
    found = in_order(data.draw(st.permutations(told)))
    assert found == in_order(told)
    for one, other in combinations(found, 2):
        assert is_before(one, other, among=told)
        assert not is_before(other, one, among=told)


@settings(max_examples=examples(300), deadline=None)
@given(told=told(), later=st.tuples(st.sampled_from(KINDS), st.integers(0, 4), st.booleans()))
def test_what_is_told_later_moves_nothing_else(told: list[News], later: tuple[Kind, int, bool]) -> None:
    kind, at, claims = later
    new = timed(kind, at) if claims else untimed(kind, len(told), at)
    assert [one for one in in_order([*told, new]) if one != new] == [
        one for one in in_order(told) if one != new
    ]
