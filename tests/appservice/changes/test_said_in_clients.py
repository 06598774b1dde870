"""Whatever kind of message a client sends is taken in by what it says, or says nothing; none is a dead letter."""

from typing import Any

import pytest

from bridge.messages.held import Media
from bridge.messages.model import Kind
from tests.appservice.changes.room import Conversation
from tests.appservice.encryption.engine import BOT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import TALK
from tests.fakes.homeserver import Json

WAVE = {
    "body": "A cat that waves",
    "url": "mxc://people.test/cat",
    "info": {"mimetype": "image/png", "w": 256},
}
SEALED = {"file": {"url": "mxc://people.test/cat", "v": "v2", "iv": "aXY"}, "body": "cat.png"}

SAID: dict[str, tuple[str, Json, tuple[Kind, str] | None]] = {
    "a text": ("m.room.message", {"msgtype": "m.text", "body": "Hello"}, ("text", "Hello")),
    "what somebody does": ("m.room.message", {"msgtype": "m.emote", "body": "waves"}, ("text", "waves")),
    # Element's /confetti, /rainfall ...
    "an effect": (
        "m.room.message",
        {"msgtype": "nic.custom.confetti", "body": "sends confetti"},
        ("text", "sends confetti"),
    ),
    "a kind of tomorrow": ("m.room.message", {"msgtype": "m.hologram", "body": "A cake"}, ("text", "A cake")),
    "no kind": ("m.room.message", {"body": "Hello"}, ("text", "Hello")),
    "a kind that is none": ("m.room.message", {"msgtype": ["m.text"], "body": "Hello"}, ("text", "Hello")),
    "a picture": ("m.room.message", {"msgtype": "m.image"} | SEALED, ("image", "cat.png")),
    "a picture that lies nowhere": (
        "m.room.message",
        {"msgtype": "m.image", "body": "cat.png"},
        ("text", "cat.png"),
    ),
    "a sticker": ("m.sticker", WAVE, ("image", "A cat that waves")),
    "a sticker that is encrypted": ("m.sticker", SEALED, ("image", "cat.png")),
    "a sticker without a picture": ("m.sticker", {"body": "A cat that waves"}, ("text", "A cat that waves")),
    "a poll that cannot be read": (
        "org.matrix.msc3381.poll.start",
        {"body": "Which?", "org.matrix.msc3381.poll.start": {}},
        ("text", "Which?"),
    ),
    # Between clients: Festimo proves who it is by its signatures.
    "a wish to verify": (
        "m.room.message",
        {"msgtype": "m.key.verification.request", "body": "is requesting to verify your key", "methods": []},
        None,
    ),
    "a step of that": ("m.key.verification.start", {"method": "m.sas.v1"}, None),
    "no words": ("m.room.message", {"msgtype": "m.text"}, None),
    "words that are none": ("m.room.message", {"msgtype": "m.text", "body": 5}, None),
    "an event of no kind of ours": ("org.example.dance", {"body": "Hello"}, None),
}


@pytest.mark.parametrize(("event_type", "content", "said"), SAID.values(), ids=SAID)
async def test_what_a_client_sends_is_taken_in_by_what_it_says(
    talk: Conversation, anna: Party, event_type: str, content: Json, said: tuple[Kind, str] | None
) -> None:
    await anna.send_room_key(BOT, TALK)
    await talk.synced()
    inside: dict[str, Any] = {"type": event_type, "content": content}
    await talk.deliver(anna.event(TALK, "$1", anna.encrypt(TALK, "", inside=inside)))
    history = await talk.features.history(talk.conversation)
    assert [(one.kind, one.text) for one in history] == ([] if said is None else [said])
    assert (await talk.state_of("$1"), await talk.dead(), await talk.told()) == ("done", [], [])


async def test_a_sticker_is_found_where_it_lies(talk: Conversation, anna: Party) -> None:
    await anna.send_room_key(BOT, TALK)
    await talk.synced()
    inside: dict[str, Any] = {"type": "m.sticker", "content": WAVE}
    await talk.deliver(anna.event(TALK, "$1", anna.encrypt(TALK, "", inside=inside)))
    (message,) = await talk.features.history(talk.conversation)
    assert isinstance(message.held, Media)
    assert message.held.source == {"url": "mxc://people.test/cat"}
    assert (message.held.name, message.held.mimetype, message.held.width) == (
        "A cat that waves",
        "image/png",
        256,
    )
