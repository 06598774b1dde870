"""What is offered, accepted and declined, as the API takes it."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bridge.quotes.model import Line, Offer
from bridge.quotes.money import LARGEST, currencies
from bridge.quotes.rules import MOST_LINES, MOST_QUANTITY, check_total
from bridge.web.fields import Data, Id, Title, whole
from bridge.web.times import Timestamp, milliseconds

Amount = Annotated[int, Field(ge=0, le=LARGEST), BeforeValidator(whole)]
SignedAmount = Annotated[int, Field(ge=-LARGEST, le=LARGEST), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=1, le=MOST_QUANTITY), BeforeValidator(whole)]
RevisionNumber = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(whole)]


def _in_use(code: str) -> str:
    if code not in currencies():
        raise ValueError("Must be the code of a currency in use (ISO 4217), like EUR")
    return code


Currency = Annotated[
    str,
    AfterValidator(_in_use),
    WithJsonSchema(
        {"type": "string", "enum": sorted(currencies()), "description": "ISO 4217, of those in use"}
    ),
]
_BY_VENDOR = Field(description="the vendor who offers it; a person may leave it out: they act as themselves")
_BY_HOST = Field(description="the host who answers; a person may leave it out: they act as themselves")


class ItemToOffer(Data):
    description: Title
    quantity: Count = 1
    unit_price: Annotated[
        SignedAmount, Field(description="of one, in minor units: 12.50 EUR is 1250; below zero in a discount")
    ]


class OfferToMake(Data):
    sender_id: Annotated[Id | None, _BY_VENDOR] = None
    title: Title
    items: Annotated[tuple[ItemToOffer, ...], Field(min_length=1, max_length=MOST_LINES)]
    tax: Annotated[Amount, Field(description="in minor units, on top of the items")] = 0
    currency: Currency
    total: Annotated[
        Amount | None,
        Field(
            description="what you believe that it comes to: another sum than that of items and tax is refused"
        ),
    ] = None
    valid_until: Annotated[
        Timestamp | None, Field(description="from then on nobody can accept it; left out: for 14 days")
    ] = None

    def offer(self) -> Offer:
        """Raise `QuoteInvalid` where it comes to another total than is said."""
        offer = Offer(
            title=self.title,
            lines=tuple(
                Line(description=one.description, quantity=one.quantity, unit_price=one.unit_price)
                for one in self.items
            ),
            tax=self.tax,
            currency=self.currency,
        )
        check_total(offer, self.total)
        return offer

    @property
    def until(self) -> int | None:
        return None if self.valid_until is None else milliseconds(self.valid_until)


class QuoteToWithdraw(Data):
    sender_id: Annotated[Id | None, _BY_VENDOR] = None


class QuoteToAccept(Data):
    sender_id: Annotated[Id | None, _BY_HOST] = None
    revision: Annotated[RevisionNumber, Field(description="the one that the host has seen")]
    total: Annotated[Amount, Field(description="what it comes to, as the host has seen it; in minor units")]
    currency: Currency


class QuoteToDecline(Data):
    sender_id: Annotated[Id | None, _BY_HOST] = None
    revision: Annotated[RevisionNumber, Field(description="the one that the host has seen")]
