"""Where a booking is followed: in the conversation of its party and vendor, wherever that goes on, and in no other."""

import asyncio
from typing import Any

import pytest

from bridge.bookings.errors import BookingElsewhere
from bridge.bookings.wording import card
from bridge.core.ids import BookingId
from tests.bridge.bookings.desk import Desk
from tests.bridge.bookings.examples import B1, euros, news, payment, terms
from tests.bridge.conversations.features import TENANT, person

WAITS_FOR_A_LOCK = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_a_booking_moves_with_its_conversation(desk: Desk) -> None:
    """The former one was deleted, and another opened."""
    await desk.follow(news("confirmed", 1), party="p1")
    former = await desk.is_deleted()
    desk.conversation = await desk.features.open()
    assert desk.conversation.conversation_id != former.conversation_id
    await desk.follow(news("changed", 2), party="p1")
    found = await desk.found()
    assert (found.conversation_id, found.party_id) == (desk.conversation.conversation_id, "p1")
    texts = await desk.texts()
    assert texts[0] == card(found.booking)
    assert texts[1].startswith("Booking changed: Catering\n")
    assert texts[2] == "booking-b1.ics"
    assert await desk.pinned() == [found.card_id]


@pytest.mark.parametrize(
    "was_deleted", [False, True], ids=["its card stands", "its conversation was deleted"]
)
@pytest.mark.parametrize(
    "others",
    [
        {"vendor": person("flora", "Flowers")},
        {"party": "p2", "title": "Cleo", "hosts": [person("cleo", "Cleo")]},
        {"party": "p2", "title": "Anna again"},
    ],
    ids=["another vendor", "another party", "another party of the same host"],
)
async def test_a_booking_of_others_is_refused(
    desk: Desk, others: dict[str, Any], *, was_deleted: bool
) -> None:
    await desk.follow(news("confirmed", 1), party="p1")
    if was_deleted:
        await desk.is_deleted()
    other = await desk.features.open(**others)
    before = await desk.features.everything()
    with pytest.raises(
        BookingElsewhere, match=r"^Booking b1 is one of party p1 with vendor chef\. Nothing was"
    ):
        await desk.follow(news("cancelled", 2), here=other, party=others.get("party", "p1"))
    assert await desk.features.everything() == before


async def test_where_a_conversation_goes_on_elsewhere_its_cards_go_with_it(desk: Desk) -> None:
    """Only those that stand in the former place: what has not been said yet is said in the new one."""
    features = desk.features
    await desk.follow(news("requested", 1))
    await desk.follow(news("requested", 1, news_id="two"), of=BookingId("b2"))
    former, waiting = await desk.is_in_the_room(), await desk.found(BookingId("b2"))
    listener, item = await desk.move()
    await listener.opened(item)
    now = await desk.found()
    assert now.card_id is not None
    assert now.card_id != former.card_id
    assert (await desk.found(BookingId("b2"))).card_id == waiting.card_id
    assert await desk.pinned() == [waiting.card_id, now.card_id]
    assert await desk.texts() == [card(one.booking) for one in (former, waiting, now)]
    assert await features.outbox.head(item.lane) is None
    async with desk.database.transaction() as tx:
        await features.messages.sent(tx, now.card_id, origin_id="$2")
        await features.bookings.show_again(tx, desk.conversation, B1, opened_at=item.created_at)
    assert (await desk.found()).card_id == now.card_id


@pytest.mark.databases("postgres")
async def test_cards_that_go_along_and_news_of_one_of_them_do_not_wait_for_each_other(desk: Desk) -> None:
    b2, features = BookingId("b2"), desk.features
    await desk.follow(news("requested", 1))
    await desk.follow(news("requested", 1, news_id="two"), of=b2)
    former = [await desk.is_in_the_room(), await desk.is_in_the_room(b2)]
    listener, item = await desk.move()
    async with desk.database.transaction() as tx:
        await features.booking_store.lock(tx, TENANT, b2)  # which is the first that `follow` does
        going_along = asyncio.create_task(listener.opened(item))
        async with asyncio.timeout(10):
            while not await desk.database.fetch(WAITS_FOR_A_LOCK):
                assert not going_along.done()
                await asyncio.sleep(0.01)
        await features.bookings.follow(tx, desk.conversation, b2, news("confirmed", 2, news_id="three"))
    await going_along
    now = [await desk.found(), await desk.found(b2)]
    assert [one.booking.status for one in now] == ["requested", "confirmed"]
    cards = [one.card_id for one in now]
    assert {*cards}.isdisjoint(one.card_id for one in former)
    assert sorted(await desk.pinned()) == sorted(map(str, cards))
    texts = {message.message_id: message.text for message in await desk.said()}
    assert [texts[one] for one in cards if one is not None] == [card(one.booking) for one in now]


async def test_a_payment_for_what_was_deleted_shows_where_the_booking_goes_on(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1, terms(total=euros(400))))
    await desk.is_deleted()
    before = await desk.texts()
    await desk.pay(payment(400))
    assert await desk.texts() == before
    desk.conversation = await desk.features.open()
    await desk.follow(news("completed", 2))
    assert (await desk.texts())[0].splitlines()[-1] == "Paid: EUR 4.00, in full"
