"""`python -m benchmarks.profiled`: where the bridge's CPU time goes while messages go out. Needs py-spy on the PATH.

Writes profile.txt (collapsed stacks) and prints the functions in which the samples were, own time and total.
"""

import asyncio
import shutil
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ground import Ground, ground
from benchmarks.process import Process
from benchmarks.sizes import Sizes
from benchmarks.through import throughput
from bridge import logs

OUTPUT = Path("profile.txt")
SIZES = Sizes(rounds=1, rooms=10, per_room=40, one_room=150, one_by_one=0, opened=0, transactions=0)
TOP = 25


async def main(spy: str) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="festimo-bench-")))
        place = await stack.enter_async_context(
            ground(folder, SIZES, database_url=None, synapse_database_url=None)
        )
        process = await stack.enter_async_context(place.bridge())
        await place.warm(process)
        await _load(place, process)  # as fast as it is, without the profiler
        recorder = await asyncio.create_subprocess_exec(
            *(spy, "record", "--pid", str(process.pid), "--format", "raw", "--output", str(OUTPUT)),
            *("--rate", "400", "--gil", "--duration", "600"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(2)
        await _load(place, process)
        recorder.send_signal(signal.SIGINT)
        await recorder.wait()


async def _load(place: Ground, process: Process) -> None:
    for rooms, each in ((place.rooms[1:], SIZES.per_room), (place.rooms[2:3], SIZES.one_room)):
        before = process.cpu()
        rate = await throughput(place, rooms, each)
        spent = (process.cpu() - before) * 1000 / (len(rooms) * each)
        print(f"{len(rooms)} rooms: {rate:.0f} messages per s, {spent:.2f} ms of CPU each", flush=True)
        await place.settled(process.pid)


def show(stacks: list[str]) -> None:
    """`stacks`: "outermost;...;innermost count", as py-spy writes them."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        functions = [frame.rpartition(":")[0] for frame in stack.split(";")]
        own[functions[-1]] += int(count)
        total.update(dict.fromkeys(functions, int(count)))
    for outer in [function for function, samples in total.items() if samples > 0.9 * own.total()]:
        del total[outer]  # the way in
    everything = own.total()
    for title, counter in (("own time", own), ("total", total)):
        print(f"\n{title}")
        for function, samples in counter.most_common(TOP):
            print(f"{samples / everything:6.1%}  {function}")


if __name__ == "__main__":
    found = shutil.which("py-spy")
    if found is None:
        sys.exit("Put py-spy on the PATH: pip install py-spy")
    logs.set_up("error")
    asyncio.run(main(found))
    show(OUTPUT.read_text().splitlines())
