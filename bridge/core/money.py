"""Amounts in minor units, as people read them: pure, and whole numbers only, so that nothing is rounded."""

EXPONENTS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""ISO 4217, where it is not 2. Not CLDR's (Babel's) digits: those say how prices are mostly shown, and would show 12.50
RSD as 13."""


def exponent(currency: str) -> int:
    """How many digits of an amount in minor units stand behind the point."""
    return EXPONENTS.get(currency, 2)


def shown(amount: int, currency: str) -> str:
    """As in "EUR 3,840.00": the code, as a sign may be several countries'."""
    digits = exponent(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if amount < 0 else ''}{currency} {whole:,}{fraction}"
