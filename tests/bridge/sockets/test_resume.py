"""Who drops and comes back misses nothing and sees nothing twice: whatever broke meanwhile, whoever wrote."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.ids import ConversationId
from bridge.feed.service import AT_ONCE
from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened, said
from tests.bridge.api.world import KEPT, OURS
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.databases import both_databases

PARTIES = itertools.count(1)
ONE_DATABASE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
"""It serves all examples."""
Step = tuple[str, int | bool | list[int]]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.integers(0, 1), min_size=1, max_size=4)),
        st.tuples(st.just("send"), st.booleans()),
        st.tuples(st.just("has read"), st.integers(0, 1)),
        st.tuples(st.just("drop"), st.integers(0, 2)),
        st.tuples(st.just("read"), st.integers(0, 2)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("stall"), st.booleans()),
    ),
    max_size=12,
)


class Machine:
    """A bridge that can die between any two steps, and clients that come back to it."""

    def __init__(self, database: Database, key: str, world: LiveWorld) -> None:
        self.database = database
        self.key = key
        self.world = world
        self.http: TestClient | None = None  # type: ignore[type-arg]
        self.order: asyncio.Task[None] | None = None
        self.tell: asyncio.Task[None] | None = None

    async def start(self) -> None:
        people = self.world.callers
        self.world = LiveWorld(self.database)
        self.world.callers.update(people)
        self.http = TestClient(TestServer(self.world.app()))
        await self.http.start_server()
        self.tell = asyncio.create_task(self.world.live.run())
        self.go_on()

    def go_on(self) -> None:
        if self.order is None:
            self.order = asyncio.create_task(self.world.feed.run())

    async def stall(self) -> None:
        """Nothing is put in order."""
        if self.order is not None:
            self.order.cancel()
            await asyncio.wait([self.order])
            self.order = None

    async def crash(self) -> None:
        await self.stall()
        assert self.tell is not None
        self.tell.cancel()
        await asyncio.wait([self.tell])
        assert self.http is not None
        await self.http.close()

    @property
    def api(self) -> Api:
        assert self.http is not None
        return Api(self.http, self.key)


@asynccontextmanager
async def machine(database: Database) -> AsyncIterator[Machine]:
    world = LiveWorld(database)
    key = str(await world.keys.create(OURS, name="tests"))
    made = Machine(database, key, world)
    await made.start()
    try:
        yield made
    finally:
        await made.crash()


async def tell(api: Api, conversation_id: str, text: str) -> None:
    assert (await said(api, conversation_id, text)).status == 201


async def come_back(client: Client, api: Api) -> None:
    client.api = api
    await client.connect()


@given(steps=STEPS)
@settings(max_examples=100, suppress_health_check=ONE_DATABASE)
async def test_who_comes_back_misses_nothing_and_sees_nothing_twice(
    database: Database, steps: list[Step]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 4: a network break loses nothing after reconnection;
    Property 12: all devices and views of one person converge on one state."""
    await come_and_go(database, steps)


@pytest.mark.databases("postgres")
@given(steps=STEPS)
@settings(max_examples=10, suppress_health_check=ONE_DATABASE)
async def test_so_it_is_on_postgresql(database: Database, steps: list[Step]) -> None:
    await come_and_go(database, steps)


async def come_and_go(database: Database, steps: list[Step]) -> None:
    number = next(PARTIES)
    party, vendors = f"p-{number}", (f"v-{number}", f"w-{number}")
    async with machine(database) as bridge:
        conversations = [await opened(bridge.api, party, vendor) for vendor in vendors]
        await bridge.world.settled(conversations[0])
        async with Crowd(bridge.world, bridge.api) as crowd:
            anna = bridge.world.person("u-anna")
            chef = bridge.world.person(vendors[0], "vendor")
            clients = [
                await crowd.connected(f"/ws/communication/{party}"),
                await crowd.connected(f"/ws/communication/{party}", anna),
                await crowd.connected(f"/ws/vendor/{vendors[0]}", chef),
            ]
            written: dict[str, list[str]] = {one: [] for one in conversations}
            texts = (f"{number}.{count}" for count in itertools.count())
            for step, how in steps:
                if step == "write" and isinstance(how, list):
                    together = [(conversations[which], next(texts)) for which in how]
                    await asyncio.gather(*(tell(bridge.api, *one) for one in together))
                    for conversation_id, text in together:
                        written[conversation_id].append(text)
                elif step == "has read" and isinstance(how, int):
                    path = f"/api/v1/conversations/{conversations[how]}/read"
                    assert (await bridge.api.post(path, {"participant_id": "u-anna"})).status == 200
                elif step == "send":
                    text = next(texts)
                    frame = {
                        "id": f"f-{text}",
                        "conversation_id": conversations[0],
                        "message": {"text": text},
                    }
                    await clients[1].socket.send_json({"type": "message.send", **frame})
                    if how:
                        # The answer is lost, and so it sends the same again.
                        clients[1].drop()
                        await come_back(clients[1], bridge.api)
                        await clients[1].socket.send_json({"type": "message.send", **frame})
                    assert (await clients[1].next("ack", "error"))["type"] == "ack"
                    written[conversations[0]].append(text)
                elif step == "drop" and isinstance(how, int):
                    clients[how].drop()
                    await come_back(clients[how], bridge.api)
                elif step == "read" and isinstance(how, int):
                    await clients[how].drain(0.002)
                elif step == "crash":
                    for client in clients:
                        client.drop()
                    await bridge.crash()
                    await bridge.start()
                    for client in clients:
                        await come_back(client, bridge.api)
                elif step == "stall":
                    await (bridge.stall() if how else asyncio.sleep(0))
                    if not how:
                        bridge.go_on()
            bridge.go_on()
            for conversation_id in conversations:
                await tell(bridge.api, conversation_id, "the end")
            for client, hears in zip(clients, (conversations, conversations, conversations[:1]), strict=True):
                while client.texts("message.sent").count("the end") < len(hears):
                    await client.read()
                events = client.events
                assert len({frame["event_id"] for frame in events}) == len(events)
                for conversation_id in hears:
                    of_it = [frame for frame in events if frame["conversation_id"] == conversation_id]
                    numbers = [frame["number"] for frame in of_it]
                    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                    told = [frame["message"]["content"] for frame in of_it if "message" in frame]
                    assert sorted(told) == sorted([*written[conversation_id], "the end"])
                    assert {one["conversation_id"] for one in events} == set(hears)
            shown = [
                [frame["event_id"] for frame in client.events if frame["conversation_id"] == conversations[0]]
                for client in clients
            ]
            assert shown[0] == shown[1] == shown[2]


@both_databases
async def test_who_stayed_away_for_too_long_is_told_to_load(database: Database) -> None:
    async with machine(database) as bridge:
        conversation_id = await opened(bridge.api)
        async with Crowd(bridge.world, bridge.api) as crowd:
            client = await crowd.connected("/ws/communication/p-1")
            await tell(bridge.api, conversation_id, "missed")
            await client.next("message.sent")
            client.drop()
            await tell(bridge.api, conversation_id, "forgotten")
            await bridge.world.feed.order()
            bridge.world.clock.advance(KEPT + 1)
            await tell(bridge.api, conversation_id, "kept")
            await bridge.world.feed.order()
            await bridge.world.feed.forget()
            await client.connect()
            code, reason = await client.ended()
            assert (code, "without it" in reason) == (4410, True)
            assert client.texts("message.sent") == ["missed"]
            client.cursor = None
            await client.connect()
            await tell(bridge.api, conversation_id, "new")
            assert (await client.next("message.sent"))["message"]["content"] == "new"


async def test_where_nothing_happens_the_cursor_stays_fresh(database: Database) -> None:
    """Much happens elsewhere, and what happened here is forgotten: nothing was missed."""
    async with machine(database) as bridge:
        await opened(bridge.api, "p-1", "v-1")
        elsewhere = await opened(bridge.api, "p-2", "v-2")
        async with Crowd(bridge.world, bridge.api) as crowd:
            await bridge.world.settled(elsewhere)
            client = await crowd.connected("/ws/communication/p-1")
            await tell(bridge.api, elsewhere, "one")
            frame = await client.next("cursor")
            assert set(frame) == {"type", "cursor"}
            client.drop()
            bridge.world.clock.advance(KEPT + 1)
            await bridge.world.feed.forget()
            await client.connect()
            await client.drain(0.1)
            assert client.events == []
            assert (await client.ask(type="?"))["code"] == "unknown_frame"


@both_databases
async def test_what_was_missed_comes_in_many_pages(database: Database) -> None:
    async with machine(database) as bridge:
        conversation_id = await opened(bridge.api)
        async with Crowd(bridge.world, bridge.api) as crowd:
            client = await crowd.connected("/ws/communication/p-1")
            client.drop()
            world = bridge.world
            conversation = await world.conversation_store.get(database, ConversationId(conversation_id))
            assert conversation is not None
            texts = [f"{number}" for number in range(AT_ONCE + 20)]
            async with database.transaction() as tx:
                for text in texts:
                    await world.messages.announce(tx, conversation, text=text)
            await client.connect()
            while (await client.next("message.sent"))["message"]["content"] != texts[-1]:
                pass
            assert client.texts("message.sent") == texts


async def test_who_comes_from_a_process_that_was_further_sees_nothing_twice(database: Database) -> None:
    async with machine(database) as bridge:
        conversation_id = await opened(bridge.api)
        await bridge.world.settled(conversation_id)
        behind = LiveWorld(database)
        async with TestClient(TestServer(behind.app())) as http, Crowd(bridge.world, bridge.api) as crowd:
            other = Api(http, bridge.key)
            await come_back(crowd.client("/ws/communication/p-1"), other)  # so that its place is noted
            client = await crowd.connected("/ws/communication/p-1")
            await tell(bridge.api, conversation_id, "seen")
            await client.next("message.sent")
            client.drop()
            await come_back(client, other)
            running = asyncio.create_task(behind.live.run())
            await tell(bridge.api, conversation_id, "new")
            await client.next("message.sent")
            assert client.texts("message.sent") == ["seen", "new"]
            running.cancel()
            await asyncio.wait([running])
