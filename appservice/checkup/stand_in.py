"""Where the homeserver delivers, while the bridge does not run: answers its ping, and takes nothing."""

from aiohttp import web

from appservice.continuity import Continuity
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.names import Names
from appservice.transactions import HomeserverSide
from bridge.core.clock import Clock
from bridge.delivery.inbox import Inbox
from bridge.storage.closed import ClosedDatabase
from bridge.storage.database import Transaction
from bridge.storage.sealing import Sealer


class StandIn(HomeserverSide):
    def __init__(
        self, homeserver: Homeserver, names: Names, sealer: Sealer, clock: Clock, *, hs_token: str
    ) -> None:
        closed = ClosedDatabase()
        super().__init__(
            database=closed,
            inbox=Inbox(closed, sealer, clock),
            members=Members(closed, homeserver, names, on_arrived=_nothing, on_left=_nothing),
            names=names,
            hs_token=hs_token,
            continuity=Continuity(),
        )

    async def transaction(self, request: web.Request) -> web.Response:
        """Refused: the homeserver keeps it, and the bridge gets it once it runs."""
        return web.json_response({"errcode": "M_UNKNOWN", "error": "The bridge does not run."}, status=503)


async def _nothing(tx: Transaction, what: object) -> None:
    return None
