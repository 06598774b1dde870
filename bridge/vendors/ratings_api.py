"""What hosts think of vendors, by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.core.caller import STAFF, Caller
from bridge.core.ids import PartyId, VendorId
from bridge.participants.rules import acting_as_somebody
from bridge.storage.database import Database, Transaction
from bridge.vendors.access import VendorAccess
from bridge.vendors.api import ONE, OWN, OneVendor
from bridge.vendors.input import NewRating
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.service import Vendors
from bridge.vendors.views import RatingPage, RatingView, rating_view
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PAGE = 20


class ListOfRatings(OneVendor):
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="ratings of a page")] = PAGE


RATE = Operation(
    method="POST",
    path=f"{ONE}/rate",
    name="rateVendor",
    summary="Say what a host thinks of a vendor",
    description="Of each party for which they have a conversation, once: what they said before is replaced.",
    tag="vendors",
    params=OneVendor,
    body=NewRating,
    answers={
        HTTPStatus.CREATED: Says("Their first of this party.", RatingView),
        HTTPStatus.OK: Says("It is so now.", RatingView),
    },
    refusals=("not_found", "not_yourself", "no_conversation", "party_unclear"),
    roles=STAFF | {"host"},
)
LIST = Operation(
    method="GET",
    path=f"{ONE}/ratings",
    name="listVendorRatings",
    summary="List what hosts think of a vendor",
    description="For the platform, its staff and the vendor; whoever rated last for the first time comes first.",
    tag="vendors",
    params=ListOfRatings,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", RatingPage)},
    refusals=("not_found", "invalid_cursor"),
    roles=OWN,
)
OPERATIONS = (RATE, LIST)


class RatingsApi:
    def __init__(
        self,
        database: Database,
        vendors: Vendors,
        ratings: RatingStore,
        access: VendorAccess,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._vendors = vendors
        self._ratings = ratings
        self._access = access
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.write(RATE, self.rate), toolkit.read(LIST, self.list))

    async def rate(self, tx: Transaction, caller: Caller, asked: OneVendor, new: NewRating) -> Answer:
        vendor, _ = await self._access.to(tx, caller, VendorId(asked.vendor_id))
        rating, is_first = await self._vendors.rate(
            tx,
            vendor,
            host_id=acting_as_somebody(caller, new.host_id, field="host_id"),
            party_id=None if new.party_id is None else PartyId(new.party_id),
            stars=new.rating,
            review=new.review,
        )
        status = HTTPStatus.CREATED if is_first else HTTPStatus.OK
        return answer(rating_view(vendor.vendor_id, rating), status=status)

    async def list(self, caller: Caller, asked: ListOfRatings) -> Answer:
        vendor = await self._access.as_own(self._database, caller, VendorId(asked.vendor_id))
        this_list = ("ratings", caller.tenant_id, caller.participant_id, vendor.vendor_id)
        before = None
        if asked.cursor is not None:
            (place,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = int(place)
        found = await self._ratings.newest(
            self._database, caller.tenant_id, vendor.vendor_id, before=before, limit=asked.limit + 1
        )
        shown = found[: asked.limit]
        more = len(found) > asked.limit
        return answer(
            RatingPage(
                ratings=[rating_view(vendor.vendor_id, one.rating) for one in shown],
                next_cursor=self._cursors.at([shown[-1].position], of=this_list) if more else None,
            )
        )
