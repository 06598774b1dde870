"""The bridge as a process of its own that dies, by SIGKILL, exactly where a test wants it to.

`python -m tests.faults.bridge_process CONFIG [--die-at-commit N | --die-at-call N] [--before]`. It counts from when it
is ready: it has caught up, and waits for more.

Loading it takes longer than running a good part of a story, so `Lives` loads it once (`--nursery`) and forks each life.
"""

import argparse
import asyncio
import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from typing import NoReturn

import structlog

from appservice.embedded import tied
from bridge.config import Config
from bridge.config.load import load
from bridge.core.clock import SystemClock
from bridge.platform.rest import document_routes
from bridge.storage.database import Database, open_database
from bridge.wiring import running
from tests.faults.doom import Doom, Fault, Kind, WatchedDatabase, say, watch_calls

MODULE = "tests.faults.bridge_process"


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
    _prepare(load(arguments.config))
    for words in sys.stdin:
        life = parser.parse_args(json.loads(words))
        if (child := os.fork()) == 0:
            live_and_exit(life.config, fault_of(life), life.clock_offset)
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


def _prepare(config: Config) -> None:
    """What takes long, so that no life has to do it."""
    document_routes(config.messages.max_text_length)
    if config.bus.servers:
        importlib.import_module("bridge.platform.bus.service")


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


if __name__ == "__main__":
    main()
