"""Who has read how far, what is unread, what has become of a message for whom: on both databases, against a recount."""

import asyncio
import json

import pytest

from bridge.conversations.model import Conversation
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import NotAParticipant
from bridge.messages.model import Delivery
from bridge.signals.events import ConversationRead
from bridge.signals.model import Part, Thread
from bridge.signals.reads import Place
from bridge.signals.service import Signals
from bridge.storage.database import Database
from tests.bridge.conversations.features import TENANT, Features, person

PEOPLE = ("anna", "ben", "chef")


class Reading:
    """Anna and Ben, who talk with the chef; what is told goes to a listener."""

    def __init__(self, database: Database) -> None:
        self.features = Features(database)
        self.database = database
        self.clock = self.features.clock
        self.features.outbox.subscribe("listener", ConversationRead)
        self.signals = Signals(database, self.features.outbox, self.clock)
        self.conversation: Conversation

    async def begin(self) -> None:
        self.conversation = await self.features.open(
            hosts=[person("anna", "Anna"), person("ben", "Ben")], vendor=person("chef", "Sweet Bites")
        )

    def place(self, who: str) -> Place:
        return Place(
            tenant_id=TENANT,
            conversation_id=self.conversation.conversation_id,
            participant_id=ParticipantId(who),
        )

    async def say(self, who: str, *, sent: bool = True, thread: MessageId | None = None) -> MessageId:
        self.clock.advance(1)
        async with self.database.transaction() as tx:
            message_id = await self.features.messages.post(
                tx, self.conversation, sender_id=ParticipantId(who), text="Hello", thread_id=thread
            )
        if sent:
            await self.sent(message_id)
        return message_id

    async def say_in_client(self, who: str, *, thread: MessageId | None = None) -> MessageId:
        self.clock.advance(1)
        here = self.conversation.conversation_id
        origin_id = f"$said-{self.clock.now()}"
        async with self.database.transaction() as tx:
            members = await self.features.conversation_store.members(tx, here)
            (sender,) = (one for one in members if one.participant.participant_id == who)
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=sender,
                text="Hello",
                origin_id=origin_id,
                sent_at=self.clock.now(),
                thread_origin=None if thread is None else await self.origin(thread),
            )
        (message,) = (
            one for one in await self.features.history(self.conversation) if one.origin_id == origin_id
        )
        return message.message_id

    async def origin(self, message_id: MessageId) -> str:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        return message.origin_id or f"${message_id}"

    async def thread(self, root: MessageId) -> Thread:
        """As a receipt names it."""
        here, origin_id = self.conversation.conversation_id, await self.origin(root)
        return await self.signals.read_store.thread(self.database, here, origin_id)

    async def sent(self, message_id: MessageId) -> None:
        async with self.database.transaction() as tx:
            await self.features.messages.sent(tx, message_id, origin_id=f"${message_id}")

    async def delete(self, message_id: MessageId) -> None:
        async with self.database.transaction() as tx:
            message = await self.features.message_store.get(tx, message_id)
            assert message is not None
            await self.features.changes.delete(tx, message, sender_id=None)

    async def position(self, message_id: MessageId) -> int:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        return message.position

    async def read(self, who: str, up_to: MessageId | None = None) -> int:
        position = None if up_to is None else await self.position(up_to)
        async with self.database.transaction() as tx:
            return await self.signals.reads.read(tx, self.place(who), up_to=position)

    async def seen(
        self, who: str, up_to: MessageId, *, at: int | None = None, part: Part | None = None
    ) -> None:
        position, at = await self.position(up_to), self.clock.now() if at is None else at
        async with self.database.transaction() as tx:
            await self.signals.reads.seen(tx, self.place(who), up_to=position, at=at, part=part)

    async def unread(self) -> dict[str, int]:
        here = self.conversation.conversation_id
        counts = (await self.signals.unread.unread(self.database, [here])).get(here, {})
        return {str(who): count for who, count in counts.items()}

    async def deliveries(self) -> dict[MessageId, Delivery]:
        history = await self.features.history(self.conversation)
        return await self.signals.deliveries.of(self.database, history)


@pytest.fixture
async def reading(database: Database) -> Reading:
    reading = Reading(database)
    await reading.begin()
    return reading


async def test_what_others_say_is_unread_until_it_is_read(reading: Reading) -> None:
    first, second = await reading.say("anna"), await reading.say("chef")
    assert await reading.unread() == {"anna": 1, "ben": 2, "chef": 1}
    assert await reading.read("ben", first) == 1
    assert await reading.read("ben", first) == 0  # the same again
    assert await reading.unread() == {"anna": 1, "ben": 1, "chef": 1}
    assert await reading.read("ben") == 1
    assert await reading.read("ben", second) == 0
    assert await reading.unread() == {"anna": 1, "ben": 0, "chef": 1}


async def test_how_far_somebody_has_read_never_goes_back(reading: Reading) -> None:
    first, second = await reading.say("chef"), await reading.say("chef")
    await reading.read("anna", second)
    before = await reading.database.fetch_value("SELECT COUNT(*) FROM outbox")
    assert await reading.read("anna", first) == 0
    await reading.seen("anna", first, at=reading.clock.now())
    place = reading.place("anna")
    position = await reading.signals.read_store.position(
        reading.database, place.conversation_id, place.participant_id
    )
    assert position is not None
    assert position.message_id == second
    assert await reading.database.fetch_value("SELECT COUNT(*) FROM outbox") == before  # nobody is told


async def test_what_is_on_its_way_failed_or_was_deleted_is_not_unread(reading: Reading) -> None:
    waiting = await reading.say("chef", sent=False)
    assert await reading.unread() == {"anna": 0, "ben": 0, "chef": 0}
    await reading.sent(waiting)
    gone = await reading.say("chef")
    assert (await reading.unread())["anna"] == 2
    await reading.delete(gone)
    assert (await reading.unread())["anna"] == 1
    async with reading.database.transaction() as tx:
        await reading.features.messages.failed(tx, waiting, reason="no")
    assert (await reading.unread())["anna"] == 0


async def test_who_comes_later_has_not_missed_what_was_said_before(reading: Reading) -> None:
    early = await reading.say("chef")
    reading.clock.advance(1)
    await reading.features.open(hosts=[person("eve", "Eve")], vendor=person("chef", "Sweet Bites"))
    await reading.say("chef")
    assert (await reading.unread())["eve"] == 1
    assert [one.participant_id for one in (await reading.deliveries())[early].recipients] == ["anna", "ben"]


async def test_who_is_kept_out_or_gone_has_not_missed_what_was_said_meanwhile(reading: Reading) -> None:
    here, changes = reading.conversation, reading.features.conversation_changes
    ben = ParticipantId("ben")
    before = await reading.say("anna")
    async with reading.database.transaction() as tx:
        await changes.act(tx, here, "block", asking=None, side="vendor")
        await changes.leave(tx, here, who=ben)
    among_ourselves = await reading.say("anna")
    async with reading.database.transaction() as tx:
        await changes.act(tx, here, "reopen", asking=None)
    await reading.features.open(hosts=[person("ben", "Ben")], vendor=person("chef", "Sweet Bites"))
    assert await reading.unread() == {"anna": 0, "ben": 1, "chef": 1}
    found = await reading.deliveries()
    assert [one.participant_id for one in found[among_ourselves].recipients] == []
    assert [one.participant_id for one in found[before].recipients] == ["ben", "chef"]
    assert await reading.read("chef") == 1
    place = reading.place("chef")
    position = await reading.signals.read_store.position(
        reading.database, place.conversation_id, place.participant_id
    )
    assert position is not None
    assert position.message_id == before, "of what they did not see they do not learn the id"


async def test_a_clock_that_is_behind_hides_nothing(reading: Reading) -> None:
    """A client's message has its homeserver's time, and counts from its place in the conversation."""
    here = reading.conversation
    (anna, *_) = await reading.features.conversation_store.members(reading.database, here.conversation_id)
    async with reading.database.transaction() as tx:
        long_ago = reading.clock.now() - 10 * 60_000
        await reading.features.messages.receive(
            tx, here, sender=anna, text="Hello?", origin_id="$1", sent_at=long_ago
        )
    assert await reading.unread() == {"anna": 0, "ben": 1, "chef": 1}
    ((message_id, delivery),) = (await reading.deliveries()).items()
    assert [one.participant_id for one in delivery.recipients] == ["ben", "chef"]
    assert await reading.read("chef", message_id) == 1


async def test_only_who_is_there_reads(reading: Reading) -> None:
    message = await reading.say("chef")
    async with reading.database.transaction() as tx:
        await reading.features.conversations.went(
            tx, reading.conversation.conversation_id, ParticipantId("ben"), "left"
        )
    before = await reading.features.everything()
    for who in ("ben", "mallory"):
        with pytest.raises(NotAParticipant) as refused:
            await reading.read(who)
        assert refused.value.field == "participant_id"
    assert await reading.features.everything() == before
    assert "ben" not in await reading.unread()
    assert [one.participant_id for one in (await reading.deliveries())[message].recipients] == ["anna"]


async def test_each_reader_has_read_when_they_first_reached_a_message(reading: Reading) -> None:
    first = await reading.say("chef")
    at = reading.clock.now()
    await reading.seen("anna", first, at=at)
    second = await reading.say("chef")
    reading.clock.advance(1_000)
    await reading.read("anna", second)
    reading.clock.advance(1_000)
    await reading.read("ben", second)
    now = reading.clock.now()
    found = await reading.deliveries()

    def read_at(message_id: MessageId) -> dict[str, int | None]:
        return {one.participant_id: one.read_at for one in found[message_id].recipients}

    assert read_at(first) == {"anna": at, "ben": now}
    assert read_at(second) == {"anna": now - 1_000, "ben": now}
    assert (found[first].status, found[first].read_at) == ("read", now)


async def test_nobody_reads_in_the_future(reading: Reading) -> None:
    message = await reading.say("chef")
    await reading.seen("anna", message, at=reading.clock.now() + 10**6)
    (anna, _) = (await reading.deliveries())[message].recipients
    assert anna.read_at == reading.clock.now()


async def test_who_could_not_be_brought_in_has_not_got_the_message(reading: Reading) -> None:
    message = await reading.say("chef")
    assert (await reading.deliveries())[message].status == "delivered"
    async with reading.database.transaction() as tx:
        await reading.features.conversations.not_added(
            tx, reading.conversation.conversation_id, ParticipantId("ben"), reason="no such user"
        )
    found = (await reading.deliveries())[message]
    assert [(one.participant_id, one.status) for one in found.recipients] == [
        ("anna", "delivered"),
        ("ben", "sent"),
    ]
    assert found.status == "sent"


async def test_the_event_says_who_read_how_far_and_where(reading: Reading) -> None:
    message = await reading.say("chef")
    await reading.read("anna", message)
    name, fields = (await reading.features.told())[-1]
    assert name == "ConversationRead"
    assert (fields["reader_id"], fields["in_client"]) == ("anna", False)
    await reading.seen("ben", message, at=5)
    assert (await reading.features.told())[-1][1]["in_client"] is True
    assert json.dumps(fields)  # plain values


async def test_many_who_read_at_once_end_at_the_furthest(reading: Reading) -> None:
    messages = [await reading.say("chef") for _ in range(6)]
    counts = await asyncio.gather(*(reading.read("anna", message) for message in (*messages, *messages)))
    assert sum(counts) == 6  # each was read once, by one of them
    assert (await reading.unread())["anna"] == 0
