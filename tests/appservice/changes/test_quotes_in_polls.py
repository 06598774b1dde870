"""Quotes asked in polls: native and encrypted in the room, answered there by votes; once whatever is killed."""

import json
from typing import Any, ClassVar

import pytest

from appservice.polls import END, RESPONSE, START
from bridge.core.clock import FrozenClock
from bridge.core.ids import MessageId
from bridge.quotes.model import Quote
from bridge.storage.database import Database
from tests.appservice.changes.test_in_clients import MALLORY, key
from tests.appservice.changes.test_quotes import TOTAL, Bargaining, Death, through
from tests.appservice.changes.test_reactions import chips
from tests.appservice.encryption.engine import BOT, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK
from tests.databases import both_databases, quick_database
from tests.fakes.homeserver import FakeHomeserver, Json

YES, NO = "1", "2"
START_TEXT = "org.matrix.msc1767.text"


class Polling(Bargaining):
    settings: ClassVar = {"quotes": {"ask": "poll"}}

    async def seen(self, party: Party) -> list[tuple[str, str, Any]]:
        """Event id, type and content of all that Festimo has sent, as their client reads it."""
        await party.sync()
        events = [one for one in self.in_room() if one["sender"] == BOT and party.reads(one)]
        return [
            (one["event_id"], read["type"], read["content"]) for one in events for read in [party.read(one)]
        ]

    async def asked(self, party: Party) -> tuple[str, Any]:
        """The last poll: its event id, and what it asks."""
        event_id, _, content = [one for one in await self.seen(party) if one[1] == START][-1]
        return event_id, content[START]

    def vote(self, party: Party, event_id: str, of: str, answer: str, *, sender: str | None = None) -> Json:
        relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": of}}
        inside = {"type": RESPONSE, "content": {RESPONSE: {"answers": [answer]}} | relation}
        encrypted = party.encrypt(TALK, "", inside=inside) | relation
        event = party.event(TALK, event_id, encrypted, sender=sender)
        return event | {"origin_server_ts": self.clock.now()}


@both_databases
async def test_both_steps_are_native_polls_and_nothing_of_them_is_plaintext(database: Database) -> None:
    stall = Polling(Engine(database, FakeHomeserver(), FrozenClock()))
    await stall.opened()
    anna = await stall.joined(ANNA)
    await key(stall, anna)
    quote = await stall.offer()
    await stall.go_on()
    (shown, _, message), (poll, kind, content) = await stall.seen(anna)
    assert (message["msgtype"], kind) == ("m.text", START)
    assert "a host votes in the poll below" in message["body"]
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": shown}}
    assert content[START]["question"]["body"] == (
        f"Quote 1: Catering, at a total of {TOTAL}. Do you accept it?"
    )
    assert [one[START_TEXT] for one in content[START]["answers"]] == ["Accept", "Decline"]
    assert chips(stall) == []

    await stall.deliver(stall.vote(anna, "$1", poll, YES))
    await stall.go_on()
    question, asked = await stall.asked(anna)
    assert asked["question"]["body"].startswith(
        f"Anna, you want to accept quote 1, revision 1 (“Catering”), at a total of {TOTAL}."
    )
    assert (await stall.get(quote)).latest.state == "asked"
    await stall.deliver(stall.vote(anna, "$2", question, YES))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "accepted"
    *_, (_, _, told), ended, ended_too = await stall.seen(anna)
    assert told["body"].startswith("Anna has accepted quote 1, revision 1")
    assert [(kind, content["m.relates_to"]["event_id"]) for _, kind, content in (ended, ended_too)] == [
        (END, poll),
        (END, question),
    ]
    assert {one["type"] for one in stall.in_room()} == {"m.room.encrypted"}
    for word in ("3,840", "Catering", "Accept"):
        assert word not in json.dumps(stall.in_room())


async def test_whoever_else_is_in_the_room_votes_for_nothing(database: Database) -> None:
    stall = Polling(Engine(database, FakeHomeserver(), FrozenClock()))
    await stall.opened()
    anna, mallory = await stall.joined(ANNA), await stall.joined(MALLORY)
    for party in (anna, mallory):
        await key(stall, party)
    quote = await stall.offer()
    await stall.go_on()
    poll, _ = await stall.asked(anna)
    await stall.deliver(stall.vote(mallory, "$1", poll, NO))
    await stall.deliver(stall.vote(anna, "$2", poll, YES))
    await stall.go_on()
    question, _ = await stall.asked(anna)
    await stall.deliver(stall.vote(mallory, "$3", question, YES))
    # What Mallory encrypts is not Anna's, whoever's name the event bears.
    await stall.deliver(stall.vote(mallory, "$4", question, YES, sender=ANNA))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "asked"
    votes = await stall.features.poll_store.of(database, _poll_id(await stall.get(quote)))
    assert [one.outsider for one in votes] == [MALLORY, None]


def _poll_id(quote: Quote) -> MessageId:
    assert quote.latest.poll_id is not None
    return quote.latest.poll_id


async def accepted_with_a_death(at: int | None) -> int:
    """Return how many steps there were."""
    async with quick_database() as real:
        watched, death = WatchedDatabase(real), Death(at)
        stall: Bargaining = Polling(Engine(watched, FakeHomeserver(), FrozenClock()))
        await stall.opened()
        anna = await stall.joined(ANNA)
        await key(stall, anna)
        quote = await stall.offer()
        await stall.go_on()
        watched.on_moment = death
        for event_id in ("$first", "$second"):
            assert isinstance(stall, Polling)
            poll, _ = await stall.asked(anna)
            await stall.deliver(stall.vote(anna, event_id, poll, YES))
            stall = await through(stall, death)
        assert isinstance(stall, Polling)
        kinds = [kind for _, kind, _ in await stall.seen(anna)]
        said = "m.room.message"
        assert kinds == [said, START, START, said, END, END], f"killed at {at}"
        assert (await stall.get(quote)).latest.state == "accepted"
        return death.passed


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_a_vote() -> None:
    steps = await accepted_with_a_death(None)
    assert steps >= 20, "two for each commit: both votes heard, and what Festimo says, asks and closes"
    for at in range(1, steps + 1):
        await accepted_with_a_death(at)
