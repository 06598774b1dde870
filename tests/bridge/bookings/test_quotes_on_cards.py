"""The quote that was accepted last in the conversation stands on its bookings' cards, whatever came first."""

import pytest

from bridge.bookings.listeners import BookingListener
from bridge.bookings.model import Agreed, News, Status
from bridge.bookings.rules import agreed_on
from bridge.bookings.wording import card, notice
from bridge.core.ids import BookingId
from bridge.quotes.events import QuoteAccepted
from bridge.storage.database import Database
from tests.bridge.bookings.examples import B1, booking, euros, news, terms
from tests.bridge.conversations.features import TENANT
from tests.bridge.quotes.stall import Stall

BEFORE = Agreed(number=1, revision=1, total=euros(38_400))
LATEST = Agreed(number=2, revision=3, total=euros(42_840))


@pytest.mark.parametrize(
    ("before", "status", "shown"),
    [
        # It is new: also where the end of it is the first that is told.
        (None, "requested", LATEST),
        (None, "completed", LATEST),
        # It goes on, or ends just now, when the acceptance may not have come to the card yet.
        ("requested", "confirmed", LATEST),
        ("confirmed", "completed", LATEST),
        # It was over.
        ("completed", "completed", BEFORE),
        ("cancelled", "cancelled", BEFORE),
        # It was, and is booked once more.
        ("cancelled", "requested", LATEST),
    ],
)
def test_which_quote_a_card_shows(before: Status | None, status: Status, shown: Agreed) -> None:
    known = None if before is None else booking(before, agreed=BEFORE)
    assert agreed_on(known, status, LATEST) == shown


def test_it_is_the_last_line_of_the_card_and_no_news() -> None:
    assert card(booking(agreed=LATEST)).splitlines()[-1] == "Quote 2, revision 3, accepted: EUR 428.40"
    assert notice(booking(), booking(agreed=LATEST)) is None


class Office(Stall):
    """Where quotes are accepted and bookings are told of."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.features.outbox.subscribe("bookings", QuoteAccepted)

    async def offer_and_accept(self, total: int) -> None:
        quote = await self.revise(await self.send(total + 100), total)
        await self.accept(quote, 2, total)

    async def hear(self) -> None:
        """What the bookings are told of quotes."""
        features = self.features
        listener = BookingListener(
            self.database,
            features.booking_store,
            features.bookings,
            features.conversation_store,
            features.outbox,
        )
        lane = f"bookings:{self.conversation.conversation_id}"
        while (item := await features.outbox.head(lane)) is not None:
            await listener.accepted(item)

    async def follow(self, told: News, of: BookingId = B1) -> None:
        async with self.database.transaction() as tx:
            await self.features.bookings.follow(tx, self.conversation, of, told)

    async def last_line(self, of: BookingId = B1) -> str:
        """Of the card, as it stands in the conversation."""
        found = await self.features.booking_store.find(self.database, TENANT, of)
        assert found is not None
        assert found.card_id is not None
        shown = await self.features.message_store.get(self.database, found.card_id)
        assert shown is not None
        assert shown.text == card(found.booking)
        return shown.text.splitlines()[-1]


@pytest.fixture
async def office(database: Database) -> Office:
    office = Office(database)
    await office.opened()
    return office


async def test_a_quote_before_the_booking_and_one_after(office: Office) -> None:
    await office.offer_and_accept(42_840)
    await office.hear()
    await office.follow(news("confirmed", 1, terms(total=None)))
    assert await office.last_line() == "Quote 1, revision 2, accepted: EUR 428.40"
    said = len(await office.festimo())
    await office.offer_and_accept(50_000)
    await office.hear()
    assert await office.last_line() == "Quote 2, revision 2, accepted: EUR 500.00"
    # Two revisions and the acceptance; nothing of the card.
    assert len(await office.festimo()) == said + 3
    await office.hear()
    await office.follow(news("changed", 2, terms(total=None)))
    assert await office.last_line() == "Quote 2, revision 2, accepted: EUR 500.00"


async def test_a_booking_that_ends_before_its_card_has_heard(office: Office) -> None:
    b2 = BookingId("b2")
    await office.follow(news("confirmed", 1))
    await office.follow(news("cancelled", 1, news_id="two"), b2)
    await office.offer_and_accept(42_840)
    await office.follow(news("completed", 2))
    await office.hear()
    assert await office.last_line() == "Quote 1, revision 2, accepted: EUR 428.40"
    assert "Quote" not in await office.last_line(b2)


async def test_an_offer_that_nobody_accepted_shows_nowhere(office: Office) -> None:
    await office.send(42_840)
    declined = await office.send(50_000)
    await office.decline(declined, 1)
    await office.follow(news("confirmed", 1))
    await office.hear()
    assert await office.last_line() == "Total: EUR 1,000.01"


async def test_of_a_conversation_that_was_deleted_nothing_is_shown(office: Office) -> None:
    await office.follow(news("confirmed", 1))
    await office.offer_and_accept(42_840)
    async with office.database.transaction() as tx:
        await office.features.conversation_changes.delete(tx, office.conversation, asking=None)
    await office.hear()
    found = await office.features.booking_store.find(office.database, TENANT, B1)
    assert found is not None
    assert found.booking.agreed is None
