"""A recap on its way to a first device: once, to who can read it, and never with what has been deleted."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from appservice.ghosts import Ghosts
from appservice.homeserver import HomeserverUnavailable
from appservice.inbound.membership import InboundMembership
from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.recaps import ConversationRoom, RecapDelivery
from appservice.outbound.rooms import Rooms
from appservice.outbound.sent_before import SentBefore
from appservice.outbound.timeline import Timeline
from appservice.readers import Readers
from appservice.room_map import Room, remember_room
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted
from bridge.recap.drafts import Drafts
from bridge.recap.events import RecapChanged, RecapDue, RecapHeld
from bridge.recap.listeners import RecapListener
from bridge.recap.service import Recaps
from bridge.recap.store import RecapStore
from bridge.storage.database import Database, Transaction, open_database
from tests.appservice.encryption.engine import BOT, NAMES, ROOM, Engine, WatchedDatabase
from tests.appservice.encryption.party import Identity, Party
from tests.bridge.conversations.features import TENANT, Features, person
from tests.fakes.homeserver import FakeHomeserver, Json, Moment

ANNA, CHEF = "@anna:host.test", "@chef:vendor.test"
WEEK = 7 * 24 * 3_600_000


class World:
    """A conversation of two account holders, of whom the vendor has never signed in."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.homeserver = FakeHomeserver()
        self.features = features = Features(database)
        self.clock = features.clock
        features.outbox.subscribe("matrix", MessagePosted, RecapDue, RecapChanged)
        features.outbox.subscribe("recap", MessageEdited, MessageDeleted)
        features.outbox.subscribe("recap-held", RecapHeld)
        self.identity = Identity(CHEF)
        self._put_together()

    def _put_together(self) -> None:
        """All objects of one process."""
        features = self.features

        async def known(tx: Transaction, user_id: str) -> None:
            await self.readers.known(tx, user_id)

        async def unreachable(tx: Transaction, user_ids: Collection[str]) -> None:
            await self.readers.unreachable(tx, user_ids)

        self.engine = engine = Engine(
            self.database, self.homeserver, self.clock, on_fresh=known, on_unreachable=unreachable
        )
        room, store = ConversationRoom(NAMES, features.outbox), RecapStore()
        recaps = Recaps(store, room, features.outbox, self.clock)
        self.readers = Readers(engine.device_lists, recaps, NAMES, share_with="identity_aware")
        self.membership = InboundMembership(
            NAMES, features.conversations, features.conversation_store, self.readers
        )
        self.timeline = Timeline(
            database=self.database,
            homeserver=self.homeserver,
            names=NAMES,
            own_devices=engine.own_devices,
            encryptor=engine.encryptor,
            messages=features.messages,
            message_store=features.message_store,
            participants=features.participants,
            outbox=features.outbox,
            sent_before=SentBefore(self.database, self.homeserver),
            clock=self.clock,
        )
        rooms = Rooms(
            database=self.database,
            homeserver=self.homeserver,
            names=NAMES,
            ghosts=Ghosts(self.database, self.homeserver, NAMES, self.clock),
            members=engine.members,
            readers=self.readers,
            service=features.conversations,
            conversations=features.conversation_store,
            participants=features.participants,
            outbox=features.outbox,
            clock=self.clock,
        )
        self.delivery = RecapDelivery(
            database=self.database,
            names=NAMES,
            recaps=recaps,
            drafts=Drafts(store, features.conversation_store, features.message_store, room, features.sealer),
            readers=self.readers,
            private_rooms=PrivateRooms(
                database=self.database, names=NAMES, rooms=rooms, members=engine.members, clock=self.clock
            ),
            timeline=self.timeline,
            encryptor=engine.encryptor,
            outbox=features.outbox,
        )
        self.listener = RecapListener(self.database, recaps, features.outbox)

    async def restart(self) -> None:
        self._put_together()
        await self.ask()

    # What happens

    async def begin(self) -> None:
        """The host is there with a device; the vendor is invited."""
        anna, chef = person("anna", "Anna", mxid=ANNA), person("chef", "Chef", mxid=CHEF)
        self.conversation = await self.features.open(hosts=[anna], vendor=chef)
        self.homeserver.add_room(ROOM, {BOT: "join", ANNA: "join"})
        await Party(self.homeserver, ANNA, "PHONE", Identity(ANNA)).publish()
        self.room = Room(ROOM, TENANT, self.conversation.conversation_id)
        async with self.database.transaction() as tx:
            await remember_room(tx, self.room, self.clock)
            await self.readers.to_be_invited(tx, self.conversation, chef, asked_at=self.clock.now())
        await self.engine.step()
        self.clock.advance(1)
        await self.becomes(CHEF, "invite")
        self.clock.advance(1)

    async def becomes(self, user: str, membership: str, sender: str = BOT) -> None:
        """A membership event comes in."""
        self.homeserver.set_membership(ROOM, user, membership)
        event = {
            "sender": sender,
            "state_key": user,
            "origin_server_ts": self.clock.now(),
            "content": {"membership": membership},
        }
        async with self.database.transaction() as tx:
            await self.engine.members.mark_stale(tx, ROOM)
            await self.membership.changed(tx, self.room, event)
        await self.ask()

    async def ask(self) -> None:
        """What `DeviceLists.run` and `BotSync.step` do."""
        await self.engine.device_lists.refresh_stale(BOT, await self.engine.own_devices.ensure(BOT))

    async def post(self, text: str, sender: str = "anna") -> MessageId:
        self.clock.advance(1)
        return await self.features.post(self.conversation, text=text, sender=sender)

    async def say(self, text: str) -> MessageId:
        message_id = await self.post(text)
        await self.work()
        return message_id

    async def hear(self, text: str) -> None:
        """The host says something in her client."""
        self.clock.advance(1)
        people = await self.features.conversation_store.members(
            self.database, self.conversation.conversation_id
        )
        async with self.database.transaction() as tx:
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=people[0],
                text=text,
                origin_id=f"${text}",
                sent_at=self.clock.now(),
            )

    async def delete(self, message_id: MessageId) -> None:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        async with self.database.transaction() as tx:
            await self.features.changes.delete(tx, message, sender_id=None)

    async def edit(self, message_id: MessageId, text: str) -> None:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        self.clock.advance(1)
        async with self.database.transaction() as tx:
            await self.features.changes.edit(tx, message, sender_id=ParticipantId("anna"), text=text)

    async def sign_in(self, device: str = "PHONE", *, one_time_keys: int = 20) -> Party:
        return await Party(self.homeserver, CHEF, device, self.identity).publish(one_time_keys=one_time_keys)

    async def join(self) -> None:
        self.clock.advance(1)
        await self.becomes(CHEF, "join", sender=CHEF)

    async def signs_out(self, device: str = "PHONE") -> None:
        self.homeserver.delete_device(CHEF, device)
        await self.engine.step()

    # What the bridge does of it

    async def work(self) -> None:
        """Work off what waits, in the order of its lanes."""
        for lane in ("recap", "matrix"):
            while (item := await self.head(lane)) is not None:
                await self.handle(item)

    async def head(self, consumer: str = "matrix") -> Item | None:
        return await self.features.outbox.head(f"{consumer}:{self.conversation.conversation_id}")

    async def handle(self, item: Item) -> None:
        handlers = {
            "matrix.MessagePosted": self.timeline.posted,
            "matrix.RecapDue": self.delivery.due,
            "matrix.RecapChanged": self.delivery.changed,
            "recap-held.RecapHeld": self.delivery.held,
            "recap.MessageEdited": self.listener.source_changed,
            "recap.MessageDeleted": self.listener.source_changed,
        }
        await handlers[item.topic](item)

    # What came of it

    async def read(self, party: Party) -> list[Json]:
        """What the device can read of the room."""
        await party.sync()
        events = self.homeserver.timeline(ROOM)
        return [party.read(event)["content"] for event in events if party.reads(event)]

    async def recap(self, party: Party) -> str:
        """The only thing that the device can read."""
        [content] = await self.read(party)
        return str(content["body"])

    async def rows(self) -> list[tuple[str, str]]:
        found: list[Any] = await self.database.fetch("SELECT participant_id, state FROM recaps")
        return [(row["participant_id"], row["state"]) for row in found]


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database)
    await world.begin()
    return world


async def test_the_first_device_gets_what_was_said_by_us_and_by_others(world: World) -> None:
    await world.say("by us")
    await world.hear("by her")
    world.clock.advance(WEEK)
    chef = await world.sign_in()
    await world.join()
    await world.work()
    text = await world.recap(chef)
    assert text.startswith("Chef, this was said before you could read here:")
    assert text.index("> by us") < text.index("> by her")
    assert await world.rows() == [("chef", "told")]


async def test_it_is_told_once_whatever_devices_come_and_go(world: World) -> None:
    await world.say("missed")
    await world.sign_in()
    await world.join()
    await world.work()
    before = len(world.homeserver.timeline(ROOM))
    await world.signs_out()
    await world.hear("missed by nobody's first device")
    await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.join()
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "told")]


async def test_who_signs_in_but_does_not_come_is_not_told_yet(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.say("read, as an invited person's device gets keys")
    await world.hear("not read, as other clients do not know of the device")
    assert await world.head() is None
    await world.join()
    await world.work()
    read = [content["body"] for content in await world.read(chef)]
    assert read[0] == "Anna: read, as an invited person's device gets keys"
    assert len(read) == 2
    assert "> missed" in read[1]
    assert "> not read, as other clients" in read[1]
    assert "an invited person's" not in read[1]


async def test_what_waits_to_be_sent_is_not_missed(world: World) -> None:
    await world.say("missed")
    await world.post("in time")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    read = [content["body"] for content in await world.read(chef)]
    assert read[0] == "Anna: in time"
    assert "> missed" in read[1]
    assert "> in time" not in read[1]


async def test_what_was_under_way_when_the_device_was_found_is_repeated(world: World) -> None:
    """It is encrypted already, and not for this device."""
    chef: list[Party] = []

    async def comes() -> None:
        chef.append(await world.sign_in())
        await world.join()

    await world.post("under way")
    world.homeserver.meanwhile("send_encrypted", comes, moment="before")
    await world.work()
    assert "> under way" in await world.recap(chef[0])


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_recap_whose_answer_was_lost_is_told_once(
    world: World, moment: Moment, restarted: bool
) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.join()
    world.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await world.work()
    if restarted:
        await world.restart()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_a_recap_waits_for_a_device_if_the_first_is_gone_again(world: World) -> None:
    await world.say("missed")
    await world.sign_in()
    await world.join()
    await world.signs_out()
    before = len(world.homeserver.timeline(ROOM))
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "away")]
    await world.say("missed, too")  # the conversation goes on
    laptop = await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.work()
    text = await world.recap(laptop)
    assert "> missed\n" in text
    assert "> missed, too" in text


async def test_a_recap_waits_for_a_device_that_cannot_be_given_a_key(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in(one_time_keys=0)
    await world.join()
    before = len(world.homeserver.timeline(ROOM))
    await world.work()
    assert len(world.homeserver.timeline(ROOM)) == before
    assert await world.rows() == [("chef", "away")]
    await chef.publish_one_time_keys(5)
    held = await world.head("recap-held")
    assert held is not None
    with pytest.raises(Retry) as later:
        await world.handle(held)
    assert later.value.delay == 60_000
    await world.features.outbox.retry(held, delay=0, failure="")
    held = await world.head("recap-held")
    assert held is not None
    await world.handle(held)
    await world.ask()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_a_device_that_is_not_entitled_to_keys_is_none(world: World) -> None:
    await world.sign_in()
    await world.say("read by the signed one")  # their master key is known now
    await world.signs_out()
    await world.becomes(CHEF, "leave", sender=CHEF)
    assert await world.rows() == []
    await world.features.open(hosts=[], vendor=person("chef", "Chef", mxid=CHEF))
    async with world.database.transaction() as tx:
        chef = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, chef, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("missed")
    unsigned = await Party(world.homeserver, CHEF, "UNSIGNED").publish()
    await world.join()
    await world.work()
    assert await world.read(unsigned) == []
    assert await world.rows() == [("chef", "away")]
    unsigned.sign_with(world.identity)
    await world.engine.step()
    await world.work()
    assert "> missed" in await world.recap(unsigned)


async def test_whose_server_is_away_counts_as_without_a_device(world: World) -> None:
    chef = await world.sign_in()
    await world.becomes(CHEF, "leave", sender=CHEF)
    async with world.database.transaction() as tx:
        await tx.execute("DELETE FROM devices WHERE user_id = $1", CHEF)
    world.homeserver.down = {"vendor.test"}
    async with world.database.transaction() as tx:
        await world.features.conversations.came(tx, world.conversation.conversation_id, ParticipantId("chef"))
        vendor = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, vendor, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("missed")
    assert await world.rows() == [("chef", "away")]
    world.homeserver.down = set()
    await world.join()
    await world.work()
    assert "> missed" in await world.recap(chef)


async def test_who_has_a_device_when_invited_gets_none(world: World) -> None:
    assert await world.rows() == [("chef", "away")]
    await world.becomes(CHEF, "leave", sender=CHEF)
    await world.sign_in()
    async with world.database.transaction() as tx:
        chef = person("chef", "Chef", mxid=CHEF)
        await world.readers.to_be_invited(tx, world.conversation, chef, asked_at=world.clock.now())
    await world.becomes(CHEF, "invite")
    await world.say("read")
    await world.join()
    await world.work()
    assert await world.rows() == [("chef", "present")]


async def test_who_loses_their_only_device_gets_a_recap_with_the_next(world: World) -> None:
    await world.sign_in()
    await world.join()
    await world.work()
    assert await world.rows() == [("chef", "present")], "nothing had been said"
    await world.signs_out()
    assert await world.rows() == [("chef", "away")]
    await world.say("missed")
    laptop = await world.sign_in("LAPTOP")
    await world.engine.step()
    await world.work()
    assert "> missed" in await world.recap(laptop)


async def test_who_leaves_before_the_recap_gets_none(world: World) -> None:
    await world.say("missed")
    chef = await world.sign_in()
    await world.join()
    await world.becomes(CHEF, "leave", sender=CHEF)
    await world.work()
    assert await world.read(chef) == []
    assert await world.rows() == []


async def test_what_was_deleted_before_is_not_repeated_and_an_edit_is(world: World) -> None:
    deleted, edited = await world.say("deleted"), await world.say("first")
    await world.delete(deleted)
    await world.edit(edited, "second")
    chef = await world.sign_in()
    await world.join()
    while (item := await world.head("recap")) is not None:
        await world.handle(item)
    await world.work()
    contents = await world.read(chef)
    texts = json.dumps(contents)
    assert "deleted" not in texts
    assert "> first" not in texts
    assert "> second" in texts


async def test_what_is_deleted_while_the_recap_goes_out_is_taken_back(world: World) -> None:
    kept, deleted = await world.say("kept"), await world.say("regretted")
    chef = await world.sign_in()
    await world.join()

    async def regret() -> None:
        await world.delete(deleted)
        item = await world.head("recap")
        assert item is not None
        await world.handle(item)

    world.homeserver.meanwhile("send_encrypted", regret, moment="before")
    await world.work()
    recap, edit = await world.read(chef)
    assert "regretted" in recap["body"]
    assert "regretted" not in json.dumps(edit)
    assert "> kept" in edit["m.new_content"]["body"]
    assert edit["m.relates_to"]["rel_type"] == "m.replace"
    assert kept


async def test_what_changes_nothing_of_a_recap_is_no_edit(world: World) -> None:
    """A deletion of which the listener hears only when the recap without it is on its way."""
    await world.say("kept")
    deleted = await world.say("regretted")
    chef = await world.sign_in()
    await world.join()
    await world.delete(deleted)
    await world.work()
    assert "regretted" not in await world.recap(chef)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_edit_whose_answer_was_lost_is_made_once(world: World, moment: Moment) -> None:
    await world.say("kept")
    deleted = await world.say("regretted")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    await world.delete(deleted)
    world.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await world.work()
    await world.restart()
    await world.work()
    recap, edit = await world.read(chef)
    assert "regretted" in recap["body"]
    assert "regretted" not in json.dumps(edit)


async def test_many_changes_of_sources_are_one_edit(world: World) -> None:
    sources = [await world.say(f"number {number}") for number in range(3)]
    chef = await world.sign_in()
    await world.join()
    await world.work()
    for source in sources:
        await world.delete(source)
    await world.work()
    recap, edit = await world.read(chef)
    assert edit["m.new_content"]["body"] == "What this repeated has been deleted since."
    assert "m.relates_to" not in recap


async def test_of_many_the_newest_are_shown_and_the_others_counted(world: World) -> None:
    for number in range(53):
        await world.hear(f"number {number}.")
    chef = await world.sign_in()
    await world.join()
    await world.work()
    text = await world.recap(chef)
    assert "3 earlier messages are not repeated here. https://matrix.to/#/" in text
    assert "number 2." not in text
    assert "> number 3." in text
    assert "> number 52." in text


class Killed(BaseException):
    """The process has died here."""


class Death:
    """Kills at the given commit or call (before it or after it), counted from `watch` on."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed = 0
        self.watching = False

    def __call__(self, call: str, moment: str) -> None:
        if not self.watching:
            return
        self.passed += 1
        if self.passed == self.at:
            raise Killed


async def until_told(world: World) -> None:
    """What a start does with what the last life has left; the join is delivered until it has been taken."""
    await world.becomes(CHEF, "join", sender=CHEF)
    await world.engine.step()
    await world.work()


async def recap_with_a_death(path: Path, at: int | None) -> int:
    """Return how many steps there were."""
    real = await open_database(f"sqlite:///{path}")
    try:
        watched, death = WatchedDatabase(real), Death(at)
        world = World(watched)
        await world.begin()
        await world.say("missed")
        chef = await world.sign_in()
        watched.on_moment = world.homeserver.on_moment = death
        death.watching = True
        try:
            await until_told(world)
        except Killed:
            death.watching = False
            await world.restart()
            await until_told(world)
        death.watching = False
        await until_told(world)
        assert "> missed" in await world.recap(chef), f"killed at {at}"
        assert await world.rows() == [("chef", "told")]
        return death.passed
    finally:
        await real.close()


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_a_recap(tmp_path: Path) -> None:
    steps = await recap_with_a_death(tmp_path / "none.db", None)
    assert steps > 20
    for at in range(1, steps + 1):
        await recap_with_a_death(tmp_path / f"{at}.db", at)
