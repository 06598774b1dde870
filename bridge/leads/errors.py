"""Why something of a lead is not changed."""

from typing import ClassVar

from bridge.core.errors import Refusal


class LeadElsewhere(Refusal):
    """A lead stays with the conversation that it was opened in."""

    code: ClassVar[str] = "lead_elsewhere"


class OtherConversation(Refusal):
    code: ClassVar[str] = "not_in_conversation"
