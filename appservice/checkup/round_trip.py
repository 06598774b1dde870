"""A message from the bot's own device, encrypted by our engine, read by a ghost: in a room that is then left for good.

The engine works on a throw-away database with a copy of the bot's device, so it touches nothing of the bridge's, which
may run meanwhile. The ghost's device is deleted afterwards.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from mautrix.api import Method
from mautrix.api import Path as ApiPath

from appservice.checkup.engine import Engine
from appservice.encryption.own_device import OwnDevice
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.names import Names
from appservice.own_account import OwnAccount
from bridge.core.clock import Clock
from bridge.core.ids import new_id
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import open_database

LIMIT = 60.0
"""Seconds for the whole of it."""
TEXT = "festimo doctor"
ROOM: Mapping[str, Any] = {
    "preset": "private_chat",
    "visibility": "private",
    "creation_content": {"m.federate": False},
    "initial_state": [
        {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    ],
}


class RoundTrip:
    def __init__(
        self, homeserver: Homeserver, names: Names, clock: Clock, *, identity_secret: bytes, pickle_key: bytes
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._clock = clock
        self._identity_secret = identity_secret
        self._pickle_key = pickle_key
        self._ghost_localpart = f"{names.ghost_prefix}doctor"
        self._ghost = f"@{self._ghost_localpart}:{names.server_name}"
        self._step = ""

    async def check(self, bot: OwnDevice) -> str:
        started = monotonic()
        try:
            async with asyncio.timeout(LIMIT), self._engine(bot) as engine:
                await self._run(engine, bot)
        except (HomeserverRefused, HomeserverUnavailable) as trouble:
            raise self._failed(str(trouble)) from trouble
        except TimeoutError:
            raise self._failed(f"it took more than {LIMIT:.0f} s") from None
        return f"encrypted, sent, received and decrypted within {monotonic() - started:.1f} s"

    async def _run(self, engine: Engine, bot: OwnDevice) -> None:
        self._step = "making the ghost that reads"
        await self._homeserver.register(self._ghost_localpart)
        await engine.receive()
        async with self._room() as room_id:
            self._step = "encrypting"
            content = await engine.encrypt(room_id, TEXT)
            self._step = "sending"
            event_id = await self._homeserver.send_encrypted(
                self._names.bot, bot.device_id, room_id, new_id(), content
            )
            self._step = "receiving the room key"
            await engine.receive()
            self._step = "reading the room"
            event = await self._event(room_id, event_id)
            self._step = "decrypting"
            decrypted = await engine.decrypt(event)
            if decrypted is None:
                raise self._failed("the room key has not come, or does not open the message")
            if decrypted.content.get("body") != TEXT or decrypted.identity_key != bot.identity_key:
                raise self._failed("what came out is not what went in")

    @asynccontextmanager
    async def _engine(self, bot: OwnDevice) -> AsyncIterator[Engine]:
        with tempfile.TemporaryDirectory(prefix="festimo-doctor-") as folder:
            database = await open_database(f"sqlite:///{Path(folder) / 'doctor.db'}")
            engine = Engine(
                database,
                self._homeserver,
                self._names,
                self._clock,
                reader=self._ghost,
                identity_secret=self._identity_secret,
                pickle_key=self._pickle_key,
            )
            try:
                await engine.borrow(bot)
                yield engine
            finally:
                await self._delete_device(engine)
                await database.close()

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[str]:
        """With the bot and the ghost in it; left and forgotten by both in the end."""
        self._step = "making a room"
        bot, ghost = self._names.bot, self._ghost
        room_id = await self._homeserver.create_room(bot, ROOM)
        try:
            await self._homeserver.invite(bot, room_id, ghost)
            await self._homeserver.join(ghost, room_id)
            yield room_id
        finally:
            for user in (ghost, bot):
                with suppress(HomeserverRefused, HomeserverUnavailable):
                    await self._homeserver.leave(user, room_id)
                    await self._homeserver.request(
                        Method.POST, ApiPath.v3.rooms[room_id].forget, {}, as_user=user
                    )

    async def _event(self, room_id: str, event_id: str) -> dict[str, Any]:
        page = await self._homeserver.messages(self._ghost, room_id, before=None)
        for event in page["chunk"]:
            if event.get("event_id") == event_id:
                return dict(event) | {"room_id": room_id}
        raise self._failed("the message is not in the room")

    async def _delete_device(self, engine: Engine) -> None:
        device_id = await engine.reader_device()
        if device_id is not None:
            with suppress(HomeserverRefused, HomeserverUnavailable):
                await OwnAccount(self._homeserver, self._ghost).delete_device(device_id)

    def _failed(self, why: str) -> CannotStart:
        return CannotStart(
            Reason.ROUND_TRIP_FAILED,
            f"A message in a throw-away room did not come through: {why} ({self._step}).",
            "Look at the checks above, and at the log of the homeserver for this moment.",
        )
