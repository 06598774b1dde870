"""Amounts are read as they were shown, or refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.money import exponent, shown
from bridge.quotes.money import LARGEST, currencies, read
from tests.examples import examples


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("45", "EUR", 4_500),
        ("45.00", "EUR", 4_500),
        ("45,00", "EUR", 4_500),
        ("1,234.50", "EUR", 123_450),
        ("1.234,50", "EUR", 123_450),
        ("1'234.50", "CHF", 123_450),
        # Three digits cannot be cents.
        ("1,234", "EUR", 123_400),
        ("1.234.567", "EUR", 123_456_700),
        ("-50", "EUR", -5_000),
        ("1.250", "KWD", 1_250),
        ("1,250", "KWD", 1_250_000),
        ("1,250", "JPY", 1_250),
        # What could be two amounts, or is none.
        ("1.5", "EUR", None),
        ("1.50", "JPY", None),
        ("1,2345", "EUR", None),
        ("12,34,567", "EUR", None),
        ("1.234.50", "EUR", None),
        ("1,234,50", "EUR", None),
        ("1,234.567,89", "EUR", None),
        ("", "EUR", None),
        (".5", "EUR", None),
        ("1e3", "EUR", None),
        ("٤٥", "EUR", None),
        ("9" * 30, "EUR", None),
    ],
)
def test_an_amount_is_read_or_refused(text: str, currency: str, expected: int | None) -> None:
    assert read(text, currency) == expected


@settings(max_examples=examples(200))
@given(amount=st.integers(-LARGEST, LARGEST), currency=st.sampled_from(sorted(currencies())))
def test_what_is_shown_is_read_again(amount: int, currency: str) -> None:
    sign, _, number = shown(amount, currency).rpartition(f"{currency} ")
    assert read(sign + number, currency) == amount


def test_currencies_are_those_in_use() -> None:
    assert {"EUR", "USD", "GBP", "CHF", "JPY", "KWD", "RSD", "INR"} <= currencies()
    assert not {"DEM", "XAU", "XXX", "XTS", "EURO", "eur"} & currencies()
    assert {exponent(code) for code in currencies()} <= {0, 2, 3}
