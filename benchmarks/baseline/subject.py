"""The alternative as the fault suite knows a bridge: a process of its own environment, and calls to it."""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded import tied
from tests.faults.suite.subject import Conversation, Kept, NotNow, Person, Place

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"
BOT, PREFIX = "baseline", "baseline_"
START_LIMIT = 30.0
LIMIT = aiohttp.ClientTimeout(total=10)


class Baseline:
    name = "baseline (mautrix)"

    def __init__(self, place: Place) -> None:
        if not PYTHON.exists():
            raise SystemExit("the alternative has no environment: run benchmarks/baseline/setup")
        place.folder.mkdir(parents=True, exist_ok=True)
        self.place = place
        # SQLite where the suite has PostgreSQL too: mautrix' own tables would share one database with ours.
        database = f"sqlite:{place.data / 'baseline.db'}"
        self._config = place.folder / "baseline.json"
        settings = {
            "registration": dict(self.registration),
            "homeserver": place.homeserver_url,
            "server_name": place.server_name,
            "bot": BOT,
            "ghost_prefix": PREFIX,
            "database": database,
            "port": place.listen_port,
        }
        self._config.write_text(json.dumps(settings))
        self._log = place.folder / "baseline.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def registration(self) -> Mapping[str, Any]:
        users = [
            {"exclusive": True, "regex": f"@{PREFIX}.*:.*"},
            {"exclusive": True, "regex": f"@{BOT}:.*"},
        ]
        return {
            "id": "baseline",
            "url": self.place.public_url,
            "as_token": "a" * 64,
            "hs_token": "h" * 64,
            "sender_localpart": "x7" + "0" * 10,  # not the bot: as mautrix generates it
            "rate_limited": False,
            "namespaces": {"users": users, "aliases": [], "rooms": []},
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None
        return self._process.pid

    async def start(self, *, clock_offset: int = 0) -> None:
        assert clock_offset == 0, "its clock is the machine's"
        self._process = self._spawn()
        async with asyncio.timeout(START_LIMIT):
            while not await self._is_ready():
                if self._process.poll() is not None:
                    raise RuntimeError(f"the alternative has ended: see {self._log}")
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await self._end(kill=False)

    async def kill(self) -> None:
        await self._end(kill=True)

    async def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            await self._end(kill=True)

    async def open(self, party: str, host: Person, vendor: Person, *, by_event: bool) -> Conversation:
        people = (host, vendor)
        body = {
            "party": party,
            "invite": [person.mxid for person in people if person.mxid],
            "ghosts": [person.id for person in people if not person.mxid],
        }
        answer = await self._ask("POST", "/open", body)
        return Conversation(id=answer["room"], party=party, host=host, vendor=vendor)

    async def say(self, conversation: Conversation, sender: Person, text: str, *, key: str) -> None:
        body = {
            "room": conversation.id,
            "sender": sender.id,
            "text": f"{sender.name}: {text}",
            "key": key,
        }
        await self._ask("POST", "/say", body)

    async def history(
        self, conversation: Conversation, after: str | None
    ) -> tuple[Sequence[Kept], str | None]:
        rows = await self._ask("GET", f"/history?room={conversation.id}&after={after or 0}")
        kept = [
            Kept(text=row["body"], sender_id=row["sender"], event_id=row["mxid"], delivered=True)
            for row in rows
        ]
        return kept, str(rows[-1]["seq"]) if rows else None

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            async with (
                aiohttp.ClientSession(timeout=LIMIT) as session,
                session.request(method, self.place.public_url + path, json=body) as response,
            ):
                if response.status >= 500:
                    raise NotNow(str(response.status))
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
            raise NotNow from error

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [str(PYTHON), tied.__file__, str(os.getpid()), "plain_bridge", str(self._config)],
                env={"PYTHONPATH": str(HERE)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _is_ready(self) -> bool:
        url = f"http://127.0.0.1:{self.place.listen_port}/_matrix/mau/ready"
        try:
            async with aiohttp.ClientSession(timeout=LIMIT) as session, session.get(url) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _end(self, *, kill: bool) -> None:
        assert self._process is not None
        (self._process.kill if kill else self._process.terminate)()
        await asyncio.to_thread(self._process.wait, START_LIMIT)
