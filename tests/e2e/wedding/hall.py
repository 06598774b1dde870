"""The stage of a real wedding: a Synapse, a bridge that is killed and started again, NATS, and people's own clients."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import nats
from nio.crypto.attachments import decrypt_attachment

from appservice.names import Names
from bridge.core.clock import SystemClock
from bridge.core.ids import ParticipantId, TenantId
from bridge.demo.stand import TENANT, Stand, stand
from bridge.storage.database import Database, open_database
from bridge.wiring import api_keys
from tests.bridge.bookings.examples import read_calendar
from tests.bridge.webhooks.receiver import receiving
from tests.clients.people import People
from tests.e2e.wedding.festipin import Festipin
from tests.e2e.wedding.guests import Guest, JsGuest, NioGuest
from tests.faults.lives import Lives
from tests.servers.nats import NatsServer
from tests.wedding.stage import ANNA, FESTIMO, NAMES, Event, Json, Shown, as_shown, until
from tests.wedding.story import Wedding

KILLS = 4
DEEDS = range(1, 40)
"""After which it may be killed: of all that people and platform do, but for the last few."""
SOON = 0.4
"""Seconds after a deed in which much of what it brings about is under way."""
AWAY = (0.0, 0.3, 1.5)
"""Seconds between two lives."""
LEFT = """
SELECT topic, id, state, failure FROM inbox WHERE state <> 'done'
UNION ALL SELECT topic, id, state, failure FROM outbox WHERE state <> 'done'
"""


class Hall:
    patience = 60.0
    pause = 0.1

    def __init__(
        self,
        ground: Stand,
        *,
        lives: Lives,
        festipin: Festipin,
        guests: dict[str, Guest],
        database: Database,
        seed: int,
    ) -> None:
        self.ground = ground
        self.lives = lives
        self.festipin = festipin
        self.guests = guests
        self._database = database
        self._chance = random.Random(seed)
        self.valid_until = date(datetime.now(UTC).year + 1, 10, 1)
        self._deeds = 0
        self._conversations: dict[str, str] = {}
        self._rest: list[Any] = []
        config = ground.config
        names = Names(
            config.homeserver.server_name, config.appservice.bot_localpart, config.appservice.ghost_prefix
        )
        self._voices = {names.bot: FESTIMO} | {guest.user_id: name for name, guest in guests.items()}
        self._voices |= {
            names.ghost(TenantId(TENANT), ParticipantId(vendor)): vendor
            for vendor in NAMES
            if vendor not in guests
        }

    async def celebrate(self) -> Wedding:
        """With all its kills; return when nothing is under way any more."""
        wedding = Wedding(self)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kill())
            await wedding.tell()
            assert self._deeds >= DEEDS.stop, "the story is shorter than it was: some kills would not come"
        await until(self, self._is_at_rest, lambda: f"does not come to rest: {self._rest}")
        return wedding

    # The stage

    def account(self, person: str) -> str:
        return self.guests[person].user_id

    async def tell(self, event: Json) -> None:
        self._deeds += 1
        await self.festipin.tell(event)

    async def api(self, method: str, path: str, body: Json | None, *, key: str) -> Json:
        if method != "GET":
            self._deeds += 1
        return await self.festipin.ask(method, path, body, key=key)

    async def conversation_of(self, vendor: str) -> str | None:
        if vendor not in self._conversations:
            page = await self.festipin.ask("GET", "conversations")
            self._conversations |= {one["vendor_id"]: one["conversation_id"] for one in page["conversations"]}
        return self._conversations.get(vendor)

    async def shown(self, reader: str, vendor: str) -> list[Shown] | None:
        guest = self.guests[reader]
        room_id = await guest.room_of(vendor)
        if room_id is None:
            return None
        return as_shown(
            Event(one.event_id, self._voices[one.sender], one.type, one.content)
            for one in await guest.came(room_id)
            if not (guest.puts_edits_in_place and "m.new_content" in one.content)
        )

    async def pinned(self, vendor: str) -> list[str]:
        _, state = await self._fetch(f"v3/rooms/{await self.room(vendor)}/state", self.guests[ANNA])
        found = [one["content"]["pinned"] for one in state if one["type"] == "m.room.pinned_events"]
        return list(found[0]) if found else []

    async def calendars(self, reader: str, vendor: str) -> list[tuple[str, int]]:
        guest = self.guests[reader]
        files = [
            one.content["file"]
            for one in await guest.came(await self.room(vendor))
            if one.content.get("msgtype") == "m.file"
        ]
        return [await self._opened(file, guest) for file in files]

    async def speak(self, who: str, vendor: str, text: str, *, reply_to: str | None = None) -> None:
        relation = {} if reply_to is None else {"m.relates_to": {"m.in_reply_to": {"event_id": reply_to}}}
        await self._sends(who, vendor, "m.room.message", {"msgtype": "m.text", "body": text} | relation)

    async def react(self, who: str, vendor: str, event_id: str, emoji: str) -> None:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": emoji}
        await self._sends(who, vendor, "m.reaction", {"m.relates_to": relation})

    async def heard(self, vendor: str) -> list[Json]:
        conversation = await self.conversation_of(vendor)
        return [one for one in self.festipin.heard() if one["data"].get("conversation_id") == conversation]

    # What else there is to see

    async def room(self, vendor: str) -> str:
        found = await self.guests[ANNA].room_of(vendor)
        assert found is not None
        return found

    def readers(self, vendor: str) -> list[Guest]:
        return [self.guests[name] for name in (ANNA, vendor) if name in self.guests]

    async def on_server(self, vendor: str) -> list[Json]:
        """What the homeserver says was said in the room, oldest first."""
        path = f"v3/rooms/{await self.room(vendor)}/messages?dir=b&limit=1000"
        _, page = await self._fetch(path, self.guests[ANNA])
        return [one for one in page["chunk"] if "state_key" not in one][::-1]

    # Inside

    async def _kill(self) -> None:
        for moment in sorted(self._chance.sample(DEEDS, KILLS)):
            while self._deeds < moment:  # noqa: ASYNC110 - a count sets no event
                await asyncio.sleep(self.pause / 10)
            await asyncio.sleep(self._chance.uniform(0, SOON))
            life = await self.lives.ready()
            self.lives.hold()
            await life.kill()
            await asyncio.sleep(self._chance.choice(AWAY))
            self.lives.release()

    async def _is_at_rest(self) -> bool:
        self._rest = await self._left_over() or await self.festipin.under_way() or await self._not_seen()
        return not self._rest

    async def _left_over(self) -> list[Any]:
        """Inbox and outbox items that are not done."""
        rows: list[Any] = await self._database.fetch(LEFT)
        found = [dict(row) for row in rows]
        assert [one for one in found if one["state"] == "dead"] == []
        return found

    async def _not_seen(self) -> list[Any]:
        """By clients, of what the homeserver has; and what they doubt of it."""
        missing = []
        for vendor in NAMES:
            room_id, there = (
                await self.room(vendor),
                {one["event_id"] for one in await self.on_server(vendor)},
            )
            for guest in self.readers(vendor):
                came = await guest.came(room_id)
                doubted = [one for one in came if one.doubtful and one.type != "m.reaction"]
                other = there ^ {one.event_id for one in came}
                missing += [(guest.user_id, vendor, one) for one in (*other, *doubted)]
        return missing

    async def _sends(self, who: str, vendor: str, kind: str, content: Json) -> None:
        self._deeds += 1
        await self.guests[who].send(await self.room(vendor), kind, content)

    async def _opened(self, file: Json, reader: Guest) -> tuple[str, int]:
        data, _ = await self._fetch(f"v1/media/download/{file['url'].removeprefix('mxc://')}", reader)
        opened = decrypt_attachment(data, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
        calendar = read_calendar(bytes(opened))
        return str(calendar["method"]), int(calendar.walk("VEVENT")[0]["sequence"])

    async def _fetch(self, path: str, guest: Guest) -> tuple[bytes, Any]:
        """As the guest's client would: the bytes, and what they say, where that is JSON."""
        url = f"{self.ground.synapse.url}/_matrix/client/{path}"
        headers = {"Authorization": f"Bearer {guest.access_token}"}
        async with self.ground.session.get(url, headers=headers) as response:
            assert response.status == 200, await response.text()
            is_json = response.content_type == "application/json"
            return await response.read(), await response.json() if is_json else None


@asynccontextmanager
async def hall(folder: Path, seed: int, *, database_url: str | None = None) -> AsyncIterator[Hall]:
    """Anna and the band have matrix-nio, the caterer has what Element is made of."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(NatsServer())
        settings: dict[str, dict[str, Any]] = {
            "bus": {"servers": [server.url]},
            "webhooks": {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]},
        }
        ground = await stack.enter_async_context(
            stand(folder / "stand", database_url=database_url, settings=settings)
        )
        people = await stack.enter_async_context(People(ground.synapse, folder))
        receiver = await stack.enter_async_context(receiving())
        database = await open_database(ground.config.database.url.get_secret_value())
        stack.push_async_callback(database.close)
        key = await api_keys(ground.config, database, SystemClock()).create(TenantId(TENANT), name="festipin")
        client = await nats.connect(server.url)
        stack.push_async_callback(client.close)
        lives = await stack.enter_async_context(Lives(ground.config_path).running())
        festipin = Festipin(
            ground.config,
            ground.session,
            stream=client.jetstream(),
            receiver=receiver,
            key=str(key),
            seed=seed,
            check=lives.check,
        )
        guests: dict[str, Guest] = {
            ANNA: NioGuest(await people.nio("Anna")),
            "bites": JsGuest(await people.js("Bites")),
            "band": NioGuest(await people.nio("Band")),
        }
        await lives.ready()
        await festipin.listen()
        yield Hall(ground, lives=lives, festipin=festipin, guests=guests, database=database, seed=seed)
