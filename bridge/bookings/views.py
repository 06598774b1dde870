"""How a booking looks to the API."""

from pydantic import BaseModel, Field

from bridge.bookings.model import Agreed, Followed, Money, PaymentStatus, Status
from bridge.bookings.rules import payment_status
from bridge.web.fields import Time, rfc3339
from bridge.web.times import milliseconds


class MoneyView(BaseModel):
    amount: int = Field(description="in the currency's minor unit: 12.50 EUR is 1250")
    currency: str = Field(description="ISO 4217")


class AcceptedQuoteView(BaseModel):
    number: int = Field(description="of the quote, 1, 2, 3 ... in its conversation")
    revision: int = Field(description="the one that was accepted")
    total: MoneyView


class BookingView(BaseModel):
    booking_id: str
    conversation_id: str
    party_id: str | None
    vendor_id: str | None
    status: Status
    payment_status: PaymentStatus
    service: str
    starts_at: Time
    ends_at: Time | None
    time_zone: str | None = Field(description="where it takes place, such as Europe/Berlin, if that is known")
    total: MoneyView | None
    paid: MoneyView | None = Field(description="so far; null: nothing")
    accepted_quote: AcceptedQuoteView | None = Field(
        description="the one that its card shows: accepted last in the conversation, until the booking is over"
    )
    message_id: str | None = Field(description="the message that shows it, kept up to date and pinned")
    created_at: Time
    updated_at: Time


class BookingPage(BaseModel):
    bookings: list[BookingView] = Field(description="the one that came last first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


def view_of(followed: Followed) -> BookingView:
    booking = followed.booking
    terms = booking.terms
    return BookingView(
        booking_id=booking.booking_id,
        conversation_id=followed.conversation_id,
        party_id=followed.party_id,
        vendor_id=followed.vendor_id,
        status=booking.status,
        payment_status=payment_status(booking),
        service=terms.service,
        starts_at=rfc3339(milliseconds(terms.starts_at)),
        ends_at=None if terms.ends_at is None else rfc3339(milliseconds(terms.ends_at)),
        time_zone=terms.time_zone,
        total=_money(terms.total),
        paid=_money(booking.paid),
        accepted_quote=_accepted(booking.agreed),
        message_id=followed.card_id,
        created_at=rfc3339(followed.created_at),
        updated_at=rfc3339(followed.updated_at),
    )


def _accepted(agreed: Agreed | None) -> AcceptedQuoteView | None:
    if agreed is None:
        return None
    return AcceptedQuoteView(number=agreed.number, revision=agreed.revision, total=_view_of(agreed.total))


def _money(money: Money | None) -> MoneyView | None:
    return None if money is None else _view_of(money)


def _view_of(money: Money) -> MoneyView:
    return MoneyView(amount=money.amount, currency=money.currency)
