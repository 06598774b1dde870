"""What stands on a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.conversations.model import MetadataValue, Priority
from bridge.core.ids import BookingId, LeadId


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """`booking_id`: of the booking that it is about, one of its conversation's. `lead_id`: of the lead that it belongs
    to from the start, one of its conversation's; then that stands with the message, and may become another one."""

    priority: Priority = "normal"
    tags: tuple[str, ...] = ()
    booking_id: BookingId | None = None
    lead_id: LeadId | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


NONE = Labels()


def labels_in(kept: Mapping[str, Any]) -> Labels:
    """Of what `dataclasses.asdict` and JSON have made of them."""
    return Labels(**{**kept, "tags": tuple(kept.get("tags", ()))})
