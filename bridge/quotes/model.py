"""A quote and its revisions. Money is in minor units of its currency, in whole numbers only."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, MessageId, ParticipantId, QuoteId, TenantId

State = Literal["sent", "asked", "accepted", "declined", "expired", "withdrawn", "superseded"]
OPEN: tuple[State, ...] = ("sent", "asked")
"""What can still be answered."""
Act = Literal["ask", "confirm", "leave", "decline", "revise", "withdraw", "expire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is offered. `unit_price`: below zero in a discount."""

    description: str
    quantity: int
    unit_price: int

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a revision offers. `tax`: an amount; `tax_rate`: from which it was reckoned, in hundredths of a percent."""

    title: str
    lines: tuple[Line, ...]
    tax: int
    currency: str
    tax_rate: int | None = None

    @property
    def net(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """`poll_id`: the message that is a poll in which hosts answer, if they are asked so.

    `answered_by`, `answered_at`: who accepted, declined or withdrew it, and when; or when it expired, or was withdrawn
    because its vendor was erased, by nobody.
    """

    revision: int
    offer: Offer
    valid_until: int
    state: State
    message_id: MessageId
    poll_id: MessageId | None
    answered_by: ParticipantId | None
    answered_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`number`: 1, 2, 3 ... in its conversation, for people. `revisions`: all, oldest first."""

    quote_id: QuoteId
    tenant_id: TenantId
    conversation_id: ConversationId
    vendor_id: ParticipantId
    number: int
    revisions: tuple[Revision, ...]
    created_at: int
    updated_at: int

    @property
    def latest(self) -> Revision:
        return self.revisions[-1]

    def of(self, revision: int) -> Revision:
        return self.revisions[revision - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Festimo's, to one person: do you mean this revision, at this total?"""

    message_id: MessageId
    quote_id: QuoteId
    revision: int
    participant_id: ParticipantId
    asked_at: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a reaction, a vote or a reply is about: a revision, as its messages show it, or a question about it."""

    quote_id: QuoteId
    conversation_id: ConversationId
    revision: int
    message_id: MessageId
    is_question: bool
