"""Amounts in minor units, as people write and read them: pure, and whole numbers only, so that nothing is rounded."""

import re
from functools import cache

from babel.core import get_global

EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    "CLF": 4,
}
"""ISO 4217, where it is not 2. Not CLDR's (Babel's) digits: those say how prices are mostly shown, and would show 12.50
RSD as 13."""
LARGEST = 2**53 - 1
"""Exact in any reader's JSON numbers."""

_NUMBER = re.compile(r"(?P<sign>[-−]?)(?P<digits>[0-9]+(?:[.,'\u00a0\u202f’][0-9]+)*)")
_SEPARATOR = re.compile(r"[.,'\u00a0\u202f’]")


@cache
def currencies() -> frozenset[str]:
    """All that are money somewhere today: no gold, no codes for tests, and nothing that a country has given up."""
    return frozenset(
        code
        for of_territory in get_global("territory_currencies").values()
        for code, _, until, is_tender in of_territory
        if until is None and is_tender
    )


def exponent(currency: str) -> int:
    """How many digits of an amount in minor units stand behind the point."""
    return EXPONENTS.get(currency, 2)


def shown(amount: int, currency: str) -> str:
    """As in "EUR 3,840.00": the code, as a sign may be several countries'."""
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if amount < 0 else ''}{currency} {whole:,}{fraction}"


def read(text: str, currency: str) -> int | None:
    """The amount that somebody wrote, such as "3,840.00", "3.840,00", "3840"; None where it can be read in two ways, or
    in none."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    digits, groups = exponent(currency), _SEPARATOR.split(found["digits"])
    separators, fraction = _SEPARATOR.findall(found["digits"]), "0"
    # Of three digits the point alone is one: "1,234" dinars are as likely a thousand.
    points = "." if digits == 3 else ".,"
    if separators and separators[-1] in points and 0 < digits == len(groups[-1]):
        fraction, point = groups.pop(), separators.pop()
        if point in separators:
            return None
    if len(set(separators)) > 1 or any(len(group) != 3 for group in groups[1:]):
        return None
    if separators and len(groups[0]) > 3:
        return None
    amount = int("".join(groups)) * 10**digits + int(fraction)
    return None if amount > LARGEST else -amount if found["sign"] else amount
