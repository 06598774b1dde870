"""Lists of vendors, the latest first: by what the database knows, and by what only shows when one looks at them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId, TenantId
from bridge.storage.database import Reader
from bridge.vendors import rules
from bridge.vendors.model import Status, Vendor
from bridge.vendors.ports import Presences
from bridge.vendors.store import Filter, VendorStore

AT_ONCE = 500
MOST_LOOKED_AT = 10_000
"""For one page: where few of very many are wanted, a page may come back with fewer, and a cursor to go on."""


@dataclass(frozen=True, slots=True)
class Page:
    """`last`: the last one that was looked at, from where there may be more; None: there are no more."""

    vendors: list[Vendor]
    last: Vendor | None


class Listing:
    def __init__(self, store: VendorStore, presences: Presences, clock: Clock) -> None:
        self._store = store
        self._presences = presences
        self._clock = clock

    async def page(
        self,
        reader: Reader,
        tenant_id: TenantId,
        wanted: Filter,
        *,
        words: Sequence[str],
        availability: Status | None,
        before: tuple[int, str] | None,
        limit: int,
    ) -> Page:
        """`words`: folded; each is to be found in name, kind or specialties."""
        is_plain = not words and availability is None
        found: list[Vendor] = []
        looked_at = 0
        while True:
            at_once = limit + 1 if is_plain else AT_ONCE
            vendors = await self._store.newest(reader, tenant_id, wanted, before=before, limit=at_once)
            fitting = await self._fitting(reader, tenant_id, vendors, words, availability)
            found += fitting
            looked_at += len(vendors)
            if len(found) > limit:
                return Page(found[:limit], found[limit - 1])
            if len(vendors) < at_once:
                return Page(found, None)
            if looked_at >= MOST_LOOKED_AT:
                return Page(found, vendors[-1])
            before = (vendors[-1].created_at, vendors[-1].vendor_id)
            await asyncio.sleep(0)  # others first: on SQLite, statements do not wait

    async def _fitting(
        self,
        reader: Reader,
        tenant_id: TenantId,
        vendors: Sequence[Vendor],
        words: Sequence[str],
        availability: Status | None,
    ) -> list[Vendor]:
        fitting = [vendor for vendor in vendors if rules.is_found(vendor, words)]
        if availability is None:
            return fitting
        people = [ParticipantId(vendor.vendor_id) for vendor in fitting]
        presences = await self._presences.of_people(reader, tenant_id, people)
        now = self._clock.now()
        return [
            vendor
            for vendor, person in zip(fitting, people, strict=True)
            if rules.availability(vendor.declared, presences[person], now=now) == availability
        ]
