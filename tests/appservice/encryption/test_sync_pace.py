"""How often the bot's /sync asks: it must not cost the homeserver more the more there is to do."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from appservice.encryption.sync import EAGER_FOR, LONGEST_PAUSE, PAUSE_FACTOR, QUIET_WAIT, SHORTEST_PAUSE
from bridge.core.clock import FrozenClock
from tests.appservice.encryption.engine import BOT, ROOM, Engine
from tests.appservice.encryption.party import Party
from tests.databases import quick_database
from tests.fakes.homeserver import FakeHomeserver, Json
from tests.simulation.loop import SimulatedLoop

ALICE = "@alice:people.test"


class Paced(FakeHomeserver):
    """Notes when it is asked; an answer takes `takes` seconds, and tells that something has happened in rooms while
    `busy`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, int]] = []
        self.positions: list[str | None] = []
        self.told_news = asyncio.Event()
        """Of devices."""
        self.takes = 0.0
        self.busy = False
        self._count = 0

    async def sync(self, *args: object, since: str | None, wait: int = 0, **options: object) -> Json:
        self.asked.append((asyncio.get_running_loop().time(), wait))
        self.positions.append(since)
        device_position = since.partition("_")[0] if since else None
        self._count += self.busy
        answer: Json = await super().sync(*args, since=device_position, **options)  # type: ignore[arg-type]
        await asyncio.sleep(self.takes or wait / 1000)
        if answer["device_lists"]["changed"]:
            self.told_news.set()
        return answer | {"next_batch": f"{answer['next_batch']}_{self._count}"}


def story(tell: Callable[[Engine, Paced], Awaitable[None]]) -> None:
    """`tell` is run beside the sync, in time that passes in moments."""

    async def run() -> None:
        async with quick_database() as database:
            homeserver = Paced()
            engine = Engine(database, homeserver, FrozenClock(1_800_000_000_000))
            work = asyncio.create_task(engine.sync.run())
            try:
                await tell(engine, homeserver)
            finally:
                work.cancel()
                await asyncio.wait([work])

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(run())


def test_it_waits_at_the_homeserver_only_while_nothing_happens_there() -> None:
    async def tell(engine: Engine, homeserver: Paced) -> None:
        await asyncio.sleep(60)
        assert {wait for _, wait in homeserver.asked[3:]} == {QUIET_WAIT}
        homeserver.asked.clear()
        homeserver.busy = True
        await asyncio.sleep(60)
        assert {wait for _, wait in homeserver.asked[1:]} == {0}
        homeserver.busy = False
        homeserver.asked.clear()
        await asyncio.sleep(10)
        assert homeserver.asked[-1][1] == QUIET_WAIT

    story(tell)


def test_it_takes_a_fortieth_of_the_homeservers_time_at_most() -> None:
    async def tell(engine: Engine, homeserver: Paced) -> None:
        homeserver.busy, homeserver.takes = True, 0.05
        await asyncio.sleep(60)
        times = [time for time, _ in homeserver.asked]
        assert min(b - a for a, b in pairwise(times)) >= 0.05 * (1 + PAUSE_FACTOR) - 1e-9
        homeserver.takes = 0.001
        await asyncio.sleep(3)
        homeserver.asked.clear()
        await asyncio.sleep(10)
        assert len(homeserver.asked) >= 0.9 * 10 / SHORTEST_PAUSE

    story(tell)


def test_a_missing_key_is_asked_for_at_once() -> None:
    async def tell(engine: Engine, homeserver: Paced) -> None:
        homeserver.busy, homeserver.takes = True, 0.2
        await asyncio.sleep(10)
        alice = await Party(homeserver, "@alice:people.test", "PHONE").publish()
        homeserver.add_room("!room", {BOT: "join"})
        await asyncio.sleep(homeserver.asked[-1][0] + 0.3 - asyncio.get_running_loop().time())
        await alice.send_room_key(BOT, "!room")
        engine.sync.look()
        await asyncio.sleep(0.21)
        assert len(await engine.rows("inbound_sessions")) == 1

    story(tell)


def test_where_nothing_comes_the_position_is_rarely_written() -> None:
    async def tell(engine: Engine, homeserver: Paced) -> None:
        homeserver.busy, homeserver.takes = True, 0.001
        await asyncio.sleep(1)
        written = set()
        for _ in range(170):
            await asyncio.sleep(1)
            [row] = await engine.rows("sync_positions")
            written.add(str(row))
        assert len(written) <= 4
        assert len(set(homeserver.positions)) > 600, "it always asks from where it is"

    story(tell)


def test_after_news_of_devices_it_asks_eagerly_for_a_while() -> None:
    """Who has signed in is signed a moment later, and until then gets no keys."""

    async def tell(engine: Engine, homeserver: Paced) -> None:
        homeserver.busy, homeserver.takes = True, 0.05
        homeserver.add_room(ROOM, {BOT: "join", ALICE: "join"})
        await asyncio.sleep(10)
        homeserver.told_news.clear()
        await Party(homeserver, ALICE, "PHONE").publish()
        await homeserver.told_news.wait()
        homeserver.asked.clear()
        await asyncio.sleep(EAGER_FOR)
        assert len(homeserver.asked) >= 0.8 * EAGER_FOR / (SHORTEST_PAUSE + homeserver.takes)
        await asyncio.sleep(LONGEST_PAUSE)
        homeserver.asked.clear()
        await asyncio.sleep(10)
        assert len(homeserver.asked) <= 10 / (PAUSE_FACTOR * homeserver.takes) + 1

    story(tell)
