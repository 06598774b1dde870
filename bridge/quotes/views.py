"""How quotes look to the API: to whoever may read the conversation."""

from pydantic import BaseModel, Field

from bridge.quotes.model import Quote, Revision, State
from bridge.quotes.rules import state_at
from bridge.web.fields import Time, rfc3339


class ItemView(BaseModel):
    description: str
    quantity: int
    unit_price: int = Field(description="of one, in minor units")
    amount: int = Field(description="quantity times unit price")


class RevisionView(BaseModel):
    revision: int
    state: State = Field(
        description="sent; asked: Festimo waits for a host to confirm; accepted, declined, expired, withdrawn;"
        " superseded by the next"
    )
    title: str
    items: list[ItemView]
    currency: str = Field(description="ISO 4217; all amounts are in its minor units, exactly")
    net: int
    tax: int
    total: int
    valid_until: Time
    message_id: str = Field(description="the message that shows it")
    poll_id: str | None = Field(description="the message that is a poll about it, if hosts are asked so")
    answered_by: str | None = Field(description="who accepted, declined or withdrew it")
    answered_at: Time | None = Field(description="when that was, or when it was seen to have expired")
    created_at: Time


class QuoteView(BaseModel):
    quote_id: str
    conversation_id: str
    vendor_id: str
    number: int = Field(description="1, 2, 3 ... in its conversation: as people call it")
    revision: int = Field(description="the latest, which alone can be answered")
    state: State = Field(description="of the latest revision")
    currency: str
    total: int = Field(description="of the latest revision, in minor units")
    valid_until: Time
    revisions: list[RevisionView] = Field(description="all, the oldest first")
    created_at: Time
    updated_at: Time


class QuotePage(BaseModel):
    quotes: list[QuoteView] = Field(description="the newest first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


def view_of(quote: Quote, *, now: int) -> QuoteView:
    latest = quote.latest
    return QuoteView(
        quote_id=quote.quote_id,
        conversation_id=quote.conversation_id,
        vendor_id=quote.vendor_id,
        number=quote.number,
        revision=latest.revision,
        state=state_at(latest, now=now),
        currency=latest.offer.currency,
        total=latest.offer.total,
        valid_until=rfc3339(latest.valid_until),
        revisions=[_revision(one, now=now) for one in quote.revisions],
        created_at=rfc3339(quote.created_at),
        updated_at=rfc3339(quote.updated_at),
    )


def _revision(one: Revision, *, now: int) -> RevisionView:
    offer = one.offer
    return RevisionView(
        revision=one.revision,
        state=state_at(one, now=now),
        title=offer.title,
        items=[
            ItemView(
                description=line.description,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
            )
            for line in offer.lines
        ],
        currency=offer.currency,
        net=offer.net,
        tax=offer.tax,
        total=offer.total,
        valid_until=rfc3339(one.valid_until),
        message_id=one.message_id,
        poll_id=one.poll_id,
        answered_by=one.answered_by,
        answered_at=None if one.answered_at is None else rfc3339(one.answered_at),
        created_at=rfc3339(one.created_at),
    )
