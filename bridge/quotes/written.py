"""A quote as a vendor writes it into the conversation, in one message: pure. docs/quotes.md describes it.

Forgiving in how things are written, not in what they mean: what can be read in two ways is asked back.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from bridge.quotes.errors import QuoteInvalid
from bridge.quotes.model import Line, Offer
from bridge.quotes.money import currencies, read
from bridge.quotes.rules import LONGEST_DESCRIPTION, MOST_TAX_RATE, check_total, tax_of

EXAMPLE = """\
!festimo quote Catering for 80 guests
80 x Menu at 45.00
Delivery: 120.00
tax 19%
EUR
valid 14 days"""
REVISE = "!festimo quote revise 1"
WITHDRAW = "!festimo quote withdraw 1"

_LONGEST = 400
"""Characters of a line."""
_OF_ONE_COUNTRY = {"€": "EUR", "£": "GBP", "₹": "INR", "₺": "TRY", "₪": "ILS", "₩": "KRW", "₫": "VND"}
_SIGN = "[€£₹₺₪₩₫$¥]"
_UNIT = rf"(?:[A-Z]{{3}}|{_SIGN})"
_DIGITS = r"[0-9][0-9.,'\u00a0\u202f’]*"
_MONEY = rf"(?P<sign>[-−]?)(?P<before>{_UNIT})?\s?(?P<inner>[-−]?)(?P<number>{_DIGITS})\s?(?P<after>{_UNIT})?"
_PRICE = re.compile(_MONEY)
_ITEM = re.compile(
    rf"(?:(?P<quantity>[0-9][0-9.,]*)\s*[x×*]\s+)?(?P<what>\S(?:.*?\S)?)(?:\s*(?P<mark>[@:=])\s*|\s+(?P<at>at)\s+|\s+){_MONEY}"
)
_TAX = re.compile(r"(?:plus\s+|incl\.?\s+)?(?:tax|vat|mwst|ust)\b\.?\s*[:=]?\s*(?P<value>.+)", re.IGNORECASE)
_RATE = re.compile(r"(?P<whole>[0-9]{1,3})(?:[.,](?P<rest>[0-9]{1,2}))?\s*%")
_TOTAL = re.compile(r"total\b\s*[:=]?\s*(?P<value>.+)", re.IGNORECASE)
_UNTIL = re.compile(r"(?:valid\s+)?(?:until|till)\b\s*[:=]?\s*(?P<value>.+)", re.IGNORECASE)
_VALID = re.compile(r"valid\s+(?:for\s+)?(?P<value>.+)", re.IGNORECASE)
_CURRENCY = re.compile(r"(?:[Cc]urrency\s*[:=]?\s*)?(?P<code>[A-Z]{3})")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T]([0-9]{2}):([0-9]{2}))?(?:\s*UTC)?")
_DOTTED_DAY = re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})")
_SPAN = re.compile(r"(?:in\s+)?(?P<number>[0-9]{1,3})\s+(?P<unit>day|week)s?", re.IGNORECASE)
_ASKED = re.compile(
    r"(?P<word>revise|withdraw)\b[ \t]*(?:#?(?P<number>[0-9]{1,6})(?![ \t]*[x×*0-9.,])\b)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be done; `number`: with which quote, where they say so; `body`: what it offers."""

    what: Literal["send", "revise", "withdraw"]
    number: int | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """Something with an amount, before the currency is known."""

    quoted: str
    description: str
    quantity: int
    number: str
    is_negative: bool


def asked(rest: str) -> Asked:
    """`rest`: what stands behind the command's name."""
    found = _ASKED.match(rest)
    if found is None:
        return Asked(what="send", number=None, body=rest)
    number = None if found["number"] is None else int(found["number"])
    body = rest[found.end() :].strip()
    return Asked(what="revise" if found["word"].lower() == "revise" else "withdraw", number=number, body=body)


def offer_in(body: str, *, now: int, former: Offer | None = None) -> tuple[Offer, int | None]:
    """What is offered, and until when, if that is said. `former`: the revision before, for what is left out."""
    return _Reading(now).read(body, former)


class _Reading:
    def __init__(self, now: int) -> None:
        self._now = now
        self._title: str | None = None
        self._lines: list[_Priced] = []
        self._codes: dict[str, None] = {}
        self._tax: _Priced | None = None
        self._tax_rate: int | None = None
        self._total: _Priced | None = None
        self._valid_until: int | None = None

    def read(self, body: str, former: Offer | None) -> tuple[Offer, int | None]:
        for number, line in enumerate(_lines_of(body)):
            self._line(line, is_first=number == 0)
        if not self._lines:
            raise _unclear(
                "There is no item in it: each needs a line with its price, such as “Delivery: 120.00”."
            )
        currency = self._currency(former)
        lines = tuple(
            Line(description=one.description, quantity=one.quantity, unit_price=_amount(one, currency))
            for one in self._lines
        )
        net = sum(line.amount for line in lines)
        tax = 0 if self._tax is None else _amount(self._tax, currency)
        offer = Offer(
            title=self._title or (former.title if former else lines[0].description),
            lines=lines,
            tax=tax if self._tax_rate is None else tax_of(net, self._tax_rate),
            currency=currency,
            tax_rate=self._tax_rate,
        )
        check_total(offer, None if self._total is None else _amount(self._total, currency))
        return offer, self._valid_until

    def _line(self, line: str, *, is_first: bool) -> None:
        if len(line) > _LONGEST:
            raise _unclear(f"A line is too long: at most {_LONGEST} characters.")
        if self._says_more(line) or self._says_until(line, is_first=is_first):
            return
        item = _ITEM.fullmatch(line)
        if item is not None and _is_item(item, is_first=is_first):
            self._lines.append(self._item(line, item))
        elif is_first:
            self._title = _described(line)
        else:
            raise _unclear(
                f"I do not understand “{line}”. An item ends with its price, such as “Delivery: 120.00”."
            )

    def _says_more(self, line: str) -> bool:
        """Whether it is about the tax, the total or the currency."""
        if (found := _TAX.fullmatch(line)) and (rate := _RATE.fullmatch(found["value"])):
            self._tax_rate = int(rate["whole"]) * 100 + int((rate["rest"] or "0").ljust(2, "0"))
            if self._tax_rate > MOST_TAX_RATE:
                raise _unclear(f"“{line}” is more than the price itself.")
        elif found and (price := _PRICE.fullmatch(found["value"])):
            self._tax = self._money(line, price, description="", quantity=1)
        elif (found := _TOTAL.fullmatch(line)) and (price := _PRICE.fullmatch(found["value"])):
            self._total = self._money(line, price, description="", quantity=1)
        elif (found := _CURRENCY.fullmatch(line)) and found["code"] in currencies():
            self._codes[found["code"]] = None
        else:
            return False
        return True

    def _says_until(self, line: str, *, is_first: bool) -> bool:
        found = _UNTIL.fullmatch(line)
        said = found or _VALID.fullmatch(line)
        until = None if said is None else _moment(said["value"], now=self._now)
        if until is None and found is not None and not is_first:
            raise _unclear(f"I cannot read when “{line}” is. Write it as 2027-05-01, or as 14 days.")
        self._valid_until = until or self._valid_until
        return until is not None

    def _item(self, line: str, found: re.Match[str]) -> _Priced:
        quantity = found["quantity"] or "1"
        if not quantity.isdigit():
            raise _unclear(f"In “{line}” the quantity is no whole number. Offer it in smaller parts.")
        if found["quantity"] is None and re.match(r"[0-9]+\s", line):
            raise _unclear(
                f"Does “{line}” mean so many of them? Then write an x, as in “80 x Menu at 45.00”, else “1 x”."
            )
        return self._money(line, found, description=_described(found["what"]), quantity=int(quantity[:9]))

    def _money(self, line: str, found: re.Match[str], *, description: str, quantity: int) -> _Priced:
        for unit in (found["before"], found["after"]):
            if unit is not None and unit in "$¥":
                raise _unclear(
                    f"“{unit}” is the sign of several currencies. Write the code instead, such as USD."
                )
            if unit is not None:
                code = _OF_ONE_COUNTRY.get(unit, unit)
                if code not in currencies():
                    raise _unclear(f"{code} is no currency that is in use, such as EUR.")
                self._codes[code] = None
        return _Priced(
            quoted=line,
            description=description,
            quantity=quantity,
            number=found["number"].rstrip(".,"),
            is_negative=bool(found["sign"] or found["inner"]),
        )

    def _currency(self, former: Offer | None) -> str:
        if len(self._codes) > 1:
            raise _unclear(f"It speaks of several currencies: {', '.join(self._codes)}. A quote is in one.")
        if self._codes:
            return next(iter(self._codes))
        if former is None:
            raise _unclear("The currency is missing. Write it on a line of its own, such as EUR.")
        return former.currency


def _lines_of(body: str) -> list[str]:
    """Without what people begin the lines of lists with."""
    lines = (re.sub(r"^[-•*–]\s+", "", line.strip()) for line in re.split(r"[\n;]", body))
    return [line.rstrip(",") for line in lines if line]


def _is_item(found: re.Match[str], *, is_first: bool) -> bool:
    """The first line may be the title: "Wedding 2027" is no item for 2,027."""
    return not is_first or any(found[one] for one in ("quantity", "mark", "at", "before", "after"))


def _amount(priced: _Priced, currency: str) -> int:
    amount = read(priced.number, currency)
    if amount is None:
        raise _unclear(
            f"I cannot read the amount in “{priced.quoted}”. Write it as 1234.50, or 1234 without a rest."
        )
    return -amount if priced.is_negative else amount


def _moment(value: str, *, now: int) -> int | None:
    """In epoch ms: the end of a day, in UTC; None where it is none."""
    value = value.strip().rstrip(".")
    if found := _SPAN.fullmatch(value):
        days = int(found["number"]) * (7 if found["unit"].lower() == "week" else 1)
        return now + timedelta(days=days) // timedelta(milliseconds=1)
    hour, minute = 23, 59
    if found := _ISO_DAY.fullmatch(value):
        year, month, day = (int(one) for one in found.groups()[:3])
        if found[4] is not None:
            hour, minute = int(found[4]), int(found[5])
    elif found := _DOTTED_DAY.fullmatch(value):
        year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    else:
        return None
    try:
        return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None


def _described(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise _unclear(f"A title or an item has at most {LONGEST_DESCRIPTION} characters. Shorten it.")
    return text


def _unclear(detail: str) -> QuoteInvalid:
    return QuoteInvalid(detail)
