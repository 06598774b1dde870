"""The bridge as tests see it: one life after the other, each in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from appservice.embedded import tied
from tests.faults.bridge_process import MODULE, options_of
from tests.faults.doom import ROOT, Fault, Passage

START_LIMIT = 30.0
STOP_LIMIT = 10.0


@dataclass(slots=True)
class Life:
    """One life of the bridge. `passed`: the commits and calls it has come to; `died_at`: where its fault was."""

    fault: Fault | None
    passed: list[Passage] = field(default_factory=list)
    died_at: str | None = None
    pid: int | None = None
    ended: bool = False
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_ready(self) -> bool:
        """Return, once it is ready or dead, whether it lives."""
        async with asyncio.timeout(START_LIMIT):
            await self._ready.wait()
        return not self.ended

    async def wait_death(self) -> None:
        await self._ended.wait()

    async def stop(self) -> None:
        """In order, by SIGTERM; should that not help, by SIGKILL."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self.wait_death()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL from outside, wherever it is."""
        self._signal(signal.SIGKILL)
        await self.wait_death()

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended:
            assert self.pid is not None, "wait until it is ready"
            with suppress(ProcessLookupError):  # its end has not been told to us yet
                os.kill(self.pid, number)

    def told(self, fact: Any) -> None:
        if fact == "ready":
            self._ready.set()
        elif "pid" in fact:
            self.pid = fact["pid"]
        elif "died" in fact:
            self.died_at = fact["died"]
        elif "ended" in fact:
            self.ended = True
            self._ready.set()
            self._ended.set()
            if fact["ended"] not in (0, -signal.SIGKILL, -signal.SIGTERM):
                raise RuntimeError(f"the bridge ended with exit code {fact['ended']}: see bridge.log")
        else:
            self.passed.append(Passage(fact["kind"], fact["place"]))


class Lives:
    """One life of the bridge after the other: whenever one ends, the next begins with the next fault."""

    def __init__(self, config_path: Path, next_fault: Callable[[], Fault | None] = lambda: None) -> None:
        self._config_path = config_path
        self._next_fault = next_fault
        self._task: asyncio.Task[None] | None = None
        self._may_begin = asyncio.Event()
        self._may_begin.set()
        self._options: tuple[str, ...] = ()
        self.ended: list[Life] = []
        self.current: Life | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        self._task = asyncio.create_task(self._live(), name="lives of the bridge")
        try:
            yield self
        finally:
            self._task.cancel()
            await asyncio.wait((self._task,))
            if not self._task.cancelled():
                self._task.result()

    async def ready(self) -> Life:
        """The current life, once it is ready."""
        while True:
            life = self.current
            if life is not None and await life.wait_ready():
                return life
            await self._a_moment()

    async def again(self, next_fault: Callable[[], Fault | None] = lambda: None) -> None:
        """End the current life in order, forget the ended ones, and go on with these faults."""
        ending = await self.ready()
        self._next_fault = next_fault
        self.ended.clear()
        await ending.stop()
        while self.current is ending:
            await self._a_moment()
        self.ended.clear()

    async def pause(self) -> None:
        """End the current life in order, and let no other follow, until `go_on`."""
        self.hold()
        ending = await self.ready()
        await ending.stop()
        while ending not in self.ended:
            await self._a_moment()

    def go_on(self, next_fault: Callable[[], Fault | None], *, config_path: Path) -> None:
        """Forget the lives that have ended, and go on with these faults, where no life may follow so far."""
        self._next_fault = next_fault
        self._config_path = config_path
        self.ended.clear()
        self.release(*self._options)

    def hold(self) -> None:
        """Let no other life follow the current one, until `release`."""
        self._may_begin.clear()

    def release(self, *options: str) -> None:
        """`options` of the command line for all lives from now on."""
        self._options = options
        self._may_begin.set()

    async def _live(self) -> None:
        with (self._config_path.parent / "bridge.log").open("ab") as log:
            nursery = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", tied.__file__, str(os.getpid()), MODULE),
                *(str(self._config_path), "--nursery"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        try:
            while True:
                await self._may_begin.wait()
                life = Life(self._next_fault())
                words = [str(self._config_path), *options_of(life.fault), *self._options]
                nursery.stdin.write(json.dumps(words).encode() + b"\n")
                self.current = life
                while not life.ended:
                    line = await nursery.stdout.readline()
                    if not line:
                        raise RuntimeError("the bridge's process cannot begin: see bridge.log")
                    life.told(json.loads(line))
                self.ended.append(life)
        finally:
            nursery.kill()  # and with it the life
            await nursery.wait()

    def check(self) -> None:
        """Raise what has ended the lives against our will."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _a_moment(self) -> None:
        self.check()
        await asyncio.sleep(0.01)
