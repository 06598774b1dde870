"""Where a life of the bridge ends: at which commit, or at which call of the homeserver.

Nothing in the bridge knows of this: the database is wrapped where the wiring takes it, the homeserver's calls at their
one door.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from appservice.encryption.sync import BotSync
from appservice.homeserver import Homeserver
from bridge.storage.database import Database, Row, Transaction, Value

ROOT = Path(__file__).parents[2]
_NOT_A_PLACE = ("bridge/storage/", "appservice/homeserver/")
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
