"""Invites to accounts whose server does not answer: the conversation goes on, and they are tried again for a day."""

import asyncio
from dataclasses import replace

import pytest

from appservice.outbound.invites import MOST_ATTEMPTS, PATIENCE, Invites, Unanswered
from appservice.outbound.rooms import HELD_AT_MOST, HELD_FOR
from bridge.conversations.events import ParticipantAdded
from bridge.core.ids import ParticipantId
from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.queue import Item
from tests.appservice.encryption.engine import NAMES, TENANT, Engine
from tests.appservice.encryption.reader import CHEF, TALK, Reader
from tests.fakes.homeserver import FakeHomeserver
from tests.simulation.loop import SimulatedLoop

SERVER = CHEF.partition(":")[2]


class Inviting:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.rooms = reader.parts._outbound.rooms
        self.outbox = reader.parts.product.outbox
        self.here = reader.conversation.conversation_id

    async def asked(self) -> Item:
        """That the vendor be invited."""
        added = ParticipantAdded(
            tenant_id=TENANT, conversation_id=self.here, participant_id=ParticipantId("chef")
        )
        async with self.reader.engine.database.transaction() as tx:
            await self.outbox.record(tx, added)
        return await self.head("matrix")

    async def head(self, consumer: str) -> Item:
        item = await self.outbox.head(f"{consumer}:{self.here}")
        assert item is not None
        return item

    async def is_free(self, consumer: str) -> bool:
        return await self.outbox.head(f"{consumer}:{self.here}") is None

    async def failure(self) -> str | None:
        member = await self.reader.features.conversation_store.member(
            self.reader.engine.database, self.here, ParticipantId("chef")
        )
        assert member is not None
        return member.failure


@pytest.fixture
async def inviting(engine: Engine) -> Inviting:
    return Inviting(await Reader(engine).opened())


async def test_the_conversation_goes_on_and_the_invite_follows_when_the_server_is_back(
    inviting: Inviting, homeserver: FakeHomeserver
) -> None:
    homeserver.down.add(SERVER)
    item = await inviting.asked()
    with pytest.raises(Retry):
        await inviting.rooms.added(item)
    assert not await inviting.is_free("matrix"), "a moment's trouble"
    await inviting.rooms.added(replace(item, attempts=MOST_ATTEMPTS))
    assert await inviting.is_free("matrix")
    assert f"{CHEF} cannot be invited: {SERVER} does not answer yet" in str(await inviting.failure())

    held = await inviting.head("held")
    for attempts in (0, 1, MOST_ATTEMPTS):
        with pytest.raises(Retry) as again:
            await inviting.rooms.held(replace(held, attempts=attempts))
        assert again.value.delay == HELD_FOR
    homeserver.down.clear()
    await inviting.rooms.held(replace(held, attempts=MOST_ATTEMPTS + 1))
    assert homeserver.rooms[TALK].members[CHEF] == "invite"
    assert (await inviting.failure(), await inviting.is_free("held")) == (None, True)


@pytest.mark.parametrize("lane", ["matrix", "held"])
async def test_who_is_taken_out_while_they_are_being_invited_is_not_invited(
    inviting: Inviting, homeserver: FakeHomeserver, lane: str
) -> None:
    """What takes them out of the room may have been worked off before the invite goes, as it has another lane."""
    item = await inviting.asked()
    if lane == "held":
        homeserver.down.add(SERVER)
        await inviting.rooms.added(replace(item, attempts=MOST_ATTEMPTS))
        homeserver.down.clear()
        item = replace(await inviting.head("held"), attempts=1)

    async def take_out() -> None:
        features = inviting.reader.features
        async with inviting.reader.engine.database.transaction() as tx:
            await features.conversation_changes.remove(
                tx, inviting.reader.conversation, ParticipantId("chef"), asking=None
            )

    homeserver.meanwhile("invite", take_out, moment="before")
    await (inviting.rooms.held if lane == "held" else inviting.rooms.added)(item)
    assert homeserver.rooms[TALK].members[CHEF] == "leave"
    assert await inviting.is_free(lane)


async def test_after_a_day_it_is_given_up(inviting: Inviting, homeserver: FakeHomeserver) -> None:
    homeserver.down.add(SERVER)
    item = await inviting.asked()
    await inviting.rooms.added(replace(item, attempts=MOST_ATTEMPTS))
    held = replace(await inviting.head("held"), attempts=1)
    inviting.reader.engine.clock.advance(HELD_AT_MOST - 1)
    with pytest.raises(Retry):
        await inviting.rooms.held(held)
    inviting.reader.engine.clock.advance(1)
    with pytest.raises(Fail):
        await inviting.rooms.held(held)


async def test_who_does_not_exist_is_not_waited_for(inviting: Inviting, homeserver: FakeHomeserver) -> None:
    homeserver.nobody.add(CHEF)
    with pytest.raises(Fail, match="no such user"):
        await inviting.rooms.added(await inviting.asked())
    assert await inviting.is_free("held")


def test_a_server_that_says_nothing_is_not_waited_for_as_long_as_our_homeserver_does() -> None:
    async def story() -> None:
        homeserver = FakeHomeserver()
        homeserver.slow.add(SERVER)
        item = Item(
            seq=1,
            id="id",
            tenant_id=TENANT,
            lane="lane",
            topic="topic",
            body=b"",
            attempts=0,
            faults=0,
            not_before=0,
            created_at=0,
        )
        with pytest.raises(Unanswered):
            await Invites(homeserver, NAMES).account(item, TALK, CHEF)
        assert asyncio.get_running_loop().time() == PATIENCE

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(story())
