"""The ids that cross feature borders. All are opaque strings; a `NewType` keeps one from standing for another."""

import secrets
import uuid
from typing import NewType

TenantId = NewType("TenantId", str)
PartyId = NewType("PartyId", str)
VendorId = NewType("VendorId", str)
BookingId = NewType("BookingId", str)
PaymentId = NewType("PaymentId", str)
ConversationId = NewType("ConversationId", str)
ParticipantId = NewType("ParticipantId", str)
MessageId = NewType("MessageId", str)
LeadId = NewType("LeadId", str)
QuoteId = NewType("QuoteId", str)


def new_id() -> str:
    """A random id of 32 lower-case hexadecimal digits: safe in a URL, a Matrix alias and a txnId."""
    return uuid.UUID(bytes=secrets.token_bytes(16), version=4).hex
