# ruff: noqa: TID251 - what is banned from ours is what this one is about
"""The obvious alternative: a bridge on mautrix 0.21, put together as its documentation and its own bridges do.

Runs in its own environment (`setup`). `python bridge.py config.json`; README.md says what was left out, and why.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from mautrix.appservice import AppService
from mautrix.appservice.state_store.asyncpg import PgASStateStore
from mautrix.bridge.e2ee import EncryptionManager
from mautrix.types import EncryptionAlgorithm, EventType, MessageType, TextMessageEventContent
from mautrix.util.async_db import Database, UpgradeTable

# As in mautrix' example configuration, where it can matter here.
ENCRYPTION = {
    "bridge.encryption.verification_levels": {
        "receive": "unverified",
        "send": "unverified",
        "share": "cross-signed-tofu",
    },
    "bridge.encryption.allow_key_sharing": False,
    "bridge.encryption.appservice": False,
    "bridge.encryption.msc4190": False,
    "bridge.encryption.self_sign": False,
    "bridge.encryption.delete_keys": None,
    "bridge.encryption.rotation.disable_device_change_key_rotation": False,
}
ROOM_STATE = [{"type": "m.room.encryption", "content": {"algorithm": EncryptionAlgorithm.MEGOLM_V1.value}}]

upgrades = UpgradeTable()


@upgrades.register(description="Conversations and messages")
async def tables(conn: Any) -> None:
    await conn.execute("CREATE TABLE portal (party TEXT PRIMARY KEY, mxid TEXT UNIQUE, encrypted BOOLEAN)")
    await conn.execute(
        "CREATE TABLE message (seq INTEGER PRIMARY KEY, mxid TEXT UNIQUE, room TEXT, key TEXT UNIQUE,"
        " sender TEXT, body TEXT)"
    )


class Bridge:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.name, self.loop = ENCRYPTION, "baseline", asyncio.get_running_loop()
        registration = config["registration"]
        self.prefix, self.domain = config["ghost_prefix"], config["server_name"]
        self.db = Database.create(config["database"], upgrade_table=upgrades)
        self.state_db = Database.create(config["database"], upgrade_table=PgASStateStore.upgrade_table)
        self.state_store = PgASStateStore(self.state_db)
        self.az = AppService(
            config["homeserver"],
            self.domain,
            registration["as_token"],
            registration["hs_token"],
            config["bot"],
            registration["id"],
            state_store=self.state_store,
            default_http_retry_count=4,
            aiohttp_params={"client_max_size": 2**26},
        )
        self.e2ee = EncryptionManager(
            self, config["homeserver"], f"@{self.prefix}", f":{self.domain}", config["database"]
        )
        self.az.matrix_event_handler(self.handle)
        self.az.app.router.add_post("/open", self.open)
        self.az.app.router.add_post("/say", self.say)
        self.az.app.router.add_get("/history", self.history)

    async def run(self, host: str, port: int) -> None:
        await self.db.start()
        await self.state_db.start()
        await self.az.start(host, port)
        await self.az.intent.ensure_registered()
        await self.e2ee.start()
        self.az.ready = True

    async def handle(self, event: Any) -> None:
        """What the homeserver tells."""
        if event.type == EventType.ROOM_MEMBER:
            await self.e2ee.handle_member_event(event)
        elif event.type == EventType.ROOM_ENCRYPTED and not self.is_ours(event.sender):
            event = await self.e2ee.decrypt(event)
        if event.type == EventType.ROOM_MESSAGE and not self.is_ours(event.sender):
            await self.store(event.event_id, event.room_id, None, event.sender, event.content.body)

    async def open(self, request: web.Request) -> web.Response:
        asked = await request.json()
        room = await self.db.fetchval("SELECT mxid FROM portal WHERE party = $1", asked["party"])
        if room is None:
            room = await self.az.intent.create_room(
                name=asked["party"], invitees=asked["invite"], initial_state=ROOM_STATE
            )
            await self.db.execute("INSERT INTO portal VALUES ($1, $2, true)", asked["party"], room)
            for ghost in asked["ghosts"]:
                await self.ghost(ghost).ensure_joined(room)
        return web.json_response({"room": room})

    async def say(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if not await self.db.fetchval("SELECT 1 FROM message WHERE key = $1", asked["key"]):
            content = TextMessageEventContent(msgtype=MessageType.TEXT, body=asked["text"])
            kind, encrypted = await self.e2ee.encrypt(asked["room"], EventType.ROOM_MESSAGE, content)
            event_id = await self.az.intent.send_message_event(
                asked["room"], kind, encrypted, txn_id=asked["key"]
            )
            await self.store(event_id, asked["room"], asked["key"], asked["sender"], asked["text"])
        return web.json_response({})

    async def history(self, request: web.Request) -> web.Response:
        sql = "SELECT * FROM message WHERE room = $1 AND seq > $2 ORDER BY seq LIMIT 100"
        rows = await self.db.fetch(sql, request.query["room"], int(request.query["after"]))
        return web.json_response([dict(row) for row in rows])

    async def store(self, event_id: str, room: str, key: str | None, sender: str, body: str) -> None:
        sql = "INSERT INTO message (mxid, room, key, sender, body) VALUES ($1, $2, $3, $4, $5)"
        await self.db.execute(sql + " ON CONFLICT DO NOTHING", event_id, room, key, sender, body)

    def ghost(self, name: str) -> Any:
        return self.az.intent.user(f"@{self.prefix}{name}:{self.domain}")

    def is_ours(self, user: str) -> bool:
        return user == self.az.bot_mxid or user.startswith(f"@{self.prefix}")

    # What mautrix' EncryptionManager asks of a bridge

    async def get_portal(self, room_id: str) -> Any:
        found = await self.db.fetchval("SELECT encrypted FROM portal WHERE mxid = $1", room_id)
        return None if found is None else SimpleNamespace(encrypted=bool(found))

    def _log_db_error(self, error: Exception) -> None:
        raise error


async def main(config: dict[str, Any]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bridge = Bridge(config)
    await bridge.run("127.0.0.1", config["port"])
    await stop.wait()
    await bridge.az.stop()


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
