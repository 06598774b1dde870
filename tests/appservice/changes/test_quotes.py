"""Quotes in the room: encrypted, with reactions to tap; answered there in two steps; once whatever is killed."""

import json
from typing import Any

import pytest

from appservice.homeserver import HomeserverUnavailable
from bridge.core.clock import FrozenClock
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.festimo.listeners import is_to_be_answered
from bridge.messages.events import SaidToFestimo
from bridge.messages.reactions.events import ReactionAdded
from bridge.quotes.listeners import may_be_an_answer
from bridge.quotes.model import Line, Offer, Quote
from bridge.storage.database import Database
from tests.appservice.changes.room import Conversation
from tests.appservice.changes.test_in_clients import key
from tests.appservice.changes.test_reactions import chips
from tests.appservice.encryption.engine import BOT, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA
from tests.bridge.conversations.features import person
from tests.databases import both_databases, quick_database
from tests.fakes.homeserver import FakeHomeserver

OFFER = Offer(
    title="Catering",
    lines=(Line(description="Menu", quantity=80, unit_price=4_500),),
    tax=24_000,
    currency="EUR",
)
TOTAL = "EUR 3,840.00"
CHEF = ParticipantId("chef")


class Bargaining(Conversation):
    """With the quotes as they are wired in the bridge."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.features.outbox.subscribe("quotes", ReactionAdded)
        self.features.outbox.subscribe("quotes", SaidToFestimo, only=may_be_an_answer)
        self.features.outbox.subscribe("festimo", SaidToFestimo, only=is_to_be_answered)
        self.quotes, self.quote_store = self.parts.product.quotes, self.parts.product.quote_store

    async def offer(self) -> Quote:
        async with self.engine.database.transaction() as tx:
            return await self.quotes.send(tx, self.conversation, by=CHEF, offer=OFFER)

    async def get(self, quote: Quote) -> Quote:
        found = await self.quote_store.get(self.engine.database, quote.quote_id)
        assert found is not None
        return found

    async def go_on(self) -> None:
        """All that waits is delivered and listened to, until nothing does."""
        while (item := await self.next_heard()) or await self.next_out():
            if item is not None:
                await self._handlers[item.topic](item)
            await self.go_out()

    async def next_heard(self) -> Item | None:
        for consumer in ("quotes", "festimo"):
            item = await self._outbox.head(f"{consumer}:{self.conversation.conversation_id}")
            if (
                item is not None
                and item.topic in self._handlers
                and item.topic != "festimo.ConversationOpened"
            ):
                return item
        return None

    async def read_by(self, party: Party) -> list[Any]:
        """As their client reads it: event ids and contents."""
        await party.sync()
        events = [one for one in self.in_room() if one["type"] == "m.room.encrypted"]
        return [(one["event_id"], party.read(one)["content"]) for one in events if party.reads(one)]

    async def festimos(self) -> MessageId:
        """What it said last."""
        said = await self.features.history(self.conversation)
        return [one for one in said if one.sender_type == "festimo"][-1].message_id

    async def last(self, party: Party) -> tuple[str, Any]:
        event_id, content = (await self.read_by(party))[-1]
        return event_id, content


@pytest.fixture
async def talk(database: Database) -> Conversation:
    return await Bargaining(Engine(database, FakeHomeserver(), FrozenClock())).opened()


def bargaining(talk: Conversation) -> Bargaining:
    assert isinstance(talk, Bargaining)
    return talk


@both_databases
async def test_a_quote_is_one_encrypted_message_with_answers_to_tap(talk: Conversation, anna: Party) -> None:
    stall = bargaining(talk)
    await stall.offer()
    await stall.go_on()
    ((event_id, content),) = await stall.read_by(anna)
    assert content["msgtype"] == "m.text"  # a notice would not ring
    assert f"Total: {TOTAL}" in content["body"]
    assert f"<td>{TOTAL}</td>" in content["formatted_body"]
    assert content["m.mentions"] == {"user_ids": [ANNA]}
    assert chips(talk) == [("✅", BOT), ("❌", BOT)]
    tapped = [one["content"]["m.relates_to"]["event_id"] for one in talk.in_room()[1:]]
    assert tapped == [event_id, event_id]
    assert "3,840" not in json.dumps(talk.in_room())
    assert "Catering" not in json.dumps(talk.in_room())


@both_databases
async def test_a_tap_is_asked_back_and_a_second_one_counts(talk: Conversation, anna: Party) -> None:
    stall = bargaining(talk)
    quote = await stall.offer()
    await stall.go_on()
    shown, _ = await stall.last(anna)
    await talk.deliver(talk.reaction("$tap", shown, "✅"))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "asked"
    asked, question = await stall.last(anna)
    assert f"revision 1 (“Catering”), at a total of {TOTAL}" in question["body"]
    assert question["m.relates_to"] == {"m.in_reply_to": {"event_id": shown}}
    assert chips(talk)[-2:] == [("✅", BOT), ("↩️", BOT)]
    await talk.deliver(talk.reaction("$second", asked, "✅"))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "accepted"
    assert (await stall.last(anna))[1]["body"].startswith("Anna has accepted quote 1, revision 1")


@both_databases
async def test_replies_answer_as_taps_do(talk: Conversation, anna: Party) -> None:
    stall = bargaining(talk)
    await key(talk, anna)
    quote = await stall.offer()
    await stall.go_on()
    shown, _ = await stall.last(anna)
    relation = {"m.in_reply_to": {"event_id": shown}}
    await talk.deliver(talk.said(anna, "$yes", "Accept", **{"m.relates_to": relation}))
    await stall.go_on()
    asked, _ = await stall.last(anna)
    relation = {"m.in_reply_to": {"event_id": asked}}
    await talk.deliver(talk.said(anna, "$confirm", "confirm", **{"m.relates_to": relation}))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "accepted"


async def test_the_same_words_to_something_else_mean_nothing(talk: Conversation, anna: Party) -> None:
    stall = bargaining(talk)
    await key(talk, anna)
    quote = await stall.offer()
    await stall.go_on()
    await talk.deliver(talk.said(anna, "$1", "accept"))
    relation = {"m.in_reply_to": {"event_id": "$1"}}
    await talk.deliver(talk.said(anna, "$2", "accept", **{"m.relates_to": relation}))
    await talk.deliver(talk.reaction("$3", "$1", "✅"))
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "sent"
    assert len(await stall.read_by(anna)) == 1


async def test_a_reply_to_what_is_just_being_sent_is_looked_at_again(talk: Conversation, anna: Party) -> None:
    """The room has our quote before we know its id there, and somebody is quick."""
    stall = bargaining(talk)
    await key(talk, anna)
    quote = await stall.offer()
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment="after")
    with pytest.raises(Retry):
        await talk.go_out()
    shown, _ = await stall.last(anna)
    relation = {"m.in_reply_to": {"event_id": shown}}
    await talk.deliver(talk.said(anna, "$no", "decline", **{"m.relates_to": relation}))
    while (item := await stall.next_heard()) and item.topic != "quotes.MessageReceived":
        await talk._handlers[item.topic](item)
    assert item is not None
    with pytest.raises(Retry):
        await talk._handlers[item.topic](item)
    await talk.go_out()
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "declined"


async def test_that_festimo_puts_its_reactions_there_answers_nothing(talk: Conversation, anna: Party) -> None:
    stall = bargaining(talk)
    quote = await stall.offer()
    await stall.go_on()
    for number, event in enumerate(talk.in_room()[1:]):
        await talk.deliver(event | {"event_id": f"$again-{number}"})
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "sent"


async def test_for_an_account_holder_by_api_what_festimo_put_there_stays(
    talk: Conversation, anna: Party
) -> None:
    """Festimo reacts for them, once; and goes on offering the answer when they take it back."""
    stall = bargaining(talk)
    quote = await stall.offer()
    await stall.go_on()
    await talk.react(quote.latest.message_id, "✅", sender="anna")
    await stall.go_on()
    assert (await stall.get(quote)).latest.state == "asked"
    await talk.take_back(quote.latest.message_id, "✅", sender="anna")
    await stall.go_on()
    assert chips(talk)[:2] == [("✅", BOT), ("❌", BOT)]


@both_databases
async def test_a_vendor_without_a_client_writes_one_and_it_stands_below_their_words(
    talk: Conversation, anna: Party
) -> None:
    stall = bargaining(talk)
    await talk.post("!festimo quote\n80 x Menu at 48.00")
    await talk.post("!festimo quote Catering\n80 x Menu at 48.00\nEUR")
    await stall.go_on()
    read = await stall.read_by(anna)
    assert [content["body"].splitlines()[0][:24] for _, content in read] == [
        "!festimo quote",
        "!festimo quote Catering",
        "Nothing was sent. The cu",
        "Quote 1: Catering",
    ]


async def test_the_vendor_writes_a_quote_into_the_room(talk: Conversation, anna: Party) -> None:
    """And is answered where it is none."""
    stall = bargaining(talk)
    async with talk.engine.database.transaction() as tx:
        chef = person("chef", "Sweet Bites", mxid="@chef:people.test", tenant=talk.conversation.tenant_id)
        await talk.features.participants.put(tx, chef)
    client = await talk.joined("@chef:people.test")
    await key(talk, client)
    await talk.deliver(talk.said(client, "$1", "!festimo quote\n80 x Menu at 48.00"))
    await stall.go_on()
    _, answer = await stall.last(anna)
    assert "The currency is missing" in answer["body"]
    assert "!festimo quote Catering for 80 guests" in answer["body"]
    await talk.deliver(talk.said(client, "$2", "!festimo quote Catering\n80 x Menu at 48.00\nEUR"))
    await stall.go_on()
    _, shown = await stall.last(anna)
    assert f"Total: {TOTAL}" in shown["body"]
    await key(talk, anna)
    await talk.deliver(talk.said(anna, "$3", "!festimo quote Cake: 1 EUR"))
    await stall.go_on()
    assert (await stall.last(anna))[1]["body"].startswith("Quotes are sent by vendors.")


class Killed(BaseException):
    """The process has died here."""


class Death:
    """Kills at the given commit (before it or after it), of those that are watched. What a kill around a call does to a
    message and to a reaction, other tests show."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed = 0
        self.watching = False

    def __call__(self, call: str, moment: str) -> None:
        if self.watching:
            self.passed += 1
            if self.passed == self.at:
                raise Killed


async def accepted_with_a_death(at: int | None) -> int:
    """Return how many steps there were."""
    async with quick_database() as real:
        watched, death = WatchedDatabase(real), Death(at)
        stall = Bargaining(Engine(watched, FakeHomeserver(), FrozenClock()))
        await stall.opened()
        anna = await stall.joined(ANNA)
        quote = await stall.offer()
        await stall.go_on()
        watched.on_moment = death
        for tap in ("$tap", "$second"):
            about, _ = await stall.last(anna)
            await stall.deliver(stall.reaction(tap, about, "✅"))
            stall = await through(stall, death)
        bodies = [content["body"] for _, content in await stall.read_by(anna)]
        starts = [body.partition(" ")[0] for body in bodies]
        assert starts == ["Quote", "Anna,", "Anna"], f"killed at {at}: {bodies}"
        assert chips(stall) == [("✅", BOT), ("❌", BOT), ("✅", BOT), ("↩️", BOT)], f"killed at {at}"
        assert (await stall.get(quote)).latest.state == "accepted"
        return death.passed


async def through(stall: Bargaining, death: Death) -> Bargaining:
    """All that waits; whoever dies at it leaves the rest to the next life."""
    death.watching = True
    try:
        await stall.go_on()
    except Killed:
        death.watching = False
        again = type(stall)(stall.engine.restarted())
        again.conversation = stall.conversation
        stall = again
        await stall.go_on()
    death.watching = False
    return stall


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_an_answer() -> None:
    steps = await accepted_with_a_death(None)
    assert steps >= 20, "two for each commit: both taps heard, and what Festimo says and puts there"
    for at in range(1, steps + 1):
        await accepted_with_a_death(at)


async def accepted_by_api_with_a_death(at: int | None) -> int:
    """By an account holder, for whom Festimo repeats what the platform says in their name."""
    async with quick_database() as real:
        watched, death = WatchedDatabase(real), Death(at)
        stall = Bargaining(Engine(watched, FakeHomeserver(), FrozenClock()))
        await stall.opened()
        anna = await stall.joined(ANNA)
        quote = await stall.offer()
        await stall.go_on()
        watched.on_moment = death
        for text in ("accept", "confirm"):
            await stall.post(text, sender="anna", reply_to=await stall.festimos())
            stall = await through(stall, death)
        bodies = [content["body"] for _, content in await stall.read_by(anna)]
        starts = [" ".join(body.split()[:2]) for body in bodies]
        in_order = ["Quote 1:", "Anna: accept", "Anna, you", "Anna: confirm", "Anna has"]
        assert starts == in_order, f"killed at {at}: {bodies}"
        assert (await stall.get(quote)).latest.state == "accepted"
        return death.passed


@pytest.mark.slow
async def test_a_kill_at_any_step_neither_loses_nor_doubles_a_reply_by_api() -> None:
    steps = await accepted_by_api_with_a_death(None)
    assert steps >= 16, "two for each commit: both replies delivered and heard, and what Festimo says"
    for at in range(1, steps + 1):
        await accepted_by_api_with_a_death(at)
