"""Replies, threads, mentions and formatted text in the tables: from our side, and as they were written in a client."""

from typing import Any

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import (
    MessageIsDeleted,
    NotAParticipant,
    NotInConversation,
    OtherThread,
    ThreadInThread,
)
from bridge.messages.model import Message
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features
from tests.bridge.messages.test_changes import ANNA, Talk


@pytest.fixture
async def talk(database: Database) -> Talk:
    features = Features(database)
    return Talk(features, await features.open())


async def say(talk: Talk, text: str = "Yes", **more: Any) -> Message:
    async with talk.features.database.transaction() as tx:
        message_id = await talk.features.messages.post(
            tx, talk.conversation, sender_id=ParticipantId("chef"), text=text, **more
        )
    return await talk.message(message_id)


async def receive(talk: Talk, origin_id: str, **more: Any) -> Message:
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.receive(
            tx, talk.conversation, sender=None, text="Hm", origin_id=origin_id, sent_at=0, **more
        )
    return (await talk.features.history(talk.conversation))[-1]


async def test_a_reply_names_what_it_answers(talk: Talk) -> None:
    question = await talk.post()
    assert (await say(talk, reply_to=question)).reply_to == question


async def test_an_answer_in_a_thread_is_in_it_by_itself(talk: Talk) -> None:
    root = await talk.post()
    first = await say(talk, thread_id=root)
    second = await say(talk, reply_to=first.message_id)
    third = await say(talk, reply_to=root, thread_id=root)
    assert [(one.reply_to, one.thread_id) for one in (first, second, third)] == [
        (None, root),
        (first.message_id, root),
        (root, root),
    ]


REFUSED: dict[str, tuple[dict[str, str], type[Refusal], str]] = {
    "an answer to nothing": ({"reply_to": "nothing"}, NotInConversation, "reply_to"),
    "to another conversation": ({"reply_to": "elsewhere"}, NotInConversation, "reply_to"),
    "to what was deleted": ({"reply_to": "deleted"}, MessageIsDeleted, "reply_to"),
    "a thread of nothing": ({"thread_id": "nothing"}, NotInConversation, "thread_id"),
    "of another conversation": ({"thread_id": "elsewhere"}, NotInConversation, "thread_id"),
    "of what was deleted": ({"thread_id": "deleted"}, MessageIsDeleted, "thread_id"),
    "in a thread": ({"thread_id": "in thread"}, ThreadInThread, "thread_id"),
    "an answer from without": ({"reply_to": "root", "thread_id": "other"}, OtherThread, "reply_to"),
    "from another thread": ({"reply_to": "in thread", "thread_id": "other"}, OtherThread, "reply_to"),
    "a mention of somebody else": ({"mentions": "zoe"}, NotAParticipant, "mentions"),
}


@pytest.mark.parametrize(("asked", "refusal", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_refused_answer_changes_nothing(
    talk: Talk, asked: dict[str, str], refusal: type[Refusal], field: str
) -> None:
    features = talk.features
    elsewhere = await features.open(party="p2")
    places: dict[str, Any] = {
        "elsewhere": await features.post(elsewhere, text="Hi"),
        "root": await talk.post(),
        "other": await talk.post(),
        "deleted": await talk.post(),
        "nothing": MessageId("nothing"),
        "zoe": [ParticipantId("anna"), ParticipantId("zoe")],
    }
    places["in thread"] = (await say(talk, thread_id=places["root"])).message_id
    await talk.delete(places["deleted"])
    before = await features.everything()
    with pytest.raises(refusal) as refused:
        await say(talk, **{name: places[place] for name, place in asked.items()})
    assert refused.value.field == field
    assert await features.everything() == before


async def test_what_a_client_answers_may_come_later(talk: Talk) -> None:
    reply = await receive(talk, "$2", reply_origin="$1", thread_origin="$0")
    assert (reply.reply_to, reply.thread_id) == (None, None)
    root = await talk.said("$0")
    asked = await talk.post()
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.sent(tx, asked, origin_id="$1")
    reply = await talk.message(reply.message_id)
    assert (reply.reply_to, reply.thread_id) == (asked, root)


async def test_what_a_client_answers_in_another_conversation_is_nothing(talk: Talk) -> None:
    other = Talk(talk.features, await talk.features.open(party="p2"))
    await other.said("$1")
    assert (await receive(talk, "$2", reply_origin="$1")).reply_to is None


async def test_the_last_of_a_thread_that_the_room_has(talk: Talk) -> None:
    async def last() -> str | None:
        root = await talk.message(root_id)
        return await talk.features.message_store.last_of_thread(talk.features.database, root)

    await talk.said("$before")
    root_id = await talk.said("$root")
    assert await last() == "$root"
    await receive(talk, "$in", thread_origin="$root")
    await receive(talk, "$out")
    assert await last() == "$in"
    waiting = await say(talk, thread_id=root_id)
    assert await last() == "$in"
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.sent(tx, waiting.message_id, origin_id="$ours")
    assert await last() == "$ours"
    await talk.delete(waiting.message_id, sender=None)
    assert await last() == "$in"


async def test_formatted_text_and_mentions_are_kept_and_sealed(talk: Talk) -> None:
    people = [ParticipantId("anna"), ParticipantId("chef")]
    said = await say(talk, text="marzipan", html="<b>marzipan</b><script>x</script>", mentions=people)
    assert (said.html, said.mentions) == ("<b>marzipan</b>", ("anna", "chef"))
    assert b"marzipan" not in repr(await talk.features.everything()).encode()
    await talk.delete(said.message_id, sender=None)
    gone = await talk.message(said.message_id)
    assert (gone.text, gone.html, gone.mentions) == ("", None, ())


async def test_an_edit_has_its_own_format_and_leaves_the_mentions(talk: Talk) -> None:
    said = await say(talk, html="<b>Yes</b>", mentions=[ParticipantId("anna")])

    async def edit(text: str, html: str | None) -> Message:
        async with talk.features.database.transaction() as tx:
            sender = ParticipantId("chef")
            await talk.features.changes.edit(tx, said, sender_id=sender, text=text, html=html)
        return await talk.message(said.message_id)

    edited = await edit("Yes", "<i>Yes</i><script>x</script>")
    assert (edited.html, edited.mentions, edited.edited_at is not None) == ("<i>Yes</i>", ("anna",), True)
    before = await talk.features.everything()
    await edit("Yes", "<i>Yes</i>")
    assert await talk.features.everything() == before
    assert (await edit("Yes", None)).html is None


async def test_a_clients_edit_brings_its_format_and_mentions(talk: Talk) -> None:
    message_id = await talk.said()
    async with talk.features.database.transaction() as tx:
        await talk.features.changes.receive_edit(
            tx,
            talk.conversation,
            of="$1",
            by=ANNA,
            text="No",
            html="<b onclick=x>No</b>",
            mentions=[ParticipantId("chef")],
            origin_id="$e",
            claimed_at=talk.clock.now(),
            received_at=talk.clock.now(),
        )
    message = await talk.message(message_id)
    assert (message.text, message.html, message.mentions) == ("No", "<b>No</b>", ("chef",))
    assert await talk.redacted("$e")
    message = await talk.message(message_id)
    assert (message.html, message.mentions) == (None, ())
