"""The stage of a wedding: a simulated bridge that dies at random, people's clients and the platform's webhook."""

import asyncio
import json
import random
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from nio.crypto.attachments import decrypt_attachment
from vodozemac import InboundGroupSession, SessionKey

from bridge.core.ids import ParticipantId, TenantId
from bridge.wiring import api_keys
from tests.appservice.encryption.party import RoomKey
from tests.bridge.bookings.examples import read_calendar
from tests.fakes.homeserver import Json
from tests.simulation.faults import Plan
from tests.simulation.people import Person
from tests.simulation.world import BOT, World
from tests.wedding.stage import ANNA, FESTIMO, NAMES, VENDOR_OF, WITH_CLIENTS, Event, Shown, as_shown
from tests.wedding.story import Wedding

TENANT = TenantId("festipin")
HOOK = "https://hooks.festipin.example/festimo"
OF_A_LIFE = 150
"""Commits or calls after which it ends, at most."""
PAUSE_BETWEEN_LIVES = (0.01, 0.5, 5.0)


class Church(World):
    patience = 3_600.0
    pause = 1.0
    valid_until = date(2027, 10, 1)

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        super().__init__(seed)
        names = self.supervisor.process.parts.names  # type: ignore[union-attr]
        self._voices = {BOT: FESTIMO} | {self.account(name): name for name in (ANNA, *WITH_CLIENTS)}
        self._voices |= {names.ghost(TENANT, ParticipantId(vendor)): vendor for vendor in NAMES}
        self._rooms: dict[str, str] = {}
        self._looked: dict[tuple[str, str], tuple[int, list[Shown]]] = {}
        """(reader, vendor) -> how long the timeline was, and what was shown of it."""
        self._conversations: dict[str, str] = {}
        self._plaintexts: dict[str, Json] = {}

    def celebrate(self, *, kills: bool) -> None:
        wedding = Wedding(self)
        self._run(self._celebrated(wedding, kills=kills))
        self.settle()
        self._run(wedding.check())

    # The stage

    def account(self, person: str) -> str:
        return f"@{person}:people.test"

    async def tell(self, event: Json) -> None:
        self.platform.pass_on(event)
        if self._chance.random() < 0.3:
            self.platform.pass_on(event)

    async def api(self, method: str, path: str, body: Json | None, *, key: str) -> Json:
        while True:
            answer = await self.supervisor.request(
                method,
                f"/api/v1/{path}",
                headers={
                    "Authorization": f"Bearer {self._key}",
                    "Content-Type": "application/json",
                    "Idempotency-Key": key,
                },
                body=b"" if body is None else json.dumps(body).encode(),
            )
            if answer is not None and answer[0] < 300:
                return dict(answer[1])
            assert answer is None or answer[0] == 503, answer
            await asyncio.sleep(0.5)

    async def conversation_of(self, vendor: str) -> str | None:
        if vendor not in self._conversations:
            page = await self.api("GET", "conversations", None, key="-")
            self._conversations |= {one["vendor_id"]: one["conversation_id"] for one in page["conversations"]}
        return self._conversations.get(vendor)

    async def shown(self, reader: str, vendor: str) -> list[Shown] | None:
        person = self._person(reader)
        for invited in self.rooms_of(person, "invite"):
            await self.homeserver.join(person.user, invited)
        room_id = await self._room(vendor)
        if room_id is None or room_id not in self.rooms_of(person, "join"):
            return None
        timeline = self.homeserver.rooms[room_id].timeline
        length, known = self._looked.get((reader, vendor), (0, []))
        if len(timeline) == length:
            return known
        await person.look()
        shown = as_shown(self._came(person, timeline))
        self._looked[reader, vendor] = len(timeline), shown
        return shown

    async def pinned(self, vendor: str) -> list[str]:
        return await self.homeserver.pinned(BOT, self._rooms[vendor])

    async def calendars(self, reader: str, vendor: str) -> list[tuple[str, int]]:
        found = []
        for event in self.homeserver.timeline(self._rooms[vendor]):
            content = self._read(self._person(reader), event) if event["type"] == "m.room.encrypted" else {}
            if content.get("msgtype") == "m.file":
                file = content["file"]
                data = decrypt_attachment(
                    self.homeserver.media[file["url"]], file["key"]["k"], file["hashes"]["sha256"], file["iv"]
                )
                calendar = read_calendar(bytes(data))
                found.append((str(calendar["method"]), int(calendar.walk("VEVENT")[0]["sequence"])))
        return found

    async def speak(self, who: str, vendor: str, text: str, *, reply_to: str | None = None) -> None:
        relation = None if reply_to is None else {"m.in_reply_to": {"event_id": reply_to}}
        room_id, phone = self._rooms[vendor], self._person(who).phones[0]
        if room_id not in phone.outbound:
            key = phone.room_key(room_id)
            session = InboundGroupSession(SessionKey(key["session_key"]))
            phone.room_keys[room_id, session.session_id] = RoomKey(session, phone.user, phone.identity_key)
            readers = [
                self.account(reader) for reader in (ANNA, *WITH_CLIENTS) if reader in {ANNA, vendor} - {who}
            ]
            for user in (BOT, *readers):
                await phone.send_olm(user, "m.room_key", key, sender_device_keys=phone.device_keys())
        await self._person(who).say(room_id, text, bot=BOT, relation=relation)

    async def react(self, who: str, vendor: str, event_id: str, emoji: str) -> None:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": emoji}
        self.homeserver.emit(self._rooms[vendor], "m.reaction", self.account(who), {"m.relates_to": relation})

    async def heard(self, vendor: str) -> list[Json]:
        conversation = await self.conversation_of(vendor)
        took = [one for one in self.hook.took if one["data"].get("conversation_id") == conversation]
        return list({one["id"]: one for one in took[::-1]}.values())[::-1]

    # Inside

    def _people(self) -> list[Person]:
        return [Person(self.homeserver, self.account(name), identity=True) for name in (ANNA, *WITH_CLIENTS)]

    async def _begin(self) -> None:
        await self._start()
        while self.supervisor.process is None:  # noqa: ASYNC110 - in simulated time
            await asyncio.sleep(1)
        keys = api_keys(self.config, self._parts.database, self.clock)
        self._key = str(await keys.create(TENANT, name="platform"))
        made = await self.api("POST", "webhooks", {"url": HOOK}, key="webhook")
        self.hook.secret = made["secret"]

    async def _celebrated(self, wedding: Wedding, *, kills: bool) -> None:
        killer = asyncio.create_task(self._kill())
        if not kills:
            killer.cancel()
        try:
            await wedding.tell()
        finally:
            killer.cancel()

    async def _kill(self) -> None:
        """Each life ends somewhere, by a commit or a call, until the wedding is over."""
        chance, lives = self._chance, 0
        while True:
            if self.supervisor.process is not None and self.supervisor.lives != lives:
                lives = self.supervisor.lives
                self.supervisor.down_for = chance.choice(PAUSE_BETWEEN_LIVES)
                self.faults.plans[:] = [
                    Plan(
                        place=chance.choice(("commit", "call")),
                        moment=chance.choice(("before", "after")),
                        what="dies",
                        countdown=chance.randint(1, OF_A_LIFE),
                    )
                ]
            await asyncio.sleep(0.1)

    async def _room(self, vendor: str) -> str | None:
        if vendor not in self._rooms:
            for room_id in self.homeserver.rooms:
                state: Any = self.homeserver.room_state(room_id).get(("m.room.name", ""))
                if state is not None and state["content"]["name"] in VENDOR_OF:
                    self._rooms[VENDOR_OF[state["content"]["name"]]] = room_id
        return self._rooms.get(vendor)

    def _came(self, person: Person, timeline: Iterable[Json]) -> Iterator[Event]:
        for event in timeline:
            if event["type"] == "m.room.encrypted":
                relation = event["content"].get("m.relates_to", {})
                content = self._read(person, event) | {"m.relates_to": relation}
            elif event["type"] == "m.reaction":
                content = event["content"]
            else:
                continue
            yield Event(event["event_id"], self._voices[event["sender"]], event["type"], content)

    def _person(self, name: str) -> Person:
        return next(one for one in self.people if one.user == self.account(name))

    def _read(self, person: Person, event: Json) -> Json:
        place = f"{person.user} {event['event_id']}"
        if place not in self._plaintexts:
            self._plaintexts[place] = person.phones[0].read(event)["content"]
        return self._plaintexts[place]
