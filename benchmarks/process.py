"""A child process whose CPU time is known. Reads /proc: Linux only."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from appservice.embedded import tied

STOP_LIMIT = 15.0
LOOK = 0.5
"""Seconds."""
QUIET = 0.1
"""Cores: a process that uses less is not at work."""


class Process:
    """A Python module in a process of its own, which ends with us."""

    def __init__(self, *command: str, log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._process = self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, STOP_LIMIT)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, tied.__file__, str(os.getpid()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(Path.cwd())},
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._command[0]} has ended: see {self._log}")
        return self._process.pid

    def cpu(self) -> float:
        """Seconds of CPU time so far."""
        return cpu_seconds(self.pid)


def cpu_seconds(pid: int) -> float:
    """User and system time of its living threads, to the nanosecond: the usual counters know ticks of 10 ms."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def quiet(*pids: int, limit: float = 60.0) -> None:
    """Return once none of the processes is at work: what the last measurement left is done."""
    async with asyncio.timeout(limit):
        while True:
            before = [cpu_seconds(pid) for pid in pids]
            await asyncio.sleep(LOOK)
            used = [cpu_seconds(pid) - then for pid, then in zip(pids, before, strict=True)]
            if max(used) < QUIET * LOOK:
                return
