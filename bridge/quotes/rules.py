"""What may be offered, and what becomes of it by what is done: pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from bridge.conversations.errors import NotAllowed
from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import GONE, check_may_write, is_kept_out
from bridge.core.errors import Refusal
from bridge.core.ids import ParticipantId
from bridge.core.money import shown
from bridge.messages.errors import NotAParticipant
from bridge.quotes import errors
from bridge.quotes.model import OPEN, Act, Line, Offer, Question, Quote, Revision, State
from bridge.quotes.money import LARGEST, currencies

MOST_LINES = 50
LONGEST_DESCRIPTION = 200
"""Characters, of a title too."""
MOST_QUANTITY = 1_000_000
MOST_TAX_RATE = 10_000
"""Hundredths of a percent: all of the price once more."""
MOST_QUOTES = 200
"""Of a conversation."""
MOST_REVISIONS = 50
VALID_FOR = timedelta(days=14)
"""Where nobody says until when."""
LONGEST_VALID = timedelta(days=2 * 365)
ASK_AGAIN_AFTER = timedelta(minutes=1)
"""Who says yes once more has not found the question; who has said it in two ways has."""

AFTER: Mapping[tuple[State, Act], State | None] = {
    ("sent", "ask"): "asked",
    ("sent", "confirm"): "accepted",
    ("sent", "leave"): "sent",
    ("sent", "decline"): "declined",
    ("sent", "revise"): "superseded",
    ("sent", "withdraw"): "withdrawn",
    ("sent", "expire"): "expired",
    ("asked", "ask"): "asked",
    ("asked", "confirm"): "accepted",
    ("asked", "leave"): "sent",  # or asked still, if somebody else was, too: `after_leaving`
    ("asked", "decline"): "declined",
    ("asked", "revise"): "superseded",
    ("asked", "withdraw"): "withdrawn",
    ("asked", "expire"): "expired",
    ("accepted", "ask"): None,
    ("accepted", "confirm"): None,
    ("accepted", "leave"): None,
    ("accepted", "decline"): None,
    ("accepted", "revise"): None,
    ("accepted", "withdraw"): None,
    ("accepted", "expire"): None,
    ("declined", "ask"): None,
    ("declined", "confirm"): None,
    ("declined", "leave"): None,
    ("declined", "decline"): None,
    ("declined", "revise"): "declined",  # it stays so; the next revision is another chance
    ("declined", "withdraw"): None,
    ("declined", "expire"): None,
    ("expired", "ask"): None,
    ("expired", "confirm"): None,
    ("expired", "leave"): None,
    ("expired", "decline"): None,
    ("expired", "revise"): "expired",  # as after a no
    ("expired", "withdraw"): None,
    ("expired", "expire"): None,
    ("withdrawn", "ask"): None,
    ("withdrawn", "confirm"): None,
    ("withdrawn", "leave"): None,
    ("withdrawn", "decline"): None,
    ("withdrawn", "revise"): None,
    ("withdrawn", "withdraw"): None,
    ("withdrawn", "expire"): None,
    ("superseded", "ask"): None,
    ("superseded", "confirm"): None,
    ("superseded", "leave"): None,
    ("superseded", "decline"): None,
    ("superseded", "revise"): None,
    ("superseded", "withdraw"): None,
    ("superseded", "expire"): None,
}
"""What a revision is after something was done with it; None: it is refused, and nothing is changed."""

_REFUSED: Mapping[State, tuple[type[Refusal], str]] = {
    "accepted": (errors.Accepted, "has been accepted already"),
    "declined": (errors.Declined, "has been declined already; the vendor can send another revision"),
    "expired": (errors.Expired, "has expired; the vendor can send another revision"),
    "withdrawn": (errors.Withdrawn, "was withdrawn by the vendor, who can send another quote"),
    "superseded": (errors.Superseded, "was replaced"),
}


# What may be offered


def check_offer(offer: Offer) -> None:
    """`offer`: of lines that hold together by themselves; here it is looked at as a whole."""
    if offer.currency not in currencies():
        raise _invalid(f"{offer.currency} is no currency that is in use (ISO 4217), such as EUR.", "currency")
    if not 1 <= len(offer.lines) <= MOST_LINES:
        raise _invalid(f"A quote has 1 to {MOST_LINES} items; this one has {len(offer.lines)}.", "items")
    for number, line in enumerate(offer.lines):
        _check_line(line, field=f"items[{number}]")
    if offer.net < 0 or offer.tax < 0 or offer.total > LARGEST:
        raise _invalid(
            "Neither what is offered nor the tax may come to less than nothing, nor to more than can be counted.",
            "items",
        )


def check_valid_until(valid_until: int, *, now: int) -> None:
    """In epoch ms."""
    if valid_until <= now:
        raise _invalid("It would be over already. Name a later moment.", "valid_until")
    if valid_until - now > LONGEST_VALID // timedelta(milliseconds=1):
        raise _invalid(f"A quote is valid for {LONGEST_VALID.days} days at most.", "valid_until")


def check_total(offer: Offer, said: int | None) -> None:
    """`said`: what whoever made the offer believes it comes to, if they say so."""
    if said is not None and said != offer.total:
        raise _invalid(
            f"The items and the tax come to {shown(offer.total, offer.currency)}, not to"
            f" {shown(said, offer.currency)}. Correct one of them.",
            "total",
        )


def tax_of(net: int, rate: int) -> int:
    """`rate`: in hundredths of a percent. Half a unit is rounded up."""
    return (net * rate + 5_000) // 10_000


# Who may do what


def check_may_offer(conversation: Conversation, member: Member | None) -> Member:
    someone = _there(conversation, member)
    if someone.role != "vendor":
        raise NotAllowed(
            "Only a vendor of the conversation sends quotes. Nothing was changed.", field="sender_id"
        )
    return someone


def check_is_theirs(quote: Quote, who: ParticipantId) -> None:
    if quote.vendor_id != who:
        raise NotAllowed(
            "Only the vendor whose quote it is may change it. Nothing was changed.", field="sender_id"
        )


def check_may_answer(conversation: Conversation, member: Member | None) -> Member:
    someone = _there(conversation, member)
    if someone.role != "host":
        raise NotAllowed(
            "Only a host of the conversation can accept or decline a quote. Nothing was changed.",
            field="sender_id",
        )
    return someone


def check_stands_by(conversation: Conversation, vendor: Member | None) -> None:
    """`vendor`: whose quote it is, of which a host wants to accept a revision. Who declined is spoken for."""
    if vendor is None or vendor.away in GONE:
        raise errors.VendorGone(
            "Who offered this takes part in the conversation no more, so it cannot be accepted. Nothing was changed."
        )
    if is_kept_out(conversation, vendor.role):
        raise errors.VendorGone(
            "Who offered this is blocked in the conversation, so it cannot be accepted. Reopen the conversation first."
            " Nothing was changed."
        )


def _there(conversation: Conversation, member: Member | None) -> Member:
    if member is None:
        raise NotAParticipant(
            "They take no part in this conversation. Only who does can do something in it.", field="sender_id"
        )
    check_may_write(conversation, member)
    return member


# What becomes of it


def state_at(revision: Revision, *, now: int) -> State:
    """Also where nobody has noted yet that it has expired."""
    return "expired" if revision.state in OPEN and revision.valid_until <= now else revision.state


def after(quote: Quote, revision: int, act: Act, *, now: int) -> State:
    """What this revision is after `act`; a refusal where that is not possible any more."""
    one = quote.of(revision)
    state = state_at(one, now=now)
    reached = AFTER[state, act]
    if reached is None:
        raise refusal(quote, one, state)
    return reached


def is_asked(questions: Sequence[Question], revision: int, *, now: int) -> bool:
    """Whether somebody need not be asked once more. `questions`: those that are open to them."""
    recent = now - ASK_AGAIN_AFTER // timedelta(milliseconds=1)
    return any(one.revision == revision and one.asked_at > recent for one in questions)


def after_leaving(state: State, *, others_asked: int) -> State:
    """`others_asked`: of how many people an answer to Festimo's question is still waited for."""
    return "asked" if others_asked else state


def check_means(quote: Quote, revision: int, *, total: int, currency: str) -> None:
    """That somebody who accepts has before them what they accept."""
    check_is_latest(quote, revision)
    offer = quote.latest.offer
    if (offer.total, offer.currency) != (total, currency):
        raise errors.Differs(
            f"Revision {revision} of this quote comes to {shown(offer.total, offer.currency)}, and not to what you"
            " accept. Look at it again. Nothing was changed.",
            field="currency" if offer.currency != currency else "total",
        )


def check_is_latest(quote: Quote, revision: int) -> None:
    newest = quote.latest.revision
    if revision != newest:
        raise errors.Differs(
            f"The quote is at revision {newest} now, and this is about revision {revision}. Look at it again. Nothing"
            " was changed.",
            field="revision",
        )


def check_revisable(quote: Quote, *, now: int) -> State:
    """What its latest revision is once another follows."""
    if len(quote.revisions) >= MOST_REVISIONS:
        raise errors.TooManyQuotes(
            f"A quote has {MOST_REVISIONS} revisions at most. Send another quote instead."
        )
    return after(quote, quote.latest.revision, "revise", now=now)


def check_how_many(count: int) -> None:
    """`count`: quotes that the conversation has."""
    if count >= MOST_QUOTES:
        raise errors.TooManyQuotes(
            f"This conversation has {MOST_QUOTES} quotes already. Revise one of them instead."
        )


def refusal(quote: Quote, revision: Revision, state: State) -> Refusal:
    kind, why = _REFUSED[state]
    if state == "withdrawn" and revision.answered_by is None:
        why = "was withdrawn, as who offered it has gone"
    of = (
        f"revision {revision.revision} of quote {quote.number}"
        if len(quote.revisions) > 1
        else f"quote {quote.number}"
    )
    if state == "superseded":
        why += f" by revision {quote.latest.revision}, which can be answered in its place"
    return kind(f"{of[0].upper()}{of[1:]} {why}. Nothing was changed.")


def _check_line(line: Line, *, field: str) -> None:
    if not 1 <= line.quantity <= MOST_QUANTITY:
        raise _invalid(f"A quantity is a whole number from 1 to {MOST_QUANTITY:,}.", f"{field}.quantity")
    if abs(line.amount) > LARGEST:
        raise _invalid("This is more than can be counted.", f"{field}.unit_price")


def _invalid(detail: str, field: str) -> errors.QuoteInvalid:
    return errors.QuoteInvalid(detail, field=field)
