"""Virtual time: an event loop that moves its clock instead of waiting, so that days pass in moments, always alike."""

import asyncio
import contextlib
import selectors
from collections.abc import Callable
from typing import Any

from bridge.core.clock import Clock


class NothingHappens(Exception):
    """Everybody waits for somebody else, for ever."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for a time it lets it pass; nothing outside the process is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingHappens
        self.time += timeout
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.time

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs in this thread, after whatever is ready now; like a thread it is not stopped by a cancellation."""
        done: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except BaseException as error:
                if not done.done():
                    done.set_exception(error)
            else:
                with contextlib.suppress(asyncio.InvalidStateError):
                    done.set_result(result)

        self.call_soon(run)
        return done


class SimulatedClock(Clock):
    """The wall clock that goes with the loop's time."""

    def __init__(self) -> None:
        self._start = 1_800_000_000_000

    def now(self) -> int:
        return self._start + int(asyncio.get_running_loop().time() * 1000)

    def jump(self, milliseconds: int) -> None:
        """As after a machine was suspended."""
        self._start += milliseconds
