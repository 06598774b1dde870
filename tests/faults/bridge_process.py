"""The bridge as a process of its own that dies, by SIGKILL, exactly where a test wants it to.

`python -m tests.faults.bridge_process CONFIG [--die-at-commit N | --die-at-call N] [--before]`. Nothing in the bridge
knows of this: the database is wrapped where the wiring takes it, the homeserver's calls at their one door. It counts
from when it is ready: it has caught up, and waits for more.

Loading it takes longer than running a good part of a story, so `Lives` loads it once (`--nursery`) and forks each life.
"""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import structlog

from appservice.embedded import tied
from appservice.encryption.sync import BotSync
from appservice.homeserver import Homeserver
from bridge.config.load import load
from bridge.core.clock import SystemClock
from bridge.platform.rest import document_routes
from bridge.storage.database import Database, Row, Transaction, Value, open_database
from bridge.wiring import running

MODULE = "tests.faults.bridge_process"
ROOT = Path(__file__).parents[2]
START_LIMIT = 30.0
STOP_LIMIT = 10.0
_NOT_A_PLACE = ("bridge/storage/", "appservice/homeserver.py")
"""What stands between the code that wants something and the place where we notice it."""

Kind = Literal["commit", "call"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Die at the `number`th commit that changed something, or call of the homeserver: just before it, or after.

    With a `place` only what is asked for there is counted; `from_start` counts what is done to get ready, too.
    """

    kind: Kind
    number: int
    before: bool
    place: str | None = None
    from_start: bool = False

    def __str__(self) -> str:
        side = "before" if self.before else "after"
        return f"{side} {self.kind} {self.number}" + (f" of {self.place}" if self.place else "")


@dataclass(frozen=True, slots=True)
class Passage:
    """A commit or a call that was reached. `place`: file, function and line that asked for it."""

    kind: Kind
    place: str


class Doom:
    """Counts what passes and tells it on stdout; dies where the fault says."""

    def __init__(self, fault: Fault | None) -> None:
        self._fault = fault
        self._counted = 0
        self._armed = fault is not None and fault.from_start
        self.ready = asyncio.Event()

    def arm(self) -> None:
        self._armed = True
        self.ready.set()

    def passes(self, kind: Kind, place: str) -> bool:
        """Called just before; return whether to die just after."""
        if not self._armed:
            return False
        say({"kind": kind, "place": place})
        fault = self._fault
        if fault is None or fault.kind != kind or fault.place not in (None, place):
            return False
        self._counted += 1
        if self._counted != fault.number:
            return False
        if fault.before:
            die(place)
        return True


def say(fact: Any) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def die(place: str) -> None:
    say({"died": place})
    os.kill(os.getpid(), signal.SIGKILL)


def place_of_caller() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
        if path.startswith(("bridge/", "appservice/")) and not path.startswith(_NOT_A_PLACE):
            return f"{path}:{frame.f_lineno} {frame.f_code.co_qualname}"
        assert frame.f_back is not None, "somebody of ours asked for it"
        frame = frame.f_back
    raise AssertionError


class WatchedTransaction(Transaction):
    """Passes everything on, and knows whether anything was changed."""

    def __init__(self, inner: Transaction, doom: Doom, place: str) -> None:
        super().__init__(lambda error: error)
        self._inner = inner
        self._doom = doom
        self._place = place
        self._changed = False

    async def execute(self, sql: str, *args: Value) -> int:
        rows = await self._inner.execute(sql, *args)
        self._changed = self._changed or rows > 0
        return rows

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        await self._inner.execute_many(sql, rows)
        self._changed = True

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        rows = await self._inner.fetch(sql, *args)
        self._changed = self._changed or (bool(rows) and "RETURNING" in sql)
        return rows

    async def lock(self, *names: str) -> None:
        await self._inner.lock(*names)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._inner.after_commit(callback)

    def check(self) -> None:
        self._inner.check()

    def end(self, *, commit: bool) -> asyncio.Future[None]:
        dies_after = commit and self._changed and self._doom.passes("commit", self._place)
        ended = self._inner.end(commit=commit)
        if dies_after:
            ended.add_done_callback(lambda _: die(self._place))
        return ended


class WatchedDatabase(Database):
    def __init__(self, inner: Database, doom: Doom) -> None:
        super().__init__()
        self._inner = inner
        self._doom = doom

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        return await self._inner.fetch(sql, *args)

    async def close(self) -> None:
        await self._inner.close()

    async def _begin(self) -> Transaction:
        return WatchedTransaction(await self._inner._begin(), self._doom, place_of_caller())


def watch_calls(doom: Doom) -> None:
    """Every call of the homeserver passes `Homeserver.request`. Who begins to `/sync` for ever is ready."""
    request, sync = Homeserver.request, BotSync.run

    async def watched(self: Homeserver, method: Any, path: Any, *args: Any, **options: Any) -> Any:
        place = place_of_caller()
        dies_after = doom.passes("call", place)
        try:
            answer = await request(self, method, path, *args, **options)
        finally:
            if dies_after:
                die(place)
        return answer

    async def ready(self: BotSync) -> None:
        doom.arm()
        await sync(self)

    Homeserver.request = watched  # type: ignore[method-assign]
    BotSync.run = ready  # type: ignore[method-assign]


class SteppedClock(SystemClock):
    """A clock that somebody sets wrong while it is read."""

    offset = 0
    """ms"""

    def now(self) -> int:
        return super().now() + self.offset


async def run(config_path: str, fault: Fault | None, clock_offset: int = 0) -> None:
    doom = Doom(fault)
    watch_calls(doom)

    async def open_watched(url: str) -> Database:
        return WatchedDatabase(await open_database(url), doom)

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SteppedClock()
    async with running(load(config_path), clock=clock, open_=open_watched) as bridge:
        told = asyncio.create_task(_tell_ready(doom, clock, clock_offset))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((bridge.work, stopped), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        stopped.cancel()
        if bridge.work.done():
            bridge.work.result()


async def _tell_ready(doom: Doom, clock: SteppedClock, offset: int) -> None:
    await doom.ready.wait()
    clock.offset = offset  # only now: with a clock that is wrong from the beginning it refuses to start
    say("ready")


def fault_of(arguments: argparse.Namespace) -> Fault | None:
    kind: Kind = "commit" if arguments.die_at_commit is not None else "call"
    number = arguments.die_at_commit if arguments.die_at_commit is not None else arguments.die_at_call
    if number is None:
        return None
    return Fault(kind, number, arguments.before, arguments.at_place, arguments.from_start)


def options_of(fault: Fault | None) -> list[str]:
    if fault is None:
        return []
    options = [f"--die-at-{fault.kind}", str(fault.number)]
    options += ["--before"] * fault.before + ["--from-start"] * fault.from_start
    return options + (["--at-place", fault.place] if fault.place else [])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--die-at-commit", type=int, metavar="N")
    parser.add_argument("--die-at-call", type=int, metavar="N")
    parser.add_argument("--before", action="store_true", help="just before it instead of just after")
    parser.add_argument("--at-place", metavar="PLACE", help="count only what is asked for there")
    parser.add_argument("--from-start", action="store_true", help="count before it is ready, too")
    parser.add_argument(
        "--clock-offset", type=int, default=0, metavar="MS", help="by which its clock steps once it is ready"
    )
    parser.add_argument(
        "--nursery", action="store_true", help="one life after the other, each on a line of stdin"
    )
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if not arguments.nursery:
        asyncio.run(run(arguments.config, fault_of(arguments), arguments.clock_offset))
        return
    document_routes(load(arguments.config).messages.max_text_length)  # so that no life has to make them
    for words in sys.stdin:
        life = parser.parse_args(json.loads(words))
        if (child := os.fork()) == 0:
            live_and_exit(life.config, fault_of(life), life.clock_offset)
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


def live_and_exit(config_path: str, fault: Fault | None, clock_offset: int) -> NoReturn:
    """In the forked child, which ends with its parent, as `tied` has it."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(tied.PR_SET_PDEATHSIG, signal.SIGKILL)
        say({"pid": os.getpid()})
        asyncio.run(run(config_path, fault, clock_offset))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


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

    async def again(
        self, next_fault: Callable[[], Fault | None] = lambda: None, *, config_path: Path | None = None
    ) -> None:
        """End the current life in order, forget the ended ones, and go on with these faults."""
        ending = await self.ready()
        self._next_fault = next_fault
        self._config_path = config_path or self._config_path
        self.ended.clear()
        await ending.stop()
        while self.current is ending:
            await self._a_moment()
        self.ended.clear()

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


if __name__ == "__main__":
    main()
