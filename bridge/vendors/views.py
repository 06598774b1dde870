"""How a vendor looks to the API: only what the caller may know is opened at all."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId, VendorId
from bridge.storage.database import Reader
from bridge.vendors import rules
from bridge.vendors.model import Insight, Presence, Private, Rating, Simple, Stars, Status, Vendor
from bridge.vendors.ports import Presences, Promptness
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.store import VendorStore
from bridge.web.fields import Time, rfc3339

_HIDDEN = "null to who may not know it: see `contact_visible`"


class WorkView(BaseModel):
    title: str
    url: str | None
    description: str | None


class VendorView(BaseModel):
    vendor_id: str
    vendor_type: str | None
    business_name: str
    avatar_url: str | None
    contact_visible: bool = Field(
        description="whether the caller may know how to reach them: the platform, its staff, the vendor, and hosts who"
        " have an active conversation with them"
    )
    contact_name: str | None = Field(description=_HIDDEN)
    email: str | None = Field(description=_HIDDEN)
    phone: str | None = Field(description=_HIDDEN)
    rating: float | None = Field(description="the average, of 1 to 5; null where nobody has rated them")
    rating_count: int
    response_time_avg: float | None = Field(
        description="in minutes, by what they answered in the last 90 days; null where they answered nothing"
    )
    availability_status: Status = Field(
        description="what was said of it, while that holds; else their presence"
    )
    availability_until: Time | None = Field(description="until when what was said of it holds")
    last_seen: Time | None = Field(description="to about five minutes; null where they were never seen")
    specialties: list[str]
    portfolio: list[WorkView]
    pricing_info: dict[str, Simple]
    metadata: dict[str, Simple] | None = Field(
        description="null to anybody but the platform, its staff and the vendor"
    )
    created_at: Time
    updated_at: Time


class VendorPage(BaseModel):
    vendors: list[VendorView]
    next_cursor: str | None = Field(
        description="for `cursor`, to get the next page; null on the last one. A page may hold fewer than `limit`, even"
        " none, and still not be the last"
    )


class AvailabilityView(BaseModel):
    vendor_id: str
    availability_status: Status
    status: Status | None = Field(description="what was said of it; null where nothing that holds still")
    until: Time | None
    last_seen: Time | None


class RatingView(BaseModel):
    vendor_id: str
    host_id: str
    party_id: str | None
    rating: int
    review: str | None
    created_at: Time
    updated_at: Time


class RatingPage(BaseModel):
    ratings: list[RatingView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class VendorViews:
    def __init__(
        self,
        store: VendorStore,
        ratings: RatingStore,
        presences: Presences,
        promptness: Promptness,
        clock: Clock,
    ) -> None:
        self._store = store
        self._ratings = ratings
        self._presences = presences
        self._promptness = promptness
        self._clock = clock

    async def of(
        self,
        reader: Reader,
        tenant_id: TenantId,
        vendors: Sequence[Vendor],
        insights: Mapping[VendorId, Insight],
    ) -> list[VendorView]:
        """Those of the vendors of whom there is an insight."""
        now = self._clock.now()
        shown = [vendor for vendor in vendors if vendor.vendor_id in insights]
        ids = [vendor.vendor_id for vendor in shown]
        reachable = [one for one in ids if insights[one] != "profile"]
        private = await self._store.private_of(reader, tenant_id, reachable)
        stars = await self._ratings.stars(reader, tenant_id, ids)
        prompt = await self._promptness.averages(reader, tenant_id, ids, since=rules.prompt_since(now))
        presences = await self._presences_of(reader, tenant_id, shown)
        return [
            _view(
                vendor,
                insight=insights[vendor.vendor_id],
                private=private.get(vendor.vendor_id, Private()),
                stars=stars.get(vendor.vendor_id),
                prompt=prompt.get(vendor.vendor_id),
                presence=presences[vendor.vendor_id],
                now=now,
            )
            for vendor in shown
        ]

    async def one(self, reader: Reader, vendor: Vendor, insight: Insight) -> VendorView:
        (view,) = await self.of(reader, vendor.tenant_id, [vendor], {vendor.vendor_id: insight})
        return view

    async def availability(self, reader: Reader, vendor: Vendor) -> AvailabilityView:
        presence = (await self._presences_of(reader, vendor.tenant_id, [vendor]))[vendor.vendor_id]
        declared = vendor.declared if rules.holds(vendor.declared, now=self._clock.now()) else None
        return AvailabilityView(
            vendor_id=vendor.vendor_id,
            availability_status=rules.availability(declared, presence, now=self._clock.now()),
            status=None if declared is None else declared.status,
            until=None if declared is None else _time(declared.until),
            last_seen=_time(presence.seen_at),
        )

    async def _presences_of(
        self, reader: Reader, tenant_id: TenantId, vendors: Sequence[Vendor]
    ) -> Mapping[VendorId, Presence]:
        """Of each of them."""
        found = await self._presences.of_people(
            reader, tenant_id, [ParticipantId(vendor.vendor_id) for vendor in vendors]
        )
        return {VendorId(person): presence for person, presence in found.items()}


def rating_view(vendor_id: VendorId, rating: Rating) -> RatingView:
    return RatingView(
        vendor_id=vendor_id,
        host_id=rating.host_id,
        party_id=rating.party_id,
        rating=rating.stars,
        review=rating.review,
        created_at=rfc3339(rating.created_at),
        updated_at=rfc3339(rating.updated_at),
    )


def _view(
    vendor: Vendor,
    *,
    insight: Insight,
    private: Private,
    stars: Stars | None,
    prompt: float | None,
    presence: Presence,
    now: int,
) -> VendorView:
    until = vendor.declared.until if vendor.declared and rules.holds(vendor.declared, now=now) else None
    return VendorView(
        vendor_id=vendor.vendor_id,
        vendor_type=vendor.vendor_type,
        business_name=vendor.business_name,
        avatar_url=vendor.avatar_url,
        contact_visible=insight != "profile",
        contact_name=private.contact_name,
        email=private.email,
        phone=private.phone,
        rating=None if stars is None else stars.average,
        rating_count=0 if stars is None else stars.count,
        response_time_avg=None if prompt is None else rules.minutes(prompt),
        availability_status=rules.availability(vendor.declared, presence, now=now),
        availability_until=_time(until),
        last_seen=_time(presence.seen_at),
        specialties=list(vendor.specialties),
        portfolio=[
            WorkView(title=work.title, url=work.url, description=work.description)
            for work in vendor.portfolio
        ],
        pricing_info=dict(vendor.pricing_info),
        metadata=dict(private.metadata) if insight == "all" else None,
        created_at=rfc3339(vendor.created_at),
        updated_at=rfc3339(vendor.updated_at),
    )


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339(milliseconds)
