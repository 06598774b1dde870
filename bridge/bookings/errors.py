"""Why what is told of a booking is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class BookingElsewhere(Refusal):
    """A booking stays with its party and its vendor: else their card would say what is so no more."""

    code: ClassVar[str] = "booking_elsewhere"


class PaymentDiffers(Refusal):
    code: ClassVar[str] = "payment_differs"


class CurrencyDiffers(Refusal):
    code: ClassVar[str] = "currency_differs"
