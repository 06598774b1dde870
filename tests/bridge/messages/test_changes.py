"""Edits and deletions in the tables: from our side, and as they were done in a client."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.conversations.model import Conversation
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import (
    DeleteWindowClosed,
    EditWindowClosed,
    MessageIsDeleted,
    NotTheSender,
    TextBlank,
    TextTooLong,
    WrittenInClient,
)
from bridge.messages.model import Message
from bridge.storage.database import Database
from tests.bridge.conversations.features import MAX_TEXT_LENGTH, Features

ANNA, CHEF = "@anna:example.org", "@chef:example.org"
MINUTE = 60_000
HOUR = 60 * MINUTE


class Talk:
    """One conversation, and the two ways of changing what is said in it."""

    def __init__(self, features: Features, conversation: Conversation) -> None:
        self.features = features
        self.conversation = conversation
        self.clock = features.clock

    # From our side

    async def post(self, text: str = "Vegan?", sender: str = "anna") -> MessageId:
        return await self.features.post(self.conversation, text=text, sender=sender)

    async def edit(self, message_id: MessageId, text: str, *, sender: str = "anna") -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.changes.edit(tx, message, sender_id=ParticipantId(sender), text=text)

    async def delete(self, message_id: MessageId, *, sender: str | None = "anna") -> None:
        message = await self.message(message_id)
        by = None if sender is None else ParticipantId(sender)
        async with self.features.database.transaction() as tx:
            await self.features.changes.delete(tx, message, sender_id=by)

    # In a client

    async def said(self, origin_id: str = "$1", text: str = "Vegan?", *, at: int | None = None) -> MessageId:
        people = await self.features.conversation_store.members(
            self.features.database, self.conversation.conversation_id
        )
        anna = next(one for one in people if one.participant.participant_id == "anna")
        async with self.features.database.transaction() as tx:
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=anna,
                text=text,
                origin_id=origin_id,
                origin_sender=ANNA,
                sent_at=self.clock.now() if at is None else at,
            )
        return (await self.features.history(self.conversation))[-1].message_id

    async def edited(
        self, text: str, *, of: str = "$1", by: str = ANNA, origin_id: str = "$e", at: int | None = None
    ) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.changes.receive_edit(
                tx,
                self.conversation,
                of=of,
                by=by,
                text=text,
                origin_id=origin_id,
                claimed_at=self.clock.now() if at is None else at,
                received_at=self.clock.now(),
            )

    async def redacted(
        self, of: str = "$1", *, by: str = ANNA, is_staff: bool = False, at: int | None = None
    ) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.changes.receive_deletion(
                tx,
                self.conversation,
                of=of,
                by=by,
                is_staff=is_staff,
                claimed_at=self.clock.now() if at is None else at,
                received_at=self.clock.now(),
            )

    async def message(self, message_id: MessageId) -> Message:
        message = await self.features.message_store.get(self.features.database, message_id)
        assert message is not None
        return message

    async def texts(self) -> list[str]:
        return [message.text for message in await self.features.history(self.conversation)]

    async def told(self) -> list[str]:
        """The names of all events."""
        return [name for name, _ in await self.features.told()]


@pytest.fixture
async def talk(database: Database) -> Talk:
    features = Features(database)
    return Talk(features, await features.open())


async def test_an_edited_message_says_the_new_text_and_that_it_was_edited(talk: Talk) -> None:
    message_id = await talk.post()
    said = await talk.message(message_id)
    talk.clock.advance(1000)
    await talk.edit(message_id, "Vegetarian?")

    message = await talk.message(message_id)
    assert (message.text, message.edited_at) == ("Vegetarian?", talk.clock.now())
    assert (message.created_at, message.position, message.status) == (
        said.created_at,
        said.position,
        "pending",
    )
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["message_id"]) == ("MessageEdited", message_id)
    assert fields["edit_id"] is not None


async def test_of_two_edits_in_the_same_millisecond_the_second_counts(talk: Talk) -> None:
    message_id = await talk.post()
    for text in ("One", "Two", "Three", "Four"):
        await talk.edit(message_id, text)
        assert (await talk.message(message_id)).text == text


async def test_the_same_edit_again_changes_nothing_even_late(talk: Talk) -> None:
    message_id = await talk.post()
    await talk.edit(message_id, "Vegetarian?")
    before = await talk.features.everything()
    talk.clock.advance(HOUR)
    await talk.edit(message_id, "Vegetarian?")
    assert await talk.features.everything() == before
    with pytest.raises(NotTheSender):
        await talk.edit(message_id, "Vegetarian?", sender="chef")


async def test_a_deleted_message_says_nothing_and_nothing_of_it_is_left(talk: Talk) -> None:
    message_id = await talk.post()
    await talk.edit(message_id, "Vegetarian?")
    await talk.delete(message_id)

    message = await talk.message(message_id)
    assert (message.text, message.is_deleted, message.deleted_at) == ("", True, talk.clock.now())
    assert (message.sender_id, message.sender_type) == ("anna", "user")
    rows = await talk.features.database.fetch("SELECT edited_content FROM messages")
    assert [row["edited_content"] for row in rows] == [None]
    rows = await talk.features.database.fetch("SELECT content FROM message_edits")
    assert [row["content"] for row in rows] == [None]
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["message_id"], fields["in_client"]) == ("MessageDeleted", message_id, False)

    before = await talk.features.everything()
    await talk.delete(message_id)
    await talk.delete(message_id, sender=None)
    assert await talk.features.everything() == before


Act = Callable[[Talk, MessageId], Awaitable[None]]
REFUSED: list[tuple[Act, int, type[Refusal]]] = [
    (lambda talk, message: talk.edit(message, "Mine", sender="chef"), 0, NotTheSender),
    (lambda talk, message: talk.edit(message, "Mine", sender="mallory"), 0, NotTheSender),
    (lambda talk, message: talk.edit(message, "Late"), 15 * MINUTE + 1, EditWindowClosed),
    (lambda talk, message: talk.edit(message, " \n"), 0, TextBlank),
    (lambda talk, message: talk.edit(message, "x" * (MAX_TEXT_LENGTH + 1)), 0, TextTooLong),
    (lambda talk, message: talk.delete(message, sender="chef"), 0, NotTheSender),
    (lambda talk, message: talk.delete(message), HOUR + 1, DeleteWindowClosed),
]


@pytest.mark.parametrize(("act", "age", "refusal"), REFUSED)
async def test_a_refused_change_changes_nothing(
    talk: Talk, act: Act, age: int, refusal: type[Refusal]
) -> None:
    message_id = await talk.post()
    talk.clock.advance(age)
    before = await talk.features.everything()
    with pytest.raises(refusal):
        await act(talk, message_id)
    assert await talk.features.everything() == before


async def test_what_nobody_in_particular_said_is_nobodys_to_change_but_the_staffs(talk: Talk) -> None:
    async with talk.features.database.transaction() as tx:
        message_id = await talk.features.messages.announce(tx, talk.conversation, text="Booked.")
    with pytest.raises(NotTheSender):
        await talk.edit(message_id, "Mine")
    with pytest.raises(NotTheSender):
        await talk.delete(message_id)
    talk.clock.advance(1000 * HOUR)
    await talk.delete(message_id, sender=None)
    assert (await talk.message(message_id)).is_deleted


async def test_a_deleted_message_cannot_be_edited(talk: Talk) -> None:
    message_id = await talk.post()
    await talk.delete(message_id)
    with pytest.raises(MessageIsDeleted):
        await talk.edit(message_id, "Back again")


async def test_what_was_written_in_a_client_is_deleted_but_not_edited_from_our_side(talk: Talk) -> None:
    message_id = await talk.said()
    with pytest.raises(WrittenInClient):
        await talk.edit(message_id, "Vegetarian?")
    await talk.delete(message_id)
    assert await talk.texts() == [""]


async def test_an_edit_in_a_client_is_taken_in_once(talk: Talk) -> None:
    message_id = await talk.said()
    talk.clock.advance(15 * MINUTE)
    assert await talk.edited("Vegetarian?")
    message = await talk.message(message_id)
    assert (message.text, message.edited_at) == ("Vegetarian?", talk.clock.now())
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["message_id"], fields["edit_id"]) == ("MessageEdited", message_id, None)
    before = await talk.features.everything()
    assert await talk.edited("Another text under the same id")
    assert await talk.features.everything() == before


async def test_the_latest_edit_counts_in_whatever_order_they_come(talk: Talk) -> None:
    await talk.said()
    start = talk.clock.now()
    talk.clock.advance(MINUTE)
    for at, origin_id in ((1, "$a"), (3, "$c"), (2, "$b")):
        await talk.edited(origin_id, origin_id=origin_id, at=start + at)
    assert await talk.texts() == ["$c"]
    # Of two at once the one with the greater id, as clients do it.
    await talk.edited("$d", origin_id="$d", at=start + 3)
    await talk.edited("$b2", origin_id="$b2", at=start + 3)
    assert await talk.texts() == ["$d"]


async def test_an_edit_that_is_taken_back_shows_what_was_said_before_it(talk: Talk) -> None:
    message_id = await talk.said()
    start = talk.clock.now()
    await talk.edited("Second", origin_id="$2", at=start)
    talk.clock.advance(1)
    await talk.edited("Third", origin_id="$3")
    assert await talk.redacted("$3")
    assert await talk.texts() == ["Second"]
    assert await talk.redacted("$2")
    message = await talk.message(message_id)
    assert (message.text, message.edited_at, message.is_deleted) == ("Vegan?", None, False)
    assert (await talk.told())[-2:] == ["MessageEdited", "MessageEdited"]


async def test_a_redaction_deletes_our_copy(talk: Talk) -> None:
    message_id = await talk.said()
    await talk.edited("Vegetarian?")
    talk.clock.advance(HOUR)
    assert await talk.redacted()
    assert (await talk.message(message_id)).is_deleted
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["message_id"], fields["in_client"]) == ("MessageDeleted", message_id, True)
    before = await talk.features.everything()
    assert await talk.redacted()
    assert await talk.features.everything() == before


async def test_what_is_not_known_yet_is_said_to_be_so(talk: Talk) -> None:
    assert not await talk.edited("Vegetarian?")
    assert not await talk.redacted()


async def test_what_is_said_elsewhere_is_not_known_here(talk: Talk) -> None:
    await talk.said()
    other = Talk(talk.features, await talk.features.open(party="p2"))
    assert not await other.edited("Vegetarian?")
    assert not await other.redacted()
    assert not await other.redacted(is_staff=True)
    assert await talk.texts() == ["Vegan?"]


Done = Callable[[Talk], Awaitable[bool]]
REFUSED_IN_CLIENTS: list[tuple[Done, int, type[Refusal]]] = [
    (lambda talk: talk.edited("Mine", by=CHEF), 0, NotTheSender),
    (lambda talk: talk.edited("Late"), 15 * MINUTE + 1, EditWindowClosed),
    (lambda talk: talk.redacted(by=CHEF), 0, NotTheSender),
    (lambda talk: talk.redacted(), HOUR + 1, DeleteWindowClosed),
    # A homeserver that says it was long ago is not believed for longer than a day.
    (lambda talk: talk.edited("Late", at=0), 24 * HOUR + 15 * MINUTE + 1, EditWindowClosed),
    (lambda talk: talk.redacted(at=0), 25 * HOUR + 1, DeleteWindowClosed),
]


@pytest.mark.parametrize(("act", "age", "refusal"), REFUSED_IN_CLIENTS)
async def test_a_refused_change_in_a_client_changes_nothing(
    talk: Talk, act: Done, age: int, refusal: type[Refusal]
) -> None:
    await talk.said()
    talk.clock.advance(age)
    before = await talk.features.everything()
    with pytest.raises(refusal):
        await act(talk)
    assert await talk.features.everything() == before


async def test_an_edit_that_was_in_time_counts_after_an_outage(talk: Talk) -> None:
    await talk.said()
    made_at = talk.clock.now() + MINUTE
    talk.clock.advance(12 * HOUR)
    assert await talk.edited("Vegetarian?", at=made_at)
    assert await talk.texts() == ["Vegetarian?"]


async def test_a_message_from_the_future_cannot_be_edited_for_longer(talk: Talk) -> None:
    await talk.said(at=talk.clock.now() + 1000 * HOUR)
    talk.clock.advance(15 * MINUTE + 1)
    with pytest.raises(EditWindowClosed):
        await talk.edited("Late")


@pytest.mark.parametrize("is_staff", [False, True])
async def test_nobody_edits_in_a_client_what_was_posted_here(talk: Talk, *, is_staff: bool) -> None:
    message_id = await talk.post()
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.sent(tx, message_id, origin_id="$1", origin_sender="@ghost:example.org")
    for by in (ANNA, "@ghost:example.org"):
        with pytest.raises(NotTheSender):
            await talk.edited("Mine", by=by)
        if is_staff:
            assert await talk.redacted(by=by, is_staff=True)
        else:
            with pytest.raises(NotTheSender):
                await talk.redacted(by=by)


async def test_the_texts_of_edits_are_sealed(talk: Talk) -> None:
    await talk.edit(await talk.post(), "marzipan")
    await talk.said()
    await talk.edited("nougat")
    everything = repr(await talk.features.everything()).encode()
    assert b"marzipan" not in everything
    assert b"nougat" not in everything
