"""What is kept of a booking, and what its conversation is told: one card, a notice for each change, a calendar file."""

import json
from datetime import UTC, timedelta
from typing import Any

from bridge.bookings.model import CalendarEntry
from bridge.bookings.store import Filter
from bridge.bookings.wording import card
from bridge.core.ids import BookingId, ConversationId, ParticipantId, PartyId, TenantId
from bridge.messages.pins.rules import MOST_PINS
from tests.bridge.bookings.desk import Desk
from tests.bridge.bookings.examples import TERMS, booking, euros, news, payment, terms
from tests.bridge.conversations.features import TENANT, person


async def test_a_booking_is_one_card_that_changes_where_it_stands(desk: Desk) -> None:
    asked, agreed = terms(), terms(starts_at=TERMS.starts_at + timedelta(hours=1))
    await desk.follow(news("requested", 1, asked))
    (made,) = await desk.said()
    assert (made.kind, made.text) == ("system", card(booking("requested", of=asked)))
    await desk.follow(news("confirmed", 2, agreed), news("completed", 3))
    await desk.pay(payment(125_000))
    first, *others = await desk.said()
    now = booking("completed", of=agreed, paid=euros(125_000))
    assert (first.message_id, first.text) == (made.message_id, card(now))
    assert first.edited_at is not None
    assert [message.text.splitlines()[0] for message in others] == [
        "Booking confirmed: Catering",
        "booking-b1.ics",
        "Booking completed: Catering",
        "Payment received: Catering",
    ]
    assert await desk.pinned() == [made.message_id]
    found = await desk.found()
    assert (found.booking, found.card_id) == (now, made.message_id)


async def test_calendars_are_told_of_what_concerns_them(desk: Desk) -> None:
    await desk.follow(news("requested", 1), news("confirmed", 2), news("changed", 3))
    await desk.pay(payment(1))
    await desk.follow(news("cancelled", 4), news("cancelled", 5), news("confirmed", 6))
    told = [(file["method"], *file.walk("VEVENT")) for file in await desk.files()]
    assert [(method, event["sequence"]) for method, event in told] == [
        ("PUBLISH", 0),
        ("PUBLISH", 1),
        ("CANCEL", 2),
        ("PUBLISH", 3),
    ]
    assert {event["uid"] for _, event in told} == {f"b1@{TENANT}.festimo"}
    days = [(event["dtstart"].dt - TERMS.starts_at).days for _, event in told]
    assert days == [2, 3, 3, 6]
    names = [message.text for message in await desk.said() if message.kind == "file"]
    assert names == ["booking-b1.ics", "booking-b1.ics", "booking-b1-cancelled.ics", "booking-b1.ics"]


async def test_what_comes_late_or_again_changes_what_it_still_can(desk: Desk) -> None:
    late, told = news("requested", 1), [news("confirmed", 2), news("changed", 4)]
    await desk.follow(*told)
    before = await desk.features.everything()
    told_before = await desk.features.told()
    await desk.follow(*told)
    assert await desk.features.everything() == before
    await desk.follow(late)  # it is kept, and that is all
    assert await desk.features.told() == told_before
    assert (await desk.found()).booking.terms == told[1].terms
    cancelled = news("cancelled", 3)  # before the last change, which was then of nothing
    await desk.follow(cancelled)
    assert (await desk.found()).booking == booking("cancelled", of=told[0].terms)
    assert (await desk.texts())[0] == card(booking("cancelled", of=told[0].terms))
    assert len(await desk.pinned()) == 1


async def test_a_card_that_was_deleted_is_made_anew(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1))
    (first, _) = await desk.said()
    async with desk.database.transaction() as tx:
        await desk.features.changes.delete(tx, first, sender_id=None)
    await desk.follow(news("changed", 2))
    found = await desk.found()
    assert found.card_id not in (None, first.message_id)
    (shown,) = [message for message in await desk.said() if message.message_id == found.card_id]
    assert shown.text == card(found.booking)
    assert found.card_id in await desk.pinned()


async def test_whoever_unpins_a_card_keeps_it_unpinned(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1))
    (made, _) = await desk.said()
    async with desk.database.transaction() as tx:
        await desk.features.pins.unpin(tx, made, by=ParticipantId("anna"))
    await desk.follow(news("changed", 2))
    assert await desk.pinned() == []


async def test_a_card_comes_where_nothing_more_can_be_pinned(desk: Desk) -> None:
    for number in range(MOST_PINS):
        message_id = await desk.features.post(desk.conversation, text=f"{number}")
        message = await desk.features.message_store.get(desk.database, message_id)
        assert message is not None
        async with desk.database.transaction() as tx:
            await desk.features.pins.pin(tx, message)
    await desk.follow(news("confirmed", 1))
    found = await desk.found()
    assert found.card_id is not None
    assert len(await desk.pinned()) == MOST_PINS


async def test_a_booking_of_an_earlier_version_goes_on(desk: Desk) -> None:
    """It had only ever been confirmed, and told in a notice."""
    sealer, here = desk.features.sealer, desk.conversation.conversation_id
    details = {
        "service": "Catering",
        "starts_at": "2027-06-12T18:00:00+02:00",
        "ends_at": None,
        "total": None,
    }
    async with desk.database.transaction() as tx:
        sealed = await sealer.seal(
            tx,
            TENANT,
            f"conversation:{here}",
            json.dumps(details).encode(),
            place=f"bookings.details:{TENANT}:b1",
        )
        await tx.execute(
            "INSERT INTO bookings (tenant_id, booking_id, conversation_id, status, details, created_at, updated_at)"
            " VALUES ($1, 'b1', $2, 'confirmed', $3, 5, 5)",
            TENANT,
            here,
            sealed,
        )
    assert (await desk.found()).booking == booking()
    await desk.pay(payment(5))
    shown = card(booking(paid=euros(5)))
    assert await desk.texts() == [
        shown,
        "Payment received: Catering\nPaid: – → EUR 0.05 so far",
        "booking-b1.ics",
    ]
    await desk.follow(news("cancelled", 1))
    assert (await desk.found()).booking == booking("cancelled", paid=euros(5))


async def test_the_same_moment_in_another_zone_reads_differently(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1, TERMS))
    in_utc = terms(starts_at=TERMS.starts_at.astimezone(UTC), total=None)
    assert in_utc == TERMS
    await desk.follow(news("changed", 2, in_utc))
    card_text, _, told = await desk.texts()
    assert card_text == card(booking(of=in_utc))
    assert told.endswith("18:00 GMT+02:00 → Saturday 12 June 2027, 16:00 GMT+00:00")


async def test_no_price_and_no_date_is_to_be_read_in_the_database(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1, terms(service="Canary")), news("changed", 2))
    await desk.pay(payment(987_654))
    tables = ("bookings", "booking_news", "booking_payments", "messages", "message_edits", "outbox")
    seen = ""
    for table in tables:
        rows: list[Any] = await desk.database.fetch(f"SELECT * FROM {table}")
        seen += str([tuple(row) for row in rows])
    for secret in ("Canary", "2027-06", "987654", "9876.54", "EUR", "VEVENT"):
        assert secret not in seen
    told = {name for name, _ in await desk.features.told()}
    assert {"MessagePosted", "MessageEdited", "PinsChanged"} <= told


async def test_bookings_are_listed_by_what_they_are_of(desk: Desk) -> None:
    await desk.follow(news("confirmed", 1), party="p1")
    await desk.follow(news("requested", 1, news_id="two"), of=BookingId("b2"), party="p1")
    other = await desk.features.open(
        party="p2", hosts=[person("cleo", "Cleo")], vendor=person("flora", "Flowers")
    )
    await desk.follow(news("confirmed", 1, news_id="three"), of=BookingId("b3"), here=other, party="p2")
    store = desk.features.booking_store

    async def listed(before: tuple[int, str] | None = None, limit: int = 10, **wanted: object) -> list[str]:
        asked = Filter(**wanted)  # type: ignore[arg-type] # of the cases below
        page = await store.newest(desk.database, TENANT, asked, before=before, limit=limit)
        return [one.booking.booking_id for one in page]

    assert await listed() == ["b3", "b2", "b1"]
    assert await listed(limit=2) == ["b3", "b2"]
    second = await desk.found(BookingId("b2"))
    assert await listed(before=(second.created_at, "b2")) == ["b1"]
    assert await listed(party_id=PartyId("p1")) == ["b2", "b1"]
    assert await listed(vendor_id="flora") == ["b3"]
    assert await listed(status="confirmed") == ["b3", "b1"]
    assert await listed(conversation_id=ConversationId(other.conversation_id)) == ["b3"]
    assert await listed(member=ParticipantId("anna")) == ["b2", "b1"]
    assert await listed(member=ParticipantId("stranger")) == []
    assert await store.newest(desk.database, TenantId("other"), Filter(), before=None, limit=9) == []
    async with desk.database.transaction() as tx:
        await desk.features.conversation_changes.delete(tx, other, asking=None)
    assert await listed() == ["b2", "b1"]


async def test_what_is_kept_comes_back_as_it_was(desk: Desk) -> None:
    zoned = terms(time_zone="Europe/Berlin", ends_at=TERMS.starts_at + timedelta(hours=5, microseconds=7))
    await desk.follow(news("confirmed", 1, zoned))
    await desk.pay(payment(2**53 - 1))
    found = await desk.found()
    assert found.booking == booking(of=zoned, paid=euros(2**53 - 1))
    assert str(found.booking.terms.starts_at.tzinfo) == "Europe/Berlin"
    assert isinstance(found.entry, CalendarEntry)
    assert found.entry.starts_at == zoned.starts_at
    here = desk.conversation.conversation_id
    assert await desk.features.change_store.bookings_of(desk.database, [here]) == {here: ["b1"]}
    assert await desk.features.booking_store.of_conversation(desk.database, desk.conversation) == [
        found.booking
    ]
