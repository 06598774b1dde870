"""Whatever is told of a booking, in whatever order and how often: the same card in the end, and each effect once."""

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.bookings.model import Kind, News, Payment
from bridge.bookings.rules import booking_of
from bridge.bookings.wording import card
from bridge.messages.held import Document
from tests.bridge.bookings.desk import Desk
from tests.bridge.bookings.examples import B1, TERMS, euros, news, payment, terms
from tests.databases import quick_database
from tests.examples import examples

KINDS: tuple[Kind, ...] = ("requested", "confirmed", "changed", "cancelled", "completed")


@st.composite
def stories(draw: st.DrawFn) -> list[News | Payment]:
    """In the order in which it happened."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    told: list[News | Payment] = []
    for at, kind in enumerate(kinds, start=1):
        starts_at = TERMS.starts_at + timedelta(days=draw(st.integers(0, 2)))
        booked = terms(starts_at=starts_at, total=draw(st.sampled_from([None, euros(500), euros(1000)])))
        told.append(news(kind, at, booked, news_id=f"{at}"))
    amounts = draw(st.lists(st.integers(0, 600), max_size=3))
    return [*told, *(payment(amount, f"p{number}") for number, amount in enumerate(amounts))]


@settings(max_examples=examples(100), deadline=None)
@given(story=stories(), data=st.data())
async def test_any_order_of_a_story_ends_in_the_same_card(
    story: list[News | Payment], data: st.DataObject
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 14: bookings stay consistent with the messages"""
    again = data.draw(st.lists(st.sampled_from(story), max_size=4))
    told = data.draw(st.permutations([*story, *again]))
    async with quick_database() as database:
        desk = await Desk(database).opened()
        for one in told:
            await (desk.follow(one) if isinstance(one, News) else desk.pay(one))
        found = await desk.found()
        said = await desk.said()
        pinned = await desk.pinned()

    all_news = [one for one in story if isinstance(one, News)]
    payments = [one for one in story if isinstance(one, Payment)]
    assert found.booking == booking_of(B1, all_news, payments)
    (shown,) = [message for message in said if message.message_id == found.card_id]
    assert shown.text == card(found.booking)
    assert pinned == [found.card_id]
    # The card came first; whatever was told after the first news is told once at most.
    assert said[0].message_id == found.card_id
    notices = [message.text for message in said if message.kind == "system"][1:]
    first_news = next(index for index, one in enumerate(told) if isinstance(one, News))
    after = {_id(one) for one in told[first_news + 1 :]} - {_id(one) for one in told[: first_news + 1]}
    assert len(notices) <= len(after)
    paid = [text for text in notices if text.startswith("Payment received")]
    assert len(paid) <= sum(isinstance(one, Payment) and one.money.amount > 0 for one in story)
    files = [message.held.text for message in said if isinstance(message.held, Document)]
    sequences = [line for text in files for line in text.splitlines() if line.startswith("SEQUENCE:")]
    assert sequences == [f"SEQUENCE:{number}" for number in range(len(files))]
    methods = Counter("CANCEL" if "METHOD:CANCEL" in text else "PUBLISH" for text in files)
    assert methods["CANCEL"] <= methods["PUBLISH"]
    knows = bool(files) and "METHOD:PUBLISH" in files[-1]
    assert knows or found.booking.status != "confirmed"
    assert not (knows and found.booking.status in ("cancelled", "requested"))


def _id(one: News | Payment) -> str:
    return one.news_id if isinstance(one, News) else one.payment_id
