"""Why what is told of a booking is refused."""

from typing import ClassVar

from bridge.core.errors import Refusal


class PaymentDiffers(Refusal):
    code: ClassVar[str] = "payment_differs"


class CurrencyDiffers(Refusal):
    code: ClassVar[str] = "currency_differs"
