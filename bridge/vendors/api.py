"""Vendors by REST: list them, look at one, change one, say whether they are there."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.core.caller import EVERYBODY, STAFF, Caller, CallerRole
from bridge.core.ids import ParticipantId, PartyId, VendorId
from bridge.storage.database import Database, Transaction
from bridge.vendors.access import VendorAccess
from bridge.vendors.input import StatusToSet, VendorChange
from bridge.vendors.listing import Listing
from bridge.vendors.model import Status
from bridge.vendors.rules import check_may_change, folded
from bridge.vendors.service import Vendors
from bridge.vendors.store import Filter
from bridge.vendors.views import AvailabilityView, VendorPage, VendorView, VendorViews
from bridge.web.fields import Data, Id, Name
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/vendors"
ONE = f"{PATH}/{{vendor_id}}"
PAGE = 20
OWN: frozenset[CallerRole] = STAFF | {"vendor"}
"""Who may do what is the vendor's own business."""


class OneVendor(Data):
    vendor_id: Id


class ListOfVendors(Data):
    party_id: Annotated[Id | None, Field(description="those who have a conversation for this party")] = None
    vendor_type: Name | None = None
    availability: Status | None = None
    q: Annotated[
        Name | None,
        Field(
            description="words, or parts of some, of name, kind and specialties, in whatever case and accents"
        ),
    ] = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="vendors of a page, at most")] = PAGE


LIST = Operation(
    method="GET",
    path=PATH,
    name="listVendors",
    summary="List vendors, those who came last first",
    description="All of the tenant for programs and staff; to a person those with whom they have a conversation.",
    tag="vendors",
    params=ListOfVendors,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", VendorPage)},
    refusals=("invalid_cursor",),
    roles=EVERYBODY,
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getVendor",
    summary="Look at a vendor",
    description="How to reach them is shown to the platform, its staff, the vendor, and to hosts who have an active"
    " conversation with them.",
    tag="vendors",
    params=OneVendor,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The vendor.", VendorView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="changeVendor",
    summary="Make a vendor known, or change what is known of them",
    description="By the platform and its staff; a vendor changes their own contact, specialties, portfolio and prices."
    " A new name or picture shows in Matrix, too, where a ghost speaks for them. The same again changes nothing more.",
    tag="vendors",
    params=OneVendor,
    body=VendorChange,
    answers={
        HTTPStatus.CREATED: Says("They were not known.", VendorView, {"Location": "their address"}),
        HTTPStatus.OK: Says("It is so.", VendorView),
    },
    refusals=("not_found", "not_allowed", "person_erased"),
    roles=OWN,
)
STATUS = Operation(
    method="PUT",
    path=f"{ONE}/status",
    name="setVendorStatus",
    summary="Say whether a vendor is there",
    description="It holds before their presence, `until` a moment or until something else is said. In Matrix they say"
    " it with `!festimo status away`.",
    tag="vendors",
    params=OneVendor,
    body=StatusToSet,
    answers={HTTPStatus.OK: Says("How they are shown now.", AvailabilityView)},
    refusals=("not_found", "person_erased"),
    roles=OWN,
)
OPERATIONS = (LIST, GET, PUT, STATUS)


class VendorsApi:
    def __init__(
        self,
        database: Database,
        vendors: Vendors,
        access: VendorAccess,
        views: VendorViews,
        listing: Listing,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._vendors = vendors
        self._access = access
        self._views = views
        self._listing = listing
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(PUT, self.change),
            toolkit.write(STATUS, self.set_status),
        )

    async def list(self, caller: Caller, asked: ListOfVendors) -> Answer:
        person = _person(caller)
        words = folded(asked.q or "").split()
        this_list = (
            *("vendors", caller.tenant_id, person, asked.party_id, asked.vendor_type),
            *(asked.availability, " ".join(words)),
        )
        before = None
        if asked.cursor is not None:
            created_at, vendor_id = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = (int(created_at), str(vendor_id))
        page = await self._listing.page(
            self._database,
            caller.tenant_id,
            Filter(
                vendor_type=asked.vendor_type,
                party_id=None if asked.party_id is None else PartyId(asked.party_id),
                known_to=person,
            ),
            words=words,
            availability=asked.availability,
            before=before,
            limit=asked.limit,
        )
        next_cursor = None
        if page.last is not None:
            next_cursor = self._cursors.at((page.last.created_at, page.last.vendor_id), of=this_list)
        insights = await self._access.insights(self._database, caller, page.vendors)
        views = await self._views.of(self._database, caller.tenant_id, page.vendors, insights)
        return answer(VendorPage(vendors=views, next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneVendor) -> Answer:
        vendor, insight = await self._access.to(self._database, caller, VendorId(asked.vendor_id))
        return answer(await self._views.one(self._database, vendor, insight))

    async def change(self, tx: Transaction, caller: Caller, asked: OneVendor, new: VendorChange) -> Answer:
        vendor_id = VendorId(asked.vendor_id)
        if caller.is_person:
            await self._access.as_own(tx, caller, vendor_id)
        check_may_change(caller, new.model_fields_set)
        made = await self._vendors.change(
            tx,
            caller.tenant_id,
            vendor_id,
            name=new.business_name,
            changed=new.of,
            told=new.of_private,
        )
        view = await self._views.one(tx, await self._access.as_own(tx, caller, vendor_id), "all")
        if not made:
            return answer(view)
        return answer(view, status=HTTPStatus.CREATED, location=f"{PATH}/{vendor_id}")

    async def set_status(self, tx: Transaction, caller: Caller, asked: OneVendor, new: StatusToSet) -> Answer:
        vendor_id = VendorId(asked.vendor_id)
        await self._access.as_own(tx, caller, vendor_id)
        await self._vendors.set_status(tx, caller.tenant_id, vendor_id, new.declared())
        return answer(await self._views.availability(tx, await self._access.as_own(tx, caller, vendor_id)))


def _person(caller: Caller) -> ParticipantId | None:
    """Whose acquaintances alone the caller may be shown; None: all of the tenant."""
    if not caller.is_person:
        return None
    # No token makes such a caller; should one come about, they shall see nobody rather than everybody.
    return caller.participant_id or ParticipantId("")
