"""What the sockets tell of vendors. It happens in no conversation, and concerns them and who has one with them."""

from collections.abc import Collection, Mapping

from bridge.conversations.access import member_of
from bridge.core.ids import TenantId, VendorId
from bridge.feed.model import Entry
from bridge.sockets.look import Look
from bridge.sockets.present import Present, Socket
from bridge.sockets.scope import Kind, Scope
from bridge.sockets.store import Meeting, SocketStore
from bridge.vendors.store import VendorStore
from bridge.vendors.views import VendorView, VendorViews

TOLD: Mapping[str, frozenset[Kind]] = {
    "availability": frozenset({"party", "vendor", "user"}),
    "vendor.updated": frozenset({"party", "vendor"}),
    "response_time": frozenset({"party", "vendor"}),
    "vendor.rated": frozenset({"vendor"}),
}
"""Kind of entry, and which sockets tell of it."""


class VendorsOnSockets:
    def __init__(self, store: SocketStore, vendors: VendorStore, views: VendorViews) -> None:
        self._store = store
        self._vendors = vendors
        self._views = views

    async def shown(self, look: Look, tenant_id: TenantId, vendor_id: VendorId) -> VendorView | None:
        async def find() -> VendorView | None:
            vendor = await self._vendors.get(look.reader, tenant_id, vendor_id)
            # One view for all who hear of it: how to reach them is not even opened.
            return None if vendor is None else await self._views.one(look.reader, vendor, "profile")

        return await look.once(("vendor view", tenant_id, vendor_id), find)

    async def audience(self, look: Look, entry: Entry, present: Present, *, up_to: int) -> list[Socket]:
        """Who of those that were there at the mark `up_to` is told of it."""
        vendor_id, there = VendorId(entry.about["vendor_id"]), set[Meeting]()
        if present.some(entry.tenant_id, *(TOLD[entry.kind] - {"vendor"})):
            there = await look.once(
                ("meetings", entry.tenant_id, vendor_id),
                lambda: self._store.meetings(look.reader, entry.tenant_id, vendor_id),
            )
        scopes = _scopes(vendor_id, there, TOLD[entry.kind])
        found = present.about(entry.tenant_id, scopes, up_to=up_to)
        return [socket for socket in found if _may_hear(socket, there)]


def _scopes(vendor_id: VendorId, there: Collection[Meeting], kinds: Collection[Kind]) -> list[Scope]:
    scopes = {Scope("vendor", vendor_id)}
    scopes |= {Scope("party", where) for one in there for where in one.places}
    scopes |= {Scope("user", one.participant_id) for one in there if one.is_there}
    return [scope for scope in scopes if scope.kind in kinds]


def _may_hear(socket: Socket, there: Collection[Meeting]) -> bool:
    """A person, of a party: of those vendors whom they themselves have a conversation with there."""
    person, scope = member_of(socket.caller), socket.scope
    if person is None:
        return True
    if scope.kind != "party":
        return scope.id == person
    return any(one.is_there and one.participant_id == person and scope.id in one.places for one in there)
