"""Files in the tables: where they lie and what opens them is sealed."""

from dataclasses import replace

import pytest

from bridge.core.ids import ParticipantId
from bridge.messages.errors import NotText
from bridge.messages.held import Media
from bridge.messages.model import Message
from bridge.storage.database import Database
from tests.bridge.messages.polling import Polling, polling
from tests.bridge.messages.test_changes import ANNA, MINUTE


@pytest.fixture
async def talk(database: Database) -> Polling:
    return await polling(database)


def _file(of: Message) -> Media:
    assert isinstance(of.held, Media)
    return of.held


async def test_a_file_is_sealed_and_keeps_its_id(talk: Polling) -> None:
    media = Media(
        attachment_id="att-1",
        name="cake.jpg",
        source={"file": {"url": "mxc://people.test/cake", "key": {"k": "very-secret"}}},
        mimetype="image/jpeg",
        size=5,
    )
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.receive(
            tx,
            talk.conversation,
            sender=None,
            text="The cake",
            kind="image",
            held=media,
            origin_id="$f",
            origin_sender=ANNA,
            sent_at=talk.clock.now(),
        )
    (message,) = await talk.features.history(talk.conversation)
    assert (message.kind, _file(message)) == ("image", media)
    assert "very-secret" not in repr(message)
    stored = repr(await talk.features.everything())
    assert "cake" not in stored
    talk.clock.advance(MINUTE)
    async with talk.features.database.transaction() as tx:
        await talk.features.changes.receive_edit(
            tx,
            talk.conversation,
            of="$f",
            by=ANNA,
            text="Our cake",
            kind="image",
            held=replace(media, attachment_id="att-2"),
            origin_id="$e",
            claimed_at=talk.clock.now(),
            received_at=talk.clock.now(),
        )
    (message,) = await talk.features.history(talk.conversation)
    assert (message.text, _file(message)) == ("Our cake", media)
    with pytest.raises(NotText):
        async with talk.features.database.transaction() as tx:
            await talk.features.messages.forward(
                tx, message, to=talk.conversation, sender_id=ParticipantId("chef")
            )
