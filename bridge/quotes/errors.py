"""Why a quote, or an answer to one, is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class QuoteInvalid(Refusal):
    code: ClassVar[str] = "quote_invalid"


class TooManyQuotes(Refusal):
    code: ClassVar[str] = "too_many_quotes"


class Differs(Refusal):
    code: ClassVar[str] = "quote_differs"


class Accepted(Refusal):
    code: ClassVar[str] = "quote_accepted"


class Declined(Refusal):
    code: ClassVar[str] = "quote_declined"


class Expired(Refusal):
    code: ClassVar[str] = "quote_expired"


class Withdrawn(Refusal):
    code: ClassVar[str] = "quote_withdrawn"


class Superseded(Refusal):
    code: ClassVar[str] = "quote_superseded"


class VendorGone(Refusal):
    """Who made the offer is not there to stand by it."""

    code: ClassVar[str] = "vendor_gone"
