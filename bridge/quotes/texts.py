"""How quotes read to people: pure. Prices stand in what is said in the conversation, and nowhere else."""

from datetime import UTC, datetime
from html import escape

from babel.dates import format_datetime

from bridge.core.money import shown
from bridge.quotes.answers import ACCEPT, DECLINE, LEAVE
from bridge.quotes.model import Line, Offer, Quote, Revision

LOCALE = "en"
BY_REACTIONS = (
    f"To answer, a host reacts with {ACCEPT} (accept) or {DECLINE} (decline), or replies “accept” or “decline”."
    " Before an acceptance counts I repeat the total."
)
BY_POLL = (
    "To answer, a host votes in the poll below, or replies “accept” or “decline”. Before an acceptance counts I repeat"
    " the total."
)
POLL_ANSWERS = ("Accept", "Decline")
QUESTION_ANSWERS = ("Yes, I accept", "No, leave it open")
"""In the order of `answers.of_vote`."""


def headline(quote: Quote, revision: Revision) -> str:
    return f"{name(quote, revision)}: {revision.offer.title}"


def name(quote: Quote, revision: Revision) -> str:
    return f"Quote {quote.number}" + (f", revision {revision.revision}" if revision.revision > 1 else "")


def money(offer: Offer) -> str:
    return shown(offer.total, offer.currency)


def rate(hundredths: int) -> str:
    """As in "19" or "7.7"."""
    whole, rest = divmod(hundredths, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".")


def time(milliseconds: int) -> str:
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{format_datetime(when, 'EEEE d MMMM y, HH:mm', tzinfo=UTC, locale=LOCALE)} UTC"


def message(quote: Quote, revision: Revision, *, vendor: str, how: str) -> tuple[str, str]:
    """The message that shows a revision: plain, and the same in HTML. `how`: it is answered."""
    offer = revision.offer
    head, by = headline(quote, revision), f"Offered by {vendor}"
    until = f"Valid until {time(revision.valid_until)}"
    after = [f"This replaces revision {revision.revision - 1}."] if revision.revision > 1 else []
    after.append(how)
    tax = f"Tax ({rate(offer.tax_rate)}%)" if offer.tax_rate is not None else "Tax"
    sums = [("Net", offer.net), (tax, offer.tax)] if offer.tax else []
    plain = "\n".join(
        (
            head,
            by,
            *(f"- {_line(line, offer.currency)}" for line in offer.lines),
            *(f"{what}: {shown(amount, offer.currency)}" for what, amount in sums),
            f"Total: {money(offer)}",
            until,
            *after,
        )
    )
    rows = [
        *(_row(line.quantity, line.description, line.amount, offer.currency) for line in offer.lines),
        *(_row("", what, amount, offer.currency) for what, amount in sums),
        _row("", "<strong>Total</strong>", offer.total, offer.currency, is_html=True),
    ]
    formatted = (
        f"<strong>{escape(head)}</strong><br>{escape(by)}<table>{''.join(rows)}</table>"
        f"{escape(until)}<br>{escape(' '.join(after))}"
    )
    return plain, formatted


def poll(quote: Quote, revision: Revision) -> str:
    return f"{headline(quote, revision)}, at a total of {money(revision.offer)}. Do you accept it?"


def question(quote: Quote, revision: Revision, *, person: str) -> str:
    return (
        f"{_wanted(quote, revision, person)} If that is right, react with {ACCEPT} to this message or reply"
        f" “confirm”: it counts only then. {LEAVE} or “cancel” leaves the quote open."
    )


def question_in_poll(quote: Quote, revision: Revision, *, person: str) -> str:
    return f"{_wanted(quote, revision, person)} Is that right? If so, vote yes: it counts only then."


def accepted(quote: Quote, revision: Revision, *, person: str) -> str:
    return (
        f"{person} has accepted quote {quote.number}, revision {revision.revision} (“{revision.offer.title}”), at a"
        f" total of {money(revision.offer)}."
    )


def declined(quote: Quote, revision: Revision, *, person: str) -> str:
    return f"{person} has declined {_in_a_text(quote, revision)}. The vendor can send another revision."


def left_open(quote: Quote, revision: Revision, *, person: str) -> str:
    return f"{person}, {_in_a_text(quote, revision)} stays open: nothing was accepted."


def expired(quote: Quote, revision: Revision) -> str:
    return f"{name(quote, revision)} (“{revision.offer.title}”) has expired. The vendor can send another revision."


def withdrawn(quote: Quote, revision: Revision, *, vendor: str) -> str:
    return f"{vendor} has withdrawn {_in_a_text(quote, revision)}."


def withdrawn_by_nobody(quote: Quote, revision: Revision) -> str:
    """Who offered it is not to be named any more."""
    return f"{name(quote, revision)} (“{revision.offer.title}”) is withdrawn, as who offered it has gone."


def _wanted(quote: Quote, revision: Revision, person: str) -> str:
    return (
        f"{person}, you want to accept quote {quote.number}, revision {revision.revision}"
        f" (“{revision.offer.title}”), at a total of {money(revision.offer)}."
    )


def _in_a_text(quote: Quote, revision: Revision) -> str:
    said = name(quote, revision)
    return f"{said[0].lower()}{said[1:]} (“{revision.offer.title}”)"


def _line(line: Line, currency: str) -> str:
    if line.quantity == 1:
        return f"{line.description}: {shown(line.amount, currency)}"
    each = shown(line.unit_price, currency)
    return f"{line.quantity} × {line.description} at {each}: {shown(line.amount, currency)}"


def _row(quantity: int | str, what: str, amount: int, currency: str, *, is_html: bool = False) -> str:
    cells = (str(quantity), what if is_html else escape(what), shown(amount, currency))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
