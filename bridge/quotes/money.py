"""Amounts as people write them, in which currencies: pure, and whole numbers only, so that nothing is rounded."""

import re
from functools import cache

from babel.core import get_global

from bridge.core.money import exponent

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
