"""A quote as it is written in one message: what it means, or what is wrong with it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.quotes.errors import QuoteInvalid
from bridge.quotes.model import Line, Offer
from bridge.quotes.rules import check_offer
from bridge.quotes.written import EXAMPLE, Asked, asked, offer_in
from tests.examples import examples

NOW = 1_800_000_000_000
DAY = 24 * 60 * 60 * 1000
FORMER = Offer(
    title="Catering", lines=(Line(description="Menu", quantity=1, unit_price=1),), tax=0, currency="EUR"
)


def line(description: str, unit_price: int, quantity: int = 1) -> Line:
    return Line(description=description, quantity=quantity, unit_price=unit_price)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type,misc] # year, month ...


MENU = line("Menu", 4_500, 80)


@pytest.mark.parametrize(
    ("body", "title", "lines", "tax", "total"),
    [
        # As the example says.
        (
            EXAMPLE.partition("quote ")[2],
            "Catering for 80 guests",
            (MENU, line("Delivery", 12_000)),
            70_680,
            442_680,
        ),
        # In one line, with semicolons; with signs and codes beside the prices; with bullets.
        ("Cake; 80 x Menu @ €45; Delivery 120", "Cake", (MENU, line("Delivery", 12_000)), 0, 372_000),
        (
            "Cake\n- 80× Menu at 45,00 EUR\n* Delivery = EUR 120",
            "Cake",
            (MENU, line("Delivery", 12_000)),
            0,
            372_000,
        ),
        # The first line may be an item already, and is the title then.
        ("80 x Menu at 45\nEUR", "Menu", (MENU,), 0, 360_000),
        ("Cake: 350 EUR", "Cake", (line("Cake", 35_000),), 0, 35_000),
        # A year is no price, nor is a number in what is described.
        ("Wedding 2027\nTable 5: 45.00 EUR", "Wedding 2027", (line("Table 5", 4_500),), 0, 4_500),
        # A discount; tax as an amount; what it comes to.
        (
            "Cake\nCake: 350\nDiscount: -50\nVAT: 57\ntotal 357.00\nEUR",
            "Cake",
            (line("Cake", 35_000), line("Discount", -5_000)),
            5_700,
            35_700,
        ),
        # Half a cent is rounded up: 7.7% of 0.50 are 3.85.
        ("Pin\nPin: 0.50 CHF\nMwSt 7,7 %", "Pin", (line("Pin", 50),), 4, 54),
        # What only begins like something else is an item, or the title.
        (
            "Tax advice\nTotal makeover: 300 EUR\nValid passport: 5",
            "Tax advice",
            (line("Total makeover", 30_000), line("Valid passport", 500)),
            0,
            30_500,
        ),
        # No cents.
        ("Tea\n2 x Tea: 1,500 JPY", "Tea", (line("Tea", 1_500, 2),), 0, 3_000),
    ],
)
def test_it_means_what_it_says(body: str, title: str, lines: tuple[Line, ...], tax: int, total: int) -> None:
    offer, _ = offer_in(body, now=NOW)
    assert (offer.title, offer.lines, offer.tax, offer.total) == (title, lines, tax, total)
    check_offer(offer)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("until 2027-05-01", at(2027, 5, 1, 23, 59)),
        ("valid until 2027-05-01 18:00", at(2027, 5, 1, 18, 0)),
        ("Until: 1.5.2027", at(2027, 5, 1, 23, 59)),
        ("valid for 10 days", NOW + 10 * DAY),
        ("valid 2 weeks.", NOW + 14 * DAY),
    ],
)
def test_until_when(said: str, expected: int) -> None:
    assert offer_in(f"Cake\nCake: 350 EUR\n{said}", now=NOW)[1] == expected


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "no item"),
        ("Catering for 80 guests", "no item"),
        ("Cake: 350", "currency is missing"),
        ("Cake: 350 EUR; Tea: 5 CHF", "several currencies: EUR, CHF"),
        ("Cake: $350", "Write the code"),
        ("Cake: 350 XAU", "no currency that is in use"),
        ("Cake\nCake and tea\nEUR", "do not understand “Cake and tea”"),
        # 80 menus for 45 in all, or each?
        ("Cake\n80 Menus at 45\nEUR", "write an x"),
        ("Cake\n1.5 x Hour at 60\nEUR", "no whole number"),
        ("Cake: 1.5\nEUR", "cannot read the amount in “Cake: 1.5”"),
        ("Cake: 350\nEUR\nuntil tomorrow", "cannot read when"),
        ("Cake: 350\nEUR\nuntil 2027-02-30", "cannot read when"),
        # American or European?
        ("Cake: 350\nEUR\nuntil 05/06/2027", "cannot read when"),
        ("Cake: 350\nEUR\ntotal 351", "come to EUR 350.00, not to EUR 351.00"),
        ("Cake: 350\nEUR\ntax a lot", "do not understand “tax a lot”"),
        ("Cake: 350\nEUR\nuntil 2027", "cannot read when"),
        ("Cake: 350\nEUR\ntax 200%", "more than the price itself"),
        ("x" * 401, "too long"),
        ("x" * 201, "at most 200 characters"),
    ],
)
def test_what_is_wrong_is_said(body: str, says: str) -> None:
    with pytest.raises(QuoteInvalid) as refused:
        offer_in(body, now=NOW)
    assert says in refused.value.detail


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("Catering\nCake: 350 EUR", Asked(what="send", number=None, body="Catering\nCake: 350 EUR")),
        ("revise\n80 x Menu at 45", Asked(what="revise", number=None, body="80 x Menu at 45")),
        ("revise 2\n80 x Menu at 45", Asked(what="revise", number=2, body="80 x Menu at 45")),
        ("Revise #12 Catering", Asked(what="revise", number=12, body="Catering")),
        # 80 is no number of a quote.
        ("revise 80 x Menu at 45", Asked(what="revise", number=None, body="80 x Menu at 45")),
        ("withdraw", Asked(what="withdraw", number=None, body="")),
        ("withdraw 3", Asked(what="withdraw", number=3, body="")),
        ("revised menu: 45 EUR", Asked(what="send", number=None, body="revised menu: 45 EUR")),
    ],
)
def test_what_is_asked(rest: str, expected: Asked) -> None:
    assert asked(rest) == expected


def test_of_a_revision_what_is_left_out_stays() -> None:
    offer, until = offer_in("80 x Menu at 45", now=NOW, former=FORMER)
    assert (offer.title, offer.currency, offer.lines, until) == ("Catering", "EUR", (MENU,), None)


words = st.sampled_from(
    [
        "Menu",
        "80",
        "x",
        "at",
        "@",
        ":",
        "45.00",
        "1,234",
        "€",
        "$",
        "EUR",
        "tax",
        "19%",
        "until",
        "total",
        "-",
    ]
)
texts = st.text(max_size=60) | st.lists(st.lists(words, max_size=8).map(" ".join), max_size=6).map("\n".join)


@settings(max_examples=examples(300), deadline=None)
@given(body=texts)
def test_whatever_is_written_is_an_offer_or_refused_with_a_reason(body: str) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 2: each error shows a message and a way on"""
    try:
        offer, _ = offer_in(body, now=NOW)
    except QuoteInvalid as refusal:
        reason = refusal.detail
    else:
        reason = "it is none: it was understood"
        assert offer.total == sum(one.quantity * one.unit_price for one in offer.lines) + offer.tax
    assert len(reason) > 20
