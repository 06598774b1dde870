"""Polls, places and files between the API and clients: encrypted, once whatever is killed, and counted alike."""

from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from appservice.homeserver import HomeserverUnavailable
from appservice.inbound.late import POLL_EDIT
from appservice.polls import END, RESPONSE, START, end_of, response_of, start_of
from bridge.core.clock import FrozenClock
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.messages.held import Media, Poll
from bridge.messages.model import Message
from bridge.messages.places import place_at
from bridge.messages.polls import rules
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.storage.database import Database
from tests.appservice.changes.room import GHOST, MINUTE, Conversation
from tests.appservice.changes.test_from_our_side import MOMENTS
from tests.appservice.changes.test_in_clients import MALLORY, key
from tests.appservice.encryption.engine import BOT, TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK
from tests.appservice.test_kinds import FILE
from tests.bridge.conversations.features import person
from tests.fakes.homeserver import FakeHomeserver, Json, Moment

POLL = rules.poll_of("Which menu?", ["Vegan", "Meat"], kind="disclosed", max_selections=1)
TEXT = "Which menu?\n1. Vegan\n2. Meat"


class Polling(Conversation):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        outbox = self.features.outbox
        outbox.subscribe("matrix", PollVoted, only=lambda voted: voted.vote_id is not None)
        outbox.subscribe("matrix", PollEnded, only=lambda ended: not ended.in_client)

    async def ask(self, *, sender: str = "chef") -> MessageId:
        return await self.post(TEXT, sender=sender, kind="poll", held=POLL)

    async def vote(self, message_id: MessageId, *answers: str, by: str = "chef") -> None:
        message = await self.message(message_id)
        async with self.engine.database.transaction() as tx:
            await self.features.polls.vote(tx, message, by=ParticipantId(by), answers=answers)

    async def close(self, message_id: MessageId, *, by: str | None = "chef") -> None:
        message = await self.message(message_id)
        async with self.engine.database.transaction() as tx:
            await self.features.polls.close(tx, message, by=None if by is None else ParticipantId(by))

    async def counts(self, message: Message) -> tuple[int, ...]:
        database, store = self.engine.database, self.features.poll_store
        assert isinstance(message.held, Poll)
        votes = await store.of(database, message.message_id)
        end = await store.end(database, message.message_id)
        return tuple(rules.result(message.held, votes, end).counts.values())

    async def is_closed(self, message: Message) -> bool:
        return await self.features.poll_store.end(self.engine.database, message.message_id) is not None

    async def only(self) -> Message:
        (message,) = await self.features.history(self.conversation)
        return message

    def sent(
        self, party: Party, event_id: str, event_type: str, content: Json, *, at: int | None = None
    ) -> Json:
        """By the party's client; the relation stands beside the ciphertext, too."""
        inside = {"type": event_type, "content": content}
        beside = {name: content[name] for name in ("m.relates_to",) if name in content}
        event = party.event(TALK, event_id, party.encrypt(TALK, "", inside=inside) | beside)
        return event | {"origin_server_ts": self.clock.now() if at is None else at}

    async def shown(self, anna: Party) -> Sequence[tuple[str, str, Any]]:
        """Sender, type and content of all that is in the room, as Anna's client reads it."""
        await anna.sync()
        return [
            (event["sender"], read["type"], read["content"])
            for event, read in ((event, anna.read(event)) for event in self.in_room())
        ]


@pytest.fixture
async def talk(database: Database) -> Polling:
    """On both databases."""
    polling = Polling(Engine(database, FakeHomeserver(), FrozenClock()))
    await polling.opened()
    return polling


# From our side


async def test_a_ghosts_poll_its_votes_and_its_end_are_native_and_encrypted(
    talk: Polling, anna: Party
) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1")
    await talk.vote(poll, "2")
    await talk.vote(poll)
    await talk.close(poll)
    await talk.go_out()
    assert {event["type"] for event in talk.in_room()} == {"m.room.encrypted"}
    shown = await talk.shown(anna)
    assert [(sender, kind) for sender, kind, _ in shown] == [
        (GHOST, START),
        *[(GHOST, RESPONSE)] * 3,
        (GHOST, END),
    ]
    start, *votes, end = [content for _, _, content in shown]
    assert start == start_of(POLL, text=TEXT, prefix="") | {"m.mentions": {}}
    event_id = talk.in_room()[0]["event_id"]
    relation = {"rel_type": "m.reference", "event_id": event_id}
    assert [content[RESPONSE]["answers"] for content in votes] == [["1"], ["2"], []]
    assert all(content["m.relates_to"] == relation for content in (*votes, end))
    # Clients and the homeserver see which events belong together, and nothing else.
    assert all(event["content"]["m.relates_to"] == relation for event in talk.in_room()[1:])
    assert "Vegan: 0" in end["org.matrix.msc1767.text"]
    assert len(await talk.features.history(talk.conversation)) == 1


async def test_a_poll_is_closed_when_the_room_saw_it(talk: Polling, anna: Party) -> None:
    await key(talk, anna)
    poll = await talk.ask()
    await talk.go_out()
    (start,) = talk.in_room()
    await talk.close(poll)
    talk.clock.advance(MINUTE)
    response = response_of(POLL, ["1"], of=start["event_id"])
    await talk.deliver(talk.sent(anna, "$v", RESPONSE, response))
    message = await talk.message(poll)
    assert await talk.counts(message) == (0, 0)
    talk.homeserver.takes_at = talk.clock.now()
    await talk.go_out()
    found = await talk.features.poll_store.end(talk.engine.database, poll)
    assert found is not None
    assert (found.closed_at, found.origin_id) == (talk.clock.now(), talk.in_room()[-1]["event_id"])
    assert await talk.counts(message) == (1, 0)


async def test_account_holders_ask_and_close_by_festimo(talk: Polling, anna: Party) -> None:
    poll = await talk.ask(sender="anna")
    await talk.vote(poll, "1", by="anna")
    await talk.close(poll, by="anna")
    await talk.go_out()
    shown = await talk.shown(anna)
    assert [(sender, kind) for sender, kind, _ in shown] == [
        (BOT, START),
        (BOT, "m.room.message"),
        (BOT, END),
        (BOT, "m.room.message"),
    ]
    assert shown[0][2][START]["question"]["body"] == "Anna: Which menu?"
    assert shown[1][2]["body"].startswith("On behalf of Anna: voted for “Vegan”")
    assert shown[3][2]["body"].startswith("The poll “Which menu?” is closed.")


async def test_festimo_closes_what_a_ghost_cannot(talk: Polling, anna: Party) -> None:
    first, second = await talk.ask(), await talk.ask()
    await talk.close(first, by=None)
    await talk.close(second)
    async with talk.engine.database.transaction() as tx:  # before it could be told
        await tx.execute("UPDATE conversations SET status = 'closed', closed_at = 1")
    await talk.go_out()
    assert [sender for sender, kind, _ in await talk.shown(anna) if kind == END] == [BOT, BOT]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_what_lost_its_answer_is_there_once(
    talk: Polling, anna: Party, moment: Moment, which: int
) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1")
    await talk.close(poll)
    for _ in range(which):
        item = await talk.next_out()
        assert item is not None
        await talk._handlers[item.topic](item)
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.go_out()
    assert [kind for _, kind, _ in await talk.shown(anna)] == [START, RESPONSE, END]
    (vote,) = await talk.features.poll_store.of(talk.engine.database, poll)
    assert (vote.origin_id, vote.origin_sender) == (talk.in_room()[1]["event_id"], GHOST)


async def test_nobody_votes_in_a_poll_that_is_not_there(talk: Polling, anna: Party) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1")
    await talk.close(poll)
    await talk.delete(poll)
    await talk.go_out()
    assert talk.in_room() == []


async def test_who_got_an_account_is_not_spoken_for(talk: Polling, anna: Party) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1")
    async with talk.engine.database.transaction() as tx:
        chef = person("chef", "Sweet Bites", mxid="@chef:people.test", tenant=TENANT)
        await talk.features.participants.put(tx, chef)
    await talk.go_out()
    assert [kind for _, kind, _ in await talk.shown(anna)] == [START]


async def test_a_place_is_native(talk: Polling, anna: Party) -> None:
    place = place_at(52.52, 13.405, description="Town hall")
    await talk.post("Town hall", kind="location", held=place)
    await talk.go_out()
    ((sender, kind, content),) = await talk.shown(anna)
    assert (sender, kind, content["msgtype"]) == (GHOST, "m.room.message", "m.location")
    assert (content["geo_uri"], content["body"]) == ("geo:52.52,13.405", "Town hall (geo:52.52,13.405)")
    assert content["org.matrix.msc3488.location"] == {"uri": "geo:52.52,13.405", "description": "Town hall"}


# In a client


async def asked(talk: Polling, anna: Party, event_id: str = "$p") -> Message:
    """By Anna."""
    await key(talk, anna)
    await talk.deliver(talk.sent(anna, event_id, START, start_of(POLL, text=TEXT, prefix="")))
    message = await talk.only()
    assert (message.kind, message.held, message.text, message.sender_id) == ("poll", POLL, TEXT, "anna")
    return message


async def test_a_clients_poll_is_voted_in_and_closed(talk: Polling, anna: Party) -> None:
    poll = await asked(talk, anna)
    await talk.deliver(talk.sent(anna, "$v1", RESPONSE, response_of(POLL, ["1"], of="$p")))
    talk.clock.advance(1)
    await talk.vote(poll.message_id, "1")
    assert await talk.counts(poll) == (2, 0)
    await talk.deliver(talk.sent(anna, "$v2", RESPONSE, response_of(POLL, ["2"], of="$p")))
    assert await talk.counts(poll) == (1, 1)
    await talk.go_out()
    ((sender, kind, content),) = await talk.shown(anna)
    assert (sender, kind, content) == (GHOST, RESPONSE, response_of(POLL, ["1"], of="$p"))
    await talk.deliver(talk.redaction("$r", "$v2"))
    assert await talk.counts(poll) == (2, 0)
    await talk.deliver(talk.sent(anna, "$end", "m.poll.end", end_of("Over", of="$p")))
    assert await talk.is_closed(poll)
    talk.clock.advance(1)
    await talk.deliver(talk.sent(anna, "$v3", "m.poll.response", response_of(POLL, ["2"], of="$p")))
    assert await talk.counts(poll) == (2, 0)
    assert await talk.dead() == []


async def test_votes_and_ends_wait_for_their_poll(talk: Polling, anna: Party) -> None:
    await key(talk, anna)
    start = talk.sent(anna, "$p", START, start_of(POLL, text=TEXT, prefix=""))
    vote = talk.sent(anna, "$v", RESPONSE, response_of(POLL, ["1"], of="$p"))
    await talk.deliver(talk.sent(anna, "$end", END, end_of("Over", of="$p")))
    await talk.deliver(vote)
    await talk.deliver(start)
    poll = await talk.only()
    assert (await talk.counts(poll), await talk.is_closed(poll)) == ((1, 0), True)
    assert [await talk.state_of(one) for one in ("$p", "$v", "$end")] == ["done"] * 3


@pytest.mark.parametrize(("level", "closes"), [(100, True), (99, False)])
async def test_who_may_redact_closes_anybodys_poll(
    talk: Polling, anna: Party, level: int, *, closes: bool
) -> None:
    mallory = await talk.joined(MALLORY)
    await mallory.send_room_key(BOT, TALK)
    poll = await asked(talk, anna)
    content = {"redact": 100, "users": {MALLORY: level}}
    talk.homeserver.rooms[TALK].state.append(
        {"type": "m.room.power_levels", "state_key": "", "content": content}
    )
    await talk.deliver(talk.sent(mallory, "$end", END, end_of("Over", of="$p")))
    assert await talk.is_closed(poll) == closes
    assert (await talk.state_of("$end"), await talk.dead()) == ("done", [])


async def test_a_poll_is_edited_until_somebody_votes(talk: Polling, anna: Party) -> None:
    def edit(event_id: str, question: str) -> Json:
        changed = rules.poll_of(question, ["Nut"], kind="disclosed", max_selections=1)
        content = start_of(POLL, text=TEXT, prefix="") | {
            "m.new_content": start_of(changed, text="", prefix=""),
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$p"},
        }
        return talk.sent(anna, event_id, START, content)

    await asked(talk, anna)
    await talk.deliver(edit("$e1", "Which cake?"))
    assert (await talk.only()).text == "Which cake?\n1. Nut"
    await talk.deliver(talk.sent(anna, "$v", RESPONSE, response_of(POLL, ["1"], of="$p")))
    await talk.deliver(edit("$e2", "Which wine?"))
    assert (await talk.features.history(talk.conversation))[0].text == "Which cake?\n1. Nut"
    assert await talk.told() == [POLL_EDIT]
    assert await talk.dead() == []


async def test_plaintext_polls_are_not_believed(talk: Polling, anna: Party) -> None:
    event = talk.sent(anna, "$p", START, start_of(POLL, text=TEXT, prefix=""))
    plain = event | {"type": START, "content": start_of(POLL, text=TEXT, prefix="")}
    with capture_logs() as logs:
        await talk.deliver(plain)
    assert [one["event"] for one in logs] == ["plaintext_in_encrypted_room"]
    assert await talk.features.history(talk.conversation) == []


async def test_what_is_no_poll_is_a_dead_letter(talk: Polling, anna: Party) -> None:
    await key(talk, anna)
    await talk.deliver(talk.sent(anna, "$p", START, {START: {}}))
    assert await talk.dead() == ["matrix:$p"]
    nothing = {RESPONSE: {"answers": ["1"]}}
    await talk.deliver(talk.sent(anna, "$v", RESPONSE, nothing))
    await talk.deliver(talk.sent(anna, "$end", END, {END: {}}))
    assert [await talk.state_of(one) for one in ("$v", "$end")] == ["done", "done"]


async def test_a_clients_files_and_places_are_messages_of_their_kinds(talk: Polling, anna: Party) -> None:
    await key(talk, anna)
    sent: Sequence[Json] = (
        {"msgtype": "m.image", "body": "The cake", "filename": "cake.jpg", "file": FILE},
        {"msgtype": "m.audio", "body": "voice.ogg", "file": FILE, "org.matrix.msc3245.voice": {}},
        {"msgtype": "m.location", "body": "Here", "geo_uri": "geo:52.52,13.405"},
        {"msgtype": "m.emote", "body": "waves"},
        {"msgtype": "m.notice", "body": "beep"},
    )
    for number, content in enumerate(sent):
        await talk.deliver(talk.sent(anna, f"${number}", "m.room.message", content))
    history = await talk.features.history(talk.conversation)
    assert [(message.kind, message.text) for message in history] == [
        ("image", "The cake"),
        ("voice", "voice.ogg"),
        ("location", "52.52, 13.405"),
        ("text", "waves"),
        ("text", "beep"),
    ]
    assert isinstance(history[0].held, Media)
    assert history[0].held.source["file"]["url"] == FILE["url"]
    assert FILE["key"]["k"] not in repr(await talk.features.everything())
    assert FILE["url"] not in repr(await talk.features.everything())
    assert (await talk.dead(), ANNA in {one.origin_sender for one in history}) == ([], True)
    # Said in a client, a caption can be edited there.
    changed = sent[0] | {"body": "Our cake"}
    edit = changed | {"m.new_content": changed, "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}
    await talk.deliver(talk.sent(anna, "$e", "m.room.message", edit))
    assert (await talk.features.history(talk.conversation))[0].text == "Our cake"
