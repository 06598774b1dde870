"""A homeserver that delivers transactions to our endpoint, over real HTTP, into a real database."""

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from appservice.continuity import Continuity
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.names import Names
from appservice.room_map import Room, remember_room
from appservice.transactions import HomeserverSide
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, Row, Transaction
from bridge.storage.sealing import Sealer

Client = TestClient[web.Request, web.Application]

NAMES = Names("example.org", "festimo_bot", "festimo_")
TOKEN = "hs-token"
TENANT = TenantId("festipin")
ROOM = "!room:example.org"
MASTER_KEY = bytes(range(32))


class Delivering:
    """`put` is a transaction; everything else looks at what became of it."""

    def __init__(
        self, client: Client, database: Database, continuity: Continuity, refused: list[int]
    ) -> None:
        self.client = client
        self.database = database
        self.continuity = continuity
        self.refused = refused
        """An entry for each transaction that the homeserver was to be made to repeat: doubts there were then."""
        self.clock = FrozenClock()

    async def put(self, body: bytes, *, txn_id: str = "1") -> int:
        status, answer = await self.request("PUT", f"/_matrix/app/v1/transactions/{txn_id}", body=body)
        assert (answer == {}) == (status == 200)
        return status

    async def deliver(self, *events: object, txn_id: str = "1") -> int:
        return await self.put(json.dumps({"events": events}).encode(), txn_id=txn_id)

    async def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON body; that it is JSON is asserted for each answer."""
        given = {"Authorization": f"Bearer {TOKEN}"} if headers is None else headers
        async with self.client.request(method, path, data=io.BytesIO(body), headers=given) as response:
            assert response.content_type == "application/json"
            answer = json.loads(await response.read())
            if response.status != 200:
                assert isinstance(answer["errcode"], str)
                assert isinstance(answer["error"], str)
            return response.status, answer

    async def know_room(self, room_id: str = ROOM) -> None:
        """The room is a conversation's, and its members are fresh."""
        async with self.database.transaction() as tx:
            conversation_id = ConversationId(f"of {room_id}")
            await remember_room(tx, Room(room_id, TENANT, conversation_id), self.clock)
            await tx.execute("UPDATE rooms SET members_stale = 0")

    async def rows(self) -> list[Row]:
        return await self.database.fetch("SELECT * FROM inbox ORDER BY seq")

    async def waiting(self) -> list[str]:
        return [row["id"] for row in await self.rows() if row["state"] == "waiting"]

    async def dead_bodies(self) -> list[bytes]:
        """As a person would see them: opened."""
        sealer = Sealer(MASTER_KEY, self.clock)
        return [
            await sealer.open(self.database, row["body"], place=f"inbox.body:{row['id']}")
            for row in await self.rows()
            if row["state"] == "dead"
        ]

    async def forget(self) -> None:
        async with self.database.transaction() as tx:
            await tx.execute("DELETE FROM inbox")


async def nobody_arrives(tx: Transaction, users: list[str]) -> None:
    raise AssertionError("members are asked for later, not while a transaction is taken")


async def nobody_leaves(tx: Transaction, room_id: str) -> None:
    raise AssertionError("members are asked for later, not while a transaction is taken")


@asynccontextmanager
async def delivering(
    aiohttp_client: AiohttpClient,
    database: Database,
    *,
    through: Callable[[Database], Database] = lambda database: database,
    on_ephemeral: Callable[[Any], None] = lambda events: None,
) -> AsyncIterator[Delivering]:
    """`through` stands between the endpoint and the database; `on_ephemeral` is given the signals."""
    clock, continuity = FrozenClock(), Continuity()
    refused: list[int] = []
    writes = through(database)
    async with aiohttp.ClientSession() as session:
        nobody = Homeserver("http://127.0.0.1:9", "as-token", session=session)
        side = HomeserverSide(
            database=writes,
            inbox=Inbox(writes, Sealer(MASTER_KEY, clock), clock),
            members=Members(writes, nobody, NAMES, on_arrived=nobody_arrives, on_left=nobody_leaves),
            names=NAMES,
            hs_token=TOKEN,
            continuity=continuity,
            on_refused=lambda: refused.append(continuity.doubts),
            on_ephemeral=on_ephemeral,
        )
        app = web.Application()
        app.add_subapp("/_matrix/", side.app())
        yield Delivering(await aiohttp_client(app), database, continuity, refused)


def event(event_id: str = "$1", /, **keys: object) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "room_id": ROOM,
        "sender": "@anna:example.org",
        "type": "m.room.encrypted",
        "origin_server_ts": 1_800_000_000_000,
        "content": {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s"},
    } | keys


def member(event_id: str = "$member", /, **keys: object) -> dict[str, Any]:
    user = "@vendor:example.org"
    return event(event_id, type="m.room.member", state_key=user, content={"membership": "leave"}, **keys)
