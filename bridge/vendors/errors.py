"""Why something of a vendor is not changed."""

from typing import ClassVar

from bridge.core.errors import Refusal


class NotForVendors(Refusal):
    """The platform says it, not the vendor."""

    code: ClassVar[str] = "not_allowed"


class NeverMet(Refusal):
    code: ClassVar[str] = "no_conversation"


class PartyUnclear(Refusal):
    code: ClassVar[str] = "party_unclear"
