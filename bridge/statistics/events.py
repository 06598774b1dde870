"""What figures are made of, told as it happens."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId, VendorId
from bridge.vendors.events import VendorEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorReplied(Event):
    """A vendor answered: their first message after one of the other side."""

    message_id: MessageId
    vendor_id: VendorId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimeChanged(VendorEvent):
    """What is shown of how fast a vendor answers, on average, is another figure: read it for what it is now."""
