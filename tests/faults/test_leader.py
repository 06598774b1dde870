"""Two bridge processes on one database: one works, the other waits and takes over; never both, and nothing is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from appservice.embedded.client import Client
from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import free_port
from bridge.config import Config, load
from bridge.core.ids import new_id
from bridge.core.start import Reason
from bridge.demo.stand import Stand, stand
from tests.bridge.commands.process import Process, festimo, listens_at
from tests.clients.people import People
from tests.faults.relay import Relay
from tests.faults.story import eventually, sees

TAKE_OVER = 10.0
"""Seconds within which the waiting process must have taken over."""
A_WHILE = 2.0
"""Seconds in which a process that should wait would have been seen to work."""
ANSWER = 3.0


@dataclass(frozen=True, slots=True)
class Installation:
    """One of the two processes' own configuration."""

    config: Config
    folder: Path

    @classmethod
    def write(cls, folder: Path, like: Path, *, port: int, database_url: str) -> "Installation":
        raw = yaml.safe_load(like.read_text())
        raw["appservice"]["listen"] = f"{LOOPBACK}:{port}"
        raw["database"]["url"] = database_url
        folder.mkdir()
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(raw))
        path.chmod(0o600)
        return cls(load(path), folder)

    @property
    def port(self) -> int:
        return self.config.appservice.listen_port

    def run(self) -> AbstractAsyncContextManager[Process]:
        return festimo(self.folder, "run", "-c", self.folder / "config.yaml")


@dataclass(slots=True)
class Ground:
    """A homeserver and a platform that reach whoever leads, as through a balancer; a host who reads along."""

    stand: Stand
    first: Installation
    second: Installation
    network: Relay
    """Between the first process and its PostgreSQL."""
    host: Client
    room: str | None = None
    told: list[str] = field(default_factory=list)

    async def say(self, text: str) -> None:
        """As the platform does it, until somebody takes it; return once the host has read it."""
        party = {
            "id": "party",
            "title": "Party",
            "hosts": [{"id": "anna", "name": "Anna", "mxid": self.host.user_id}],
        }
        if self.room is None:
            await self._post("vendor.selected", {"party": party, "vendor": {"id": "chef", "name": "Chef"}})
            await sees(self.host, lambda: bool(self.host.invites()))
            (self.room,) = self.host.invites()
            await self.host.join(self.room)
        message = {"party_id": "party", "vendor_id": "chef", "sender_id": "chef", "text": text}
        await self._post("message.send", message)
        self.told.append(text)
        await sees(self.host, lambda: text in self.heard)

    @property
    def heard(self) -> list[str]:
        assert self.room is not None
        return [entry.body for entry in self.host.timeline(self.room) if not entry.body.startswith("Hello!")]

    async def _post(self, event_type: str, data: dict[str, Any]) -> None:
        event = self.stand.platform.event(event_type, data, event_id=new_id())

        async def accepted() -> bool | None:
            try:
                async with asyncio.timeout(ANSWER):
                    status, _ = await self.stand.platform.post(event)
            except (aiohttp.ClientError, TimeoutError):
                return None
            return True if status == 202 else None

        await eventually(accepted, f"{event_type} is accepted")


@pytest.fixture
async def where(tmp_path: Path, database_url: str) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        ports, balanced, network_port = (free_port(), free_port()), free_port(), free_port()
        ready = await stack.enter_async_context(
            stand(
                tmp_path / "stand",
                database_url=database_url,
                settings={"appservice": {"url": f"http://{LOOPBACK}:{balanced}"}},
            )
        )

        async def leading() -> int:
            for port in ports:
                try:
                    async with (
                        asyncio.timeout(1),
                        ready.session.get(f"http://{LOOPBACK}:{port}/health/leader") as answer,
                    ):
                        if answer.status == 200:
                            return port
                except (aiohttp.ClientError, TimeoutError):
                    continue
            return ports[0]

        async def postgres() -> int:
            return urlsplit(database_url).port or 0

        through = database_url
        if database_url.startswith("postgresql"):
            through = database_url.replace(f":{urlsplit(database_url).port}/", f":{network_port}/")
        await stack.enter_async_context(Relay(leading).at(balanced))
        network = await stack.enter_async_context(Relay(postgres).at(network_port))
        people = await stack.enter_async_context(People(ready.synapse, tmp_path))
        first, second = (
            Installation.write(tmp_path / name, ready.config_path, port=port, database_url=url)
            for name, port, url in zip(("first", "second"), ports, (through, database_url), strict=True)
        )
        yield Ground(ready, first, second, network, await people.nio("Anna"))


async def take_over(second: Process, installation: Installation) -> None:
    started = monotonic()
    await second.until_logged("leads")
    assert monotonic() - started < TAKE_OVER
    await second.until_ready(installation.config)


async def waits(second: Process, installation: Installation) -> None:
    """It says so in its log and in both of its answers, and is alive."""
    await second.until_logged("waits_for_leader")
    answer = await second.until_ready(installation.config, 503)
    assert answer["checks"]["leader"] == "waits: another process works on this database"
    assert answer["checks"]["database"] == "ok"
    at = listens_at(installation.config)
    async with aiohttp.ClientSession() as session:
        for path, status in (("live", 200), ("leader", 503)):
            async with session.get(f"{at}/health/{path}") as response:
                assert response.status == status
    assert not [fact for fact in second.printed.logged if fact["event"] in ("leads", "running")]


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_whoever_waits_takes_over(where: Ground, way: str) -> None:
    async with where.first.run() as first:
        await first.until_ready(where.first.config)
        async with where.second.run() as second:
            await waits(second, where.second)
            await where.say("by the first")
            if way == "killed":
                await first.kill()
            else:
                assert (await first.stop()).code == 0
            await take_over(second, where.second)
            await where.say("by the second")
            assert where.heard == where.told
            async with where.first.run() as again:
                await waits(again, where.first)
            assert (await second.stop()).code == 0


async def test_what_the_waiting_one_is_sent_is_kept_and_done_by_the_leader(where: Ground) -> None:
    """Acknowledging is storing, and that any process may do."""
    async with where.first.run() as first:
        await first.until_ready(where.first.config)
        await where.say("by the first")
        async with where.second.run() as second:
            await waits(second, where.second)
            where.stand.platform._url = f"{listens_at(where.second.config)}/api/v1/events"
            await where.say("to the second")
            assert where.heard == where.told
            assert not [fact for fact in second.printed.logged if fact["event"] == "leads"]


async def test_a_frozen_leader_never_works_beside_another(where: Ground, database_url: str) -> None:
    """Its machine's lock stays with it (SQLite); its silent session does not (PostgreSQL)."""
    async with where.first.run() as first:
        await first.until_ready(where.first.config)
        await where.say("by the first")
        async with where.second.run() as second:
            await waits(second, where.second)
            first.signal(signal.SIGSTOP)
            if database_url.startswith("sqlite"):
                await asyncio.sleep(A_WHILE)
                await waits(second, where.second)
                first.signal(signal.SIGCONT)
                await where.say("by the first again")
                assert not [fact for fact in second.printed.logged if fact["event"] == "leads"]
            else:
                await take_over(second, where.second)
                await where.say("by the second")
                first.signal(signal.SIGCONT)
                ended = await first.end()
                assert ended.code == Reason.OVERTAKEN
                assert "Another process works on this database now" in ended.told[0]
                await where.say("by the second still")
            assert where.heard == where.told


async def test_a_leader_that_was_cut_off_from_postgresql_stops_when_another_leads(
    where: Ground, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        return  # has no network
    async with where.first.run() as first:
        await first.until_ready(where.first.config)
        await where.say("by the first")
        async with where.second.run() as second:
            await waits(second, where.second)
            where.network.cut()
            await take_over(second, where.second)
            await where.say("by the second")
            where.network.mend()
            ended = await first.end()
            assert ended.code == Reason.OVERTAKEN
            await where.say("by the second still")
            assert where.heard == where.told


async def test_a_leader_that_was_cut_off_from_postgresql_goes_on_where_nobody_waited(
    where: Ground, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        return  # has no network
    async with where.first.run() as first:
        await first.until_ready(where.first.config)
        await where.say("before")
        where.network.cut()
        await first.until_ready(where.first.config, 503)
        await asyncio.sleep(TAKE_OVER)
        where.network.mend()
        await where.say("after")
        await first.until_ready(where.first.config)
        assert where.heard == where.told
