"""How amounts in minor units read."""

import pytest

from bridge.core.money import shown


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (384_000, "EUR", "EUR 3,840.00"),
        (5, "USD", "USD 0.05"),
        (-5_000, "EUR", "-EUR 50.00"),
        # ISO 4217's digits: none, three, four; and two where CLDR says none, and would show 1,250 or 13.
        (1_250, "JPY", "JPY 1,250"),
        (1_250, "KWD", "KWD 1.250"),
        (12_345, "UYW", "UYW 1.2345"),
        (1_250, "RSD", "RSD 12.50"),
        # A code that nobody knows.
        (100, "XYZ", "XYZ 1.00"),
        # The largest amount of an event, to the last cent.
        (2**53 - 1, "EUR", "EUR 90,071,992,547,409.91"),
    ],
)
def test_an_amount_shows_all_its_digits(amount: int, currency: str, expected: str) -> None:
    assert shown(amount, currency) == expected
