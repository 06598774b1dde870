"""All of it together: a homeserver, a bridge that may die, people, a platform; and what can happen to them."""

import asyncio
import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import structlog
import yaml

from appservice.inbound.waiting import inbox_id
from appservice.repair import EVERY
from bridge.config import Config, load
from bridge.core.ids import ConversationId, MessageId
from bridge.messages.model import Message
from bridge.wiring import Parts
from tests.bridge.config.valid import VALID
from tests.bridge.platform.sender import NEW
from tests.databases import IN_MEMORY, migrated
from tests.fakes.homeserver import Json
from tests.simulation.faults import CANARY, Faults
from tests.simulation.homeserver import Deliveries, LiveHomeserver
from tests.simulation.hook import Hook
from tests.simulation.loop import SimulatedClock, SimulatedLoop
from tests.simulation.people import Person, Platform, Said
from tests.simulation.process import Supervisor

SERVER = "bridge.test"
BOT = f"@festimo_bot:{SERVER}"
ANNA, BEN, BITES = (f"@{name}:people.test" for name in ("anna", "ben", "bites"))
VENDORS = ("balloons", "bites")
"""The first has no Matrix: a ghost speaks for it."""
APPLIED = "SELECT id FROM inbox WHERE state IN ('done', 'dead')"
LONGEST_END = 3_600
"""Seconds in which everything must have been worked off once nothing goes wrong any more."""
REPAIRED_AFTER = EVERY + 10
"""Seconds in which the bridge has looked for what was never delivered to it."""
T = TypeVar("T")


class World:
    def __init__(self, seed: int) -> None:
        order = random.Random(seed)
        self._folder = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self.path = Path(self._folder.name) / "bridge.db"
        shutil.copy(migrated(), self.path)
        self._runner = asyncio.Runner(loop_factory=SimulatedLoop)
        self.clock = SimulatedClock()
        self.config = self._config()
        self.faults = Faults(order)
        self.homeserver = LiveHomeserver(self.clock, sender=f"@festimo_as_x7:{SERVER}", bot=BOT)
        self.hook = Hook(self.clock)
        self.supervisor = Supervisor(self.config, self.homeserver, self.clock, self.faults, order, self.hook)
        self.platform = Platform(self.supervisor.request)
        self.deliveries = Deliveries(self.homeserver, self._deliver)
        self.people = self._people()
        self.posted: dict[str, list[str]] = {vendor: [] for vendor in VENDORS}
        self.said: list[Said] = []
        self.commands = 0
        self.has_left = False
        self._tasks: list[asyncio.Task[None]] = []
        self._speaking: set[asyncio.Task[None]] = set()
        self._texts = 0
        self._stack = ExitStack()
        self._stack.callback(self._folder.cleanup)
        self._stack.callback(self._runner.close)
        self.logs = self._stack.enter_context(structlog.testing.capture_logs())
        # Ids and pauses decide who comes first: the same ones each time a story is told.
        self._stack.enter_context(mock.patch("secrets.token_bytes", order.randbytes))
        self._stack.enter_context(mock.patch("bridge.delivery.dispatcher.random", order))
        self._run(self._begin())

    # What may happen

    def post(self, vendor: str, *, by_vendor: bool) -> None:
        text = self._text()
        self.posted[vendor].append(text)
        sender = vendor if by_vendor else "anna"
        data = {"party_id": "p-1", "vendor_id": vendor, "sender_id": sender, "text": text}
        self.platform.send("message.send", data)

    def say(
        self, person: Person, room_id: str, *, command: bool, which: int, new_session: bool, key_later: float
    ) -> None:
        async def speak() -> None:
            said = await person.say(
                room_id, text, bot=BOT, which=which, new_session=new_session, key_later=key_later
            )
            self.said.append(said)

        text = ("!festimo help " if command else "") + self._text()
        self.commands += command
        self._run(self._speak(speak()))

    def leave(self, person: Person, room_id: str) -> None:
        self.has_left = True
        self.do(self.homeserver.leave(person.user, room_id))

    def bring_back(self, vendor: str) -> None:
        self.platform.send("vendor.selected", {"party": _party(), "vendor": _vendor(vendor)})

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self._run(what)

    def pass_time(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))

    @property
    def all_is_read(self) -> bool:
        """Nobody speaks, and the bridge knows the devices of what was said: of one that is gone before it could ask,
        nobody can tell whose it was."""
        if self._speaking:
            return False
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            applied = {row[0] for row in connection.execute(APPLIED)}
        return all(inbox_id(one.event_id) in applied for one in self.said)

    def rooms_of(self, person: Person, *memberships: str) -> list[str]:
        """Conversations' and private ones: what is in a space, nobody says anything in."""
        rooms = self.homeserver.rooms.items()
        return [
            room_id
            for room_id, room in rooms
            if room.members.get(person.user) in memberships and not self.homeserver.is_space(room_id)
        ]

    def upgrade(self, vendor: str) -> None:
        """Asked for twice, as by somebody who has not heard the answer."""
        [row] = self.rows(
            "SELECT r.room_id, r.conversation_id FROM rooms r JOIN conversations c"
            f" ON c.conversation_id = r.conversation_id WHERE c.vendor_id = '{vendor}'"
        )

        async def ask() -> None:
            parts = self._parts
            store, changes = parts.product.conversation_store, parts.product.conversation_changes
            conversation = await store.get(parts.database, row["conversation_id"])
            assert conversation is not None
            for _ in range(2):
                async with parts.database.transaction() as tx:
                    await changes.upgrade(tx, conversation, place=row["room_id"])

        self._run(ask())

    # The end

    def settle(self) -> None:
        """Nothing goes wrong any more: all must be worked off."""
        self.faults.none()
        self.deliveries.down = False
        self.deliveries.release()
        self.supervisor.start_now()
        self.pass_time(REPAIRED_AFTER)
        for _ in range(LONGEST_END // 5):
            self.pass_time(5)
            if self._run(self._is_settled()):
                break
        else:
            raise AssertionError(f"does not come to rest: {self._run(self._rest())}")
        for person in self.people:
            self._run(person.look())

    def rows(self, sql: str) -> list[dict[str, Any]]:
        async def fetch() -> list[dict[str, Any]]:
            rows: list[Any] = await self._parts.database.fetch(sql)
            return [dict(row) for row in rows]

        return self._run(fetch())

    def conversation(self, vendor: str) -> tuple[str, list[Message]]:
        """Its room, and all of its messages as they are stored."""

        async def history(conversation_id: ConversationId) -> list[Message]:
            parts = self._parts
            return await parts.product.message_store.history(parts.database, conversation_id, limit=10_000)

        [row] = self.rows(
            "SELECT r.room_id, r.conversation_id FROM rooms r JOIN conversations c"
            f" ON c.conversation_id = r.conversation_id WHERE c.vendor_id = '{vendor}'"
        )
        return row["room_id"], self._run(history(row["conversation_id"]))

    def text_of(self, message_id: MessageId) -> str | None:
        async def get() -> Message | None:
            return await self._parts.product.message_store.get(self._parts.database, message_id)

        message = self._run(get())
        return None if message is None else message.text

    def close(self) -> None:
        async def stop() -> None:
            process = self.supervisor.process
            if process is not None:
                process.kill()
                await asyncio.sleep(0.1)
            for task in [*self._tasks, *self._speaking]:
                task.cancel()
            await asyncio.wait([*self._tasks, *self._speaking])

        with self._stack:
            self._runner.run(stop())

    # Inside

    @property
    def _parts(self) -> Parts:
        assert self.supervisor.process is not None
        return self.supervisor.process.parts

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        result = self._runner.run(what)
        for task in [*self._tasks, *self._speaking]:
            if task.done():
                task.result()
                raise AssertionError(f"{task.get_name()} has ended")
        return result

    def _people(self) -> list[Person]:
        return [
            Person(self.homeserver, ANNA, identity=True),
            Person(self.homeserver, BEN, identity=False),
            Person(self.homeserver, BITES, identity=True),
        ]

    async def _start(self) -> None:
        for person in self.people:
            await person.new_phone(signed=True)
        for name, work in (
            ("bridge", self.supervisor.run()),
            ("deliveries", self.deliveries.run()),
            ("platform", self.platform.run()),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def _begin(self) -> None:
        await self._start()
        self.platform.send(
            "party.plan.completed", {"party": _party(), "vendors": [_vendor(vendor) for vendor in VENDORS]}
        )
        await asyncio.sleep(30)
        anna = self.people[0]
        for room_id in self.rooms_of(anna, "invite"):
            await self.homeserver.join(anna.user, room_id)
        assert len(self.rooms_of(anna, "join")) == len(VENDORS)

    async def _speak(self, speech: Coroutine[Any, Any, None]) -> None:
        async def finish() -> None:
            await speech
            self._speaking.discard(task)

        task = asyncio.create_task(finish(), name="speech")
        self._speaking.add(task)
        await asyncio.sleep(0)

    async def _deliver(self, txn_id: str, events: list[Json]) -> int | None:
        await self.faults.latency()
        answer = await self.supervisor.request(
            "PUT",
            f"/_matrix/app/v1/transactions/{txn_id}",
            headers={"Authorization": f"Bearer {'h' * 64}"},
            body=json.dumps({"events": events}).encode(),
        )
        return None if answer is None else answer[0]

    async def _is_settled(self) -> bool:
        if not self.deliveries.done or self.platform.waiting or self._speaking:
            return False
        if self.supervisor.process is None:
            return False
        return not await self._rest()

    async def _rest(self) -> list[Any]:
        if self.supervisor.process is None:
            return ["the bridge is down"]
        database = self.supervisor.process.parts.database
        rest: list[Any] = []
        for table in ("inbox", "outbox"):
            rows: list[Any] = await database.fetch(
                f"SELECT * FROM {table} WHERE state NOT IN ('done', 'dead')"
            )
            rest += [
                {key: row[key] for key in ("id", "topic", "state", "attempts", "failure")} for row in rows
            ]
        return rest

    def _text(self) -> str:
        self._texts += 1
        return f"{CANARY}-{self._texts}"

    def _config(self) -> Config:
        file = Path(self._folder.name) / "config.yaml"
        config = VALID | {
            "homeserver": {"url": "http://127.0.0.1:9", "server_name": SERVER},
            "database": {"url": f"sqlite:///{self.path}"},
            "platform": {"tenants": [{"id": "festipin", "webhook_secrets": [NEW]}]},
        }
        file.write_text(yaml.safe_dump(config))
        return load(file)


def _party() -> Json:
    hosts = [{"id": "anna", "name": "Anna", "mxid": ANNA}, {"id": "ben", "name": "Ben", "mxid": BEN}]
    return {"id": "p-1", "title": "Anna & Ben", "hosts": hosts}


def _vendor(vendor: str) -> Json:
    mxid = {"mxid": BITES} if vendor == "bites" else {}
    return {"id": vendor, "name": vendor, "vendor_type": "caterer"} | mxid
