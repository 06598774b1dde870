"""A message whose answer was lost, sent again: once in the room, however long that takes."""

import pytest

from appservice.homeserver import HomeserverUnavailable
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.sent_before import SentBefore
from appservice.outbound.timeline import Timeline
from appservice.room_map import Room, remember_room
from bridge.core.ids import MessageId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.messages.events import MessagePosted
from bridge.storage.database import Database
from tests.appservice.encryption.engine import BOT, NAMES, ROOM, Engine
from tests.appservice.encryption.party import Party
from tests.bridge.conversations.features import TENANT, Features
from tests.fakes.homeserver import FakeHomeserver, Moment

HOUR = 3_600_000
DAMAGE = "UPDATE outbound_sessions SET pickle = 'damaged', in_flight = 'damaged'"


class Post:
    """One announcement in one room, and the bridge's way of sending it."""

    def __init__(self, database: Database) -> None:
        self.homeserver = FakeHomeserver()
        self.features = Features(database)
        self.features.outbox.subscribe("matrix", MessagePosted)
        self.engine = Engine(database, self.homeserver, self.features.clock)
        self.sent_before = SentBefore(database, self.homeserver)
        self.timeline = Timeline(
            database=database,
            homeserver=self.homeserver,
            names=NAMES,
            own_devices=self.engine.own_devices,
            encryptor=self.engine.encryptor,
            messages=self.features.messages,
            message_store=self.features.message_store,
            participants=self.features.participants,
            outbox=self.features.outbox,
            former_rooms=FormerRooms(database, self.homeserver, NAMES),
            sent_before=self.sent_before,
            clock=self.features.clock,
        )

    async def write(self) -> MessageId:
        conversation = await self.features.open()
        self.homeserver.add_room(ROOM, {BOT: "join"})
        self.lane = f"matrix:{conversation.conversation_id}"
        async with self.features.database.transaction() as tx:
            await remember_room(tx, Room(ROOM, TENANT, conversation.conversation_id), self.features.clock)
            return await self.features.messages.announce(tx, conversation, text="The cake is on its way.")

    async def item(self) -> Item:
        item = await self.features.outbox.head(self.lane)
        assert item is not None
        return item

    async def lose_the_answer(self, moment: Moment) -> None:
        """`after`: the homeserver has taken the message; `before`: it never came there."""
        self.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
        with pytest.raises(Retry):
            await self.timeline.posted(await self.item())

    @property
    def in_room(self) -> list[str]:
        return [event["event_id"] for event in self.homeserver.timeline(ROOM)]


@pytest.mark.parametrize("moment", ["after", "before"])
@pytest.mark.parametrize(
    ("hours", "forgotten"),
    [
        # The homeserver still knows the transaction id.
        (1, False),
        # It may have forgotten: we look first.
        (23, True),
        (24 * 30, True),
    ],
)
async def test_a_message_is_in_the_room_once_however_late_its_answer(
    database: Database, moment: Moment, hours: int, *, forgotten: bool
) -> None:
    post = Post(database)
    message_id = await post.write()
    await post.lose_the_answer(moment)
    post.features.clock.advance(hours * HOUR)
    if forgotten:
        post.homeserver.forget_transactions()

    await post.timeline.posted(await post.item())

    assert len(post.in_room) == 1
    message = await post.features.message_store.get(database, message_id)
    assert message is not None
    assert (message.status, message.origin_id) == ("sent", post.in_room[0])


async def test_without_the_look_it_would_be_there_twice(database: Database) -> None:
    """So the test above can fail: a homeserver that forgets earlier than ours do."""
    post = Post(database)
    await post.write()
    await post.lose_the_answer("after")
    post.homeserver.forget_transactions()
    await post.timeline.posted(await post.item())
    assert len(post.in_room) == 2


@pytest.mark.parametrize("moment", ["after", "before"])
async def test_a_message_is_in_the_room_once_though_its_device_was_replaced(
    database: Database, moment: Moment
) -> None:
    """Another device, another transaction: the homeserver would take the message again."""
    post = Post(database)
    message_id = await post.write()
    await post.lose_the_answer(moment)
    [former] = post.homeserver.users[BOT].devices
    post.homeserver.delete_device(BOT, former)
    async with database.transaction() as tx:
        await post.engine.own_devices.doubt(tx, BOT)
    encrypted_anew = moment == "before"
    if encrypted_anew:
        with pytest.raises(Retry):
            await post.timeline.posted(await post.item())

    await post.timeline.posted(await post.item())

    [event] = post.homeserver.timeline(ROOM)
    assert (event["content"]["device_id"] != former) == encrypted_anew
    message = await post.features.message_store.get(database, message_id)
    assert message is not None
    assert (message.status, message.origin_id) == ("sent", event["event_id"])


@pytest.mark.parametrize("harm", ["DELETE FROM outbound_sessions", DAMAGE])
@pytest.mark.parametrize("moment", ["after", "before"])
async def test_a_message_whose_session_is_gone_is_in_the_room_once_and_whoever_came_since_reads_it(
    database: Database, moment: Moment, harm: str
) -> None:
    post = Post(database)
    message_id = await post.write()
    await post.lose_the_answer(moment)
    async with database.transaction() as tx:
        await tx.execute(harm)
    alice = await Party(post.homeserver, "@alice:people.test", "PHONE").publish()
    post.homeserver.set_membership(ROOM, alice.user, "join")
    await post.engine.members_changed()
    encrypted_anew = moment == "before"
    if encrypted_anew:
        with pytest.raises(Retry):
            await post.timeline.posted(await post.item())

    await post.timeline.posted(await post.item())

    [event] = post.homeserver.timeline(ROOM)
    await alice.sync()
    assert alice.reads(event) == encrypted_anew, "what was sent before they came is not theirs"
    message = await post.features.message_store.get(database, message_id)
    assert message is not None
    assert (message.status, message.origin_id) == ("sent", event["event_id"])


async def test_what_is_still_on_its_way_when_it_is_encrypted_anew_comes_into_the_room_once(
    database: Database,
) -> None:
    """The homeserver has taken the first, which the look did not see yet: it is the same transaction."""
    post = Post(database)
    await post.write()
    await post.lose_the_answer("after")
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM outbound_sessions")
    await post.features.outbox.discard_prepared(await post.item())
    await post.timeline.posted(await post.item())
    assert len(post.in_room) == 1


async def test_a_device_that_the_homeserver_does_not_know_is_replaced_by_the_next_attempt(
    database: Database,
) -> None:
    post = Post(database)
    await post.write()
    await post.lose_the_answer("before")
    [former] = post.homeserver.users[BOT].devices
    post.homeserver.delete_device(BOT, former)
    for _ in range(2):  # it is told, then encrypted anew
        with pytest.raises(Retry):
            await post.timeline.posted(await post.item())
    await post.timeline.posted(await post.item())
    [event] = post.homeserver.timeline(ROOM)
    assert event["content"]["device_id"] != former


async def test_what_an_older_copy_takes_for_unsent_is_not_sent_again(database: Database) -> None:
    post = Post(database)
    message_id = await post.write()
    item = await post.item()
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO sent_before (item_id, event_id) VALUES ($1, '$known')", item.id)
    await post.sent_before.load()
    await post.timeline.posted(item)
    assert post.in_room == []
    message = await post.features.message_store.get(database, message_id)
    assert message is not None
    assert (message.status, message.origin_id) == ("sent", "$known")
