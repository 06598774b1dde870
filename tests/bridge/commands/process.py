"""`python -m bridge ...` as a process of its own: what it prints, its exit code, and whether it is ready."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded import tied
from bridge.config import Config

ROOT = Path(__file__).parents[3]
LIMIT = 30.0
"""Seconds for a start or an end."""
A_MOMENT = 0.05


@dataclass(frozen=True, slots=True)
class Printed:
    """`told`: the lines of stderr for people; `logged`: those that are JSON."""

    code: int | None
    out: str
    err: str

    @property
    def told(self) -> list[str]:
        return [line for line in self.err.splitlines() if _fact(line) is None]

    @property
    def logged(self) -> list[dict[str, Any]]:
        return [fact for line in self.err.splitlines() if (fact := _fact(line)) is not None]


def _fact(line: str) -> dict[str, Any] | None:
    try:
        fact = json.loads(line)
    except ValueError:
        return None
    return fact if isinstance(fact, dict) else None


class Process:
    """stdout and stderr go to files in `folder`, to be read at any time."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    @property
    def printed(self) -> Printed:
        out, err = ((self._folder / name).read_text() for name in ("stdout", "stderr"))
        return Printed(self._process.returncode, out, err)

    async def end(self) -> Printed:
        """What it has printed, once it has ended by itself."""
        async with asyncio.timeout(LIMIT):
            await self._process.wait()
        return self.printed

    async def stop(self) -> Printed:
        """By SIGTERM, as systemd does it."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        return await self.end()

    async def until_logged(self, event: str) -> dict[str, Any]:
        """The first line about this event."""
        async with asyncio.timeout(LIMIT):
            while True:
                found = next((fact for fact in self.printed.logged if fact["event"] == event), None)
                if found is not None:
                    return found
                await self.moment()

    async def until_ready(self, config: Config, status: int = 200) -> dict[str, Any]:
        """The answer of /health/ready, once it has this status."""
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"{listens_at(config)}/health/ready") as response:
                        answer: dict[str, Any] = await response.json()
                        if response.status == status:
                            return answer
                await self.moment()

    async def moment(self) -> None:
        if self._process.returncode is not None:
            raise AssertionError(f"the bridge has ended with {self._process.returncode}: {self.printed.err}")
        await asyncio.sleep(A_MOMENT)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def listens_at(config: Config) -> str:
    return f"http://{config.appservice.listen}"


@asynccontextmanager
async def festimo(folder: Path, *arguments: str | Path) -> AsyncIterator[Process]:
    """The command, run in `folder`; killed at the end of the block, should it run still."""
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", tied.__file__, str(os.getpid()), "bridge"),
            *(str(argument) for argument in arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    running = Process(process, folder)
    try:
        yield running
    finally:
        await running.kill()


async def ended(folder: Path, *arguments: str | Path) -> Printed:
    async with festimo(folder, *arguments) as process:
        return await process.end()
