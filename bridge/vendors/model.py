"""A vendor, as the platform knows them. Name, picture and kind are those of the participant. Times in epoch ms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId

Status = Literal["online", "away", "busy", "offline"]
Simple = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of a portfolio."""

    title: str
    url: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What was said of a vendor's being there: it holds until `until`, or until something else is said."""

    status: Status
    until: int | None = None


class Presence(Protocol):
    """`seen_at`: in epoch ms; None where they were never seen."""

    @property
    def state(self) -> Literal["online", "away", "offline"]: ...

    @property
    def seen_at(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Private:
    """How to reach them, and what the platform notes of them: kept sealed."""

    contact_name: str | None = None
    email: str | None = None
    phone: str | None = None
    metadata: Mapping[str, Simple] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What everybody may know who knows them."""

    tenant_id: TenantId
    vendor_id: VendorId
    business_name: str
    vendor_type: str | None = None
    avatar_url: str | None = None
    specialties: tuple[str, ...] = ()
    portfolio: tuple[Work, ...] = ()
    pricing_info: Mapping[str, Simple] = field(default_factory=dict)
    declared: Declared | None = None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a host thinks of a vendor after a party (None: they met without one). `stars`: 1 to 5."""

    host_id: ParticipantId
    party_id: PartyId | None
    stars: int
    review: str | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Stars:
    """Of all ratings of a vendor."""

    average: float
    count: int


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """Somebody takes part in a conversation with a vendor. `is_open`: as a host, in one that goes on."""

    is_open: bool


Insight = Literal["profile", "contact", "all"]
"""What somebody may know of a vendor: the profile; how to reach them, too; and what the platform notes."""
