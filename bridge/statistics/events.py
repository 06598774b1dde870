"""What figures are made of, told as it happens."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId, VendorId


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorReplied(Event):
    """A vendor answered: their first message after one of the other side."""

    message_id: MessageId
    vendor_id: VendorId
