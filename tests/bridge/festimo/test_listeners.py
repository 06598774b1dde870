"""Festimo hears what people say by API as what they say in a client, and nothing else; each thing once."""

import pytest

from bridge.core.ids import MessageId, ParticipantId
from bridge.festimo.answers import help_text
from bridge.festimo.listeners import Festimo, is_to_be_answered
from bridge.messages.events import SaidToFestimo
from bridge.messages.polls.rules import poll_of, text_of
from bridge.storage.database import Database
from tests.bridge.conversations.features import person
from tests.bridge.quotes.stall import ANNA, BEN, CHEF, Stall
from tests.databases import both_databases, one_database

pytestmark = one_database
ASKED = "!festimo help"
HEARD = "SELECT COUNT(*) FROM outbox WHERE topic LIKE 'festimo.%' OR topic LIKE 'quotes.%'"


class Room(Stall):
    """Where nobody has a client, and Festimo listens."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        features = self.features
        features.outbox.subscribe("festimo", SaidToFestimo, only=is_to_be_answered)
        self.listening = Festimo(
            database=database,
            conversations=features.conversation_store,
            bookings=features.booking_store,
            messages=features.messages,
            message_store=features.message_store,
            vendors=features.vendors,
            quotes=self.desk,
            outbox=features.outbox,
        )

    async def say(self, text: str, *, by: ParticipantId = CHEF) -> MessageId:
        message_id = await self.features.post(self.conversation, text=text, sender=by)
        await self.listen()
        return message_id

    async def listen(self) -> None:
        while item := await self.features.outbox.head(f"festimo:{self.conversation.conversation_id}"):
            await self.listening.heard(item)
        await self.work()

    async def texts(self) -> list[str]:
        return [one.text for one in await self.features.history(self.conversation)]

    async def heard(self) -> int:
        return int(await self.database.fetch_value(HEARD))


@pytest.fixture
async def room(database: Database) -> Room:
    room = Room(database)
    await room.opened()
    return room


@both_databases
async def test_what_people_post_is_answered_behind_it(room: Room) -> None:
    await room.say(ASKED)
    assert await room.texts() == [ASKED, help_text()]


async def test_what_the_platform_says_for_an_account_holder_are_their_words(room: Room) -> None:
    async with room.database.transaction() as tx:
        await room.features.participants.put(tx, person("anna", "Anna", mxid="@anna:people.test"))
    await room.say("What is booked, Festimo?", by=ANNA)
    assert (await room.texts())[-1].endswith("Nothing is booked so far.")


@both_databases
async def test_a_quote_is_written_and_accepted_in_words_alone(room: Room) -> None:
    await room.say("!festimo quote Cake: 300 EUR")
    quote = (await room.store.of_conversation(room.database, room.conversation.conversation_id, limit=1))[0]
    await room.reply_by_api(quote.latest.message_id, "accept", by=BEN)
    await room.reply_by_api((await room.question()).message_id, "confirm", by=BEN)
    now = await room.get(quote.quote_id)
    assert (now.latest.state, now.latest.answered_by) == ("accepted", BEN)
    assert [text.split()[0] for text in await room.texts()] == [
        "!festimo",
        "Quote",
        "accept",
        "Ben,",
        "confirm",
        "Ben",
    ]


async def test_what_is_not_said_to_festimo_costs_no_row(room: Room) -> None:
    asked = await room.say("Is the cake ready?", by=ANNA)
    await room.reply_by_api(asked, "accept", by=CHEF)
    assert await room.heard() == 0


async def test_nobody_but_people_is_heard(room: Room) -> None:
    """What Festimo itself says, what the platform does, what is repeated, and what somebody asks others."""
    said = await room.features.message_store.get(room.database, await room.say("Hello", by=ANNA))
    assert said is not None
    poll = poll_of("Festimo or not?", ("Yes", "No"), kind="disclosed", max_selections=1)
    messages = room.features.messages
    async with room.database.transaction() as tx:
        quoted = await messages.say(tx, room.conversation, text=ASKED)
        await messages.say(tx, room.conversation, text=ASKED, reply_to=quoted)
        announced = await messages.announce(tx, room.conversation, text=ASKED)
        await messages.post(tx, room.conversation, sender_id=ANNA, text=text_of(poll), kind="poll", held=poll)
    await room.reply_by_api(announced, "accept")
    known = await room.features.message_store.get(room.database, quoted)
    assert known is not None
    async with room.database.transaction() as tx:
        await messages.forward(tx, known, to=room.conversation, sender_id=ANNA)
    assert await room.heard() == 0


async def test_what_is_tried_again_is_not_heard_again(room: Room) -> None:
    message_id = await room.say(ASKED)
    said = await room.texts()
    messages = room.features.messages
    async with room.database.transaction() as tx:
        await tx.execute("UPDATE messages SET status = 'pending' WHERE message_id = $1", message_id)
        await messages.failed(tx, message_id, reason="the room was away")
    failed = await room.features.message_store.get(room.database, message_id)
    assert failed is not None
    async with room.database.transaction() as tx:
        await messages.retry(tx, failed, by=None)
    await room.listen()
    assert (await room.texts(), await room.heard()) == (said, 1)


async def test_what_is_deleted_before_it_was_heard_is_not_answered(room: Room) -> None:
    message_id = await room.features.post(room.conversation, text=ASKED, sender=ANNA)
    message = await room.features.message_store.get(room.database, message_id)
    assert message is not None
    async with room.database.transaction() as tx:
        await room.features.changes.delete(tx, message, sender_id=ANNA)
    await room.listen()
    assert len(await room.texts()) == 1
