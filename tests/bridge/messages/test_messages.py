"""What is said in a conversation: by whom, in what order, and what is refused without a trace."""

import asyncio

import pytest

from bridge.conversations.model import Conversation
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId
from bridge.messages import rules
from bridge.messages.errors import NotAParticipant, TextBlank, TextTooLong
from bridge.messages.model import Message
from bridge.storage.database import Database
from tests.bridge.conversations.features import MAX_TEXT_LENGTH, Features, person


@pytest.fixture
def features(database: Database) -> Features:
    return Features(database)


async def receive(
    features: Features, conversation: Conversation, text: str, origin_id: str, sender: str
) -> None:
    people = await features.conversation_store.members(features.database, conversation.conversation_id)
    async with features.database.transaction() as tx:
        await features.messages.receive(
            tx,
            conversation,
            sender=next((one for one in people if one.participant.participant_id == sender), None),
            text=text,
            origin_id=origin_id,
            sent_at=1_700_000_000_000,
        )


async def only(features: Features, conversation: Conversation) -> Message:
    (message,) = await features.history(conversation)
    return message


@pytest.mark.parametrize(("sender", "sender_type"), [("anna", "user"), ("chef", "vendor")])
async def test_a_post_waits_for_its_delivery(features: Features, sender: str, sender_type: str) -> None:
    conversation = await features.open()
    message_id = await features.post(conversation, text="Vegan?", sender=sender)
    message = await only(features, conversation)
    assert (message.message_id, message.text, message.status) == (message_id, "Vegan?", "pending")
    assert (message.sender_id, message.sender_type, message.kind) == (sender, sender_type, "text")
    assert message.created_at == features.clock.now()
    name, fields = (await features.told())[-1]
    assert (name, fields["message_id"]) == ("MessagePosted", message_id)


async def test_the_platforms_word_is_nobodys(features: Features) -> None:
    conversation = await features.open()
    async with features.database.transaction() as tx:
        await features.messages.announce(tx, conversation, text="Booked.")
    message = await only(features, conversation)
    assert (message.sender_id, message.sender_type, message.kind) == (None, "system", "system")


LONGEST = "🎂" * MAX_TEXT_LENGTH

REFUSED: list[tuple[str, str, type[Refusal], str]] = [
    # Nothing to see.
    ("", "anna", TextBlank, "text"),
    (" \n\t\u00a0\u2003", "anna", TextBlank, "text"),
    # One character more than allowed.
    (LONGEST + "x", "anna", TextTooLong, "text"),
    # Nobody, somebody of another party, and ids that are alike only nearly.
    ("Hi", "mallory", NotAParticipant, "sender_id"),
    ("Hi", "zoe", NotAParticipant, "sender_id"),
    ("Hi", "Anna", NotAParticipant, "sender_id"),
    ("Hi", "ann_", NotAParticipant, "sender_id"),
    ("Hi", "", NotAParticipant, "sender_id"),
]


@pytest.mark.parametrize(("text", "sender", "refusal", "field"), REFUSED)
async def test_a_refused_post_changes_nothing(
    features: Features, text: str, sender: str, refusal: type[Refusal], field: str
) -> None:
    conversation = await features.open()
    await features.open(party="p2", hosts=[person("zoe", "Zoe")])
    before = await features.everything()
    with pytest.raises(refusal) as refused:
        await features.post(conversation, text=text, sender=sender)
    assert refused.value.field == field
    assert await features.everything() == before


async def test_a_text_may_be_exactly_as_long_as_allowed(features: Features) -> None:
    conversation = await features.open()
    await features.post(conversation, text=LONGEST)
    assert (await only(features, conversation)).text == LONGEST


def test_without_configuration_ten_thousand_characters_are_allowed() -> None:
    rules.check_text("🎂" * 10_000)
    with pytest.raises(TextTooLong, match="10001 characters; 10000"):
        rules.check_text("🎂" * 10_001)


@pytest.mark.parametrize(
    "text", ["a\n\tb", "\0", "\ud800", "🎂", "'; DROP TABLE messages; --", '{"text": 1}']
)
async def test_a_text_comes_back_as_it_was_said(features: Features, text: str) -> None:
    conversation = await features.open()
    await receive(features, conversation, text, "$1", "anna")
    assert (await only(features, conversation)).text == text


async def test_what_is_received_again_is_one_message(features: Features) -> None:
    conversation = await features.open()
    await receive(features, conversation, "Vegan?", "$1", "anna")
    before = await features.everything()
    await receive(features, conversation, "Vegan?", "$1", "anna")
    await receive(features, conversation, "Another text", "$1", "chef")
    assert await features.everything() == before
    message = await only(features, conversation)
    assert (message.text, message.sender_id, message.status) == ("Vegan?", "anna", "sent")
    assert message.created_at == 1_700_000_000_000
    assert (await features.told())[-1][0] == "MessageReceived"


async def test_racing_receptions_of_one_message_are_one(features: Features) -> None:
    conversation = await features.open()
    await asyncio.gather(*(receive(features, conversation, "Vegan?", "$1", "anna") for _ in range(8)))
    assert len(await features.history(conversation)) == 1
    assert [name for name, _ in await features.told()].count("MessageReceived") == 1


async def test_somebody_unknown_is_heard_too(features: Features) -> None:
    conversation = await features.open()
    await receive(features, conversation, "Hello?", "$1", "nobody we know")
    assert (await only(features, conversation)).sender_id is None


async def test_positions_are_in_the_order_of_commits(features: Features) -> None:
    """Whoever reads after a position never misses a message that was given a lower one later."""
    conversation = await features.open()
    seen: list[str] = []
    after = 0

    async def read() -> None:
        nonlocal after
        for message in await features.message_store.history(
            features.database, conversation.conversation_id, after=after
        ):
            seen.append(message.text)
            after = message.position

    async def write(number: int) -> None:
        await features.post(conversation, text=f"{number}")
        await reading.acquire()
        await read()
        reading.release()

    reading = asyncio.Lock()
    await asyncio.gather(*(write(number) for number in range(30)))
    assert sorted(seen, key=int) == [f"{number}" for number in range(30)]
    assert [message.text for message in await features.history(conversation)] == seen


async def test_history_is_read_in_pages(features: Features) -> None:
    conversation, other = await features.open(), await features.open(party="p2")
    for number in range(5):
        await features.post(conversation, text=f"{number}")
        await features.post(other, text="elsewhere")
    store, of = features.message_store, conversation.conversation_id
    first = await store.history(features.database, of, limit=2)
    second = await store.history(features.database, of, after=first[-1].position, limit=2)
    assert [message.text for message in first + second] == ["0", "1", "2", "3"]


async def test_what_became_of_a_message_is_followed(features: Features) -> None:
    conversation = await features.open()
    message_id = await features.post(conversation, text="Vegan?")
    async with features.database.transaction() as tx:
        await features.messages.failed(tx, message_id, reason="no such room")
    failed = await only(features, conversation)
    async with features.database.transaction() as tx:
        await features.messages.sent(tx, message_id, origin_id="$1")
    sent = await only(features, conversation)
    assert (failed.status, failed.failure_reason) == ("failed", "no such room")
    assert (sent.status, sent.failure_reason, sent.origin_id) == ("sent", None, "$1")


async def test_a_message_nobody_sent_is_not_found(features: Features) -> None:
    assert await features.message_store.get(features.database, MessageId("nothing")) is None
