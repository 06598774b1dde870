"""A room was replaced: what had not gone out by then is said in the next one, once; what points back is left out."""

from typing import Any

import pytest

from appservice.homeserver import HomeserverUnavailable
from appservice.room_map import Room, remember_room
from bridge.core.clock import FrozenClock
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.storage.database import Database
from tests.appservice.changes.room import GHOST
from tests.appservice.changes.test_pins import pin
from tests.appservice.changes.test_polls import Polling
from tests.appservice.encryption.engine import BOT, TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK
from tests.databases import both_databases
from tests.fakes.homeserver import FakeHomeserver, Json, Moment

NEXT = "!next:bridge.test"
TOMBSTONE = {"body": "moved", "replacement_room": NEXT}
DEAD = "SELECT topic FROM outbox WHERE state = 'dead'"


class Moving(Polling):
    """The next room is made, and everybody is in it, when it is its turn; how, others test."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._handlers = {
            **self._handlers,
            "matrix.ConversationOpened": self._next_room,
            "matrix.ParticipantAdded": self._come_in,
        }

    async def _next_room(self, item: Item) -> None:
        assert NEXT not in self.homeserver.rooms, "one is enough"
        self.homeserver.add_room(NEXT, {BOT: "join", GHOST: "join"})
        async with self.engine.database.transaction() as tx:
            room = Room(NEXT, TENANT, self.conversation.conversation_id)
            await remember_room(tx, room, self.engine.clock)
            await self._outbox.finish(tx, item)

    async def _come_in(self, item: Item) -> None:
        self.homeserver.set_membership(NEXT, ANNA, "join")
        async with self.engine.database.transaction() as tx:
            await self.engine.members.mark_stale(tx, NEXT)
            await self._outbox.finish(tx, item)

    async def replace(self) -> None:
        """On the homeserver; the bridge has not heard of it."""
        await self.homeserver.set_state(BOT, TALK, "m.room.tombstone", TOMBSTONE)
        self.homeserver.set_membership(TALK, GHOST, "leave")  # as the fake knows no other way to refuse it

    async def hear(self) -> None:
        event = {"type": "m.room.tombstone", "state_key": "", "room_id": TALK, "sender": BOT}
        more = {"event_id": "$tombstone", "origin_server_ts": self.clock.now(), "content": TOMBSTONE}
        await self.deliver(event | more)

    async def go_out_after_all(self) -> None:
        """What is to be encrypted anew takes another attempt."""
        while await self.next_out():
            try:
                await self.go_out()
            except Retry:
                continue

    def next(self) -> list[Json]:
        return self.homeserver.timeline(NEXT)

    async def dead_letters(self) -> list[str]:
        return [row["topic"] for row in await self.engine.database.fetch(DEAD)]


@pytest.fixture
async def talk(database: Database) -> Moving:
    moving = Moving(Engine(database, FakeHomeserver(), FrozenClock()))
    await moving.opened()
    return moving


async def texts(anna: Party, events: list[Json]) -> list[Any]:
    await anna.sync()
    return [anna.read(event)["content"]["body"] for event in events if event["type"] == "m.room.encrypted"]


@both_databases
async def test_what_waits_is_said_in_the_next_room_in_order_and_with_its_keys(
    talk: Moving, anna: Party
) -> None:
    await talk.post("1")
    await talk.go_out()
    await talk.post("2")
    edited = await talk.post("3")
    await talk.edit(edited, "3!")
    await talk.post("4", sender="anna")
    await talk.replace()
    await talk.hear()
    await talk.post("5")
    await talk.go_out()
    assert await texts(anna, talk.in_room()) == ["1"]
    assert await texts(anna, talk.next()) == ["2", "3!", "* 3!", "Anna: 4", "5"]
    sessions = [{event["content"]["session_id"] for event in room} for room in (talk.in_room(), talk.next())]
    assert not sessions[0] & sessions[1]
    assert await talk.dead_letters() == []


@pytest.mark.parametrize("moment", ["after", "before"])
async def test_what_was_on_its_way_is_said_once(talk: Moving, anna: Party, moment: Moment) -> None:
    """`after`: the former room has it, and only the answer was lost."""
    message_id = await talk.post("vanilla")
    talk.homeserver.fail("send_encrypted", HomeserverUnavailable("no answer"), moment=moment)
    with pytest.raises(Retry):
        await talk.go_out()
    await talk.replace()
    await talk.hear()
    await talk.go_out_after_all()
    place = talk.in_room() if moment == "after" else talk.next()
    assert [*talk.in_room(), *talk.next()] == place
    assert await texts(anna, place) == ["vanilla"]
    message = await talk.message(message_id)
    assert (message.status, message.origin_id) == ("sent", place[0]["event_id"])


@pytest.mark.parametrize("heard", ["before it is refused", "later"])
async def test_who_is_refused_by_a_replaced_room_is_heard_in_the_next(
    talk: Moving, anna: Party, heard: str
) -> None:
    message_id = await talk.post("vanilla")
    talk.homeserver.meanwhile("send_encrypted", talk.replace, moment="before")
    if heard != "later":
        talk.homeserver.meanwhile("send_encrypted", talk.hear, moment="before")
    with pytest.raises(Retry, match="the room was replaced"):
        await talk.go_out()
    if heard == "later":
        await talk.hear()
    await talk.go_out_after_all()
    assert talk.in_room() == []
    assert await texts(anna, talk.next()) == ["vanilla"]
    assert (await talk.message(message_id)).status == "sent"


async def test_who_is_refused_by_a_room_that_goes_on_has_failed(talk: Moving, anna: Party) -> None:
    message_id = await talk.post("vanilla")
    talk.homeserver.set_membership(TALK, GHOST, "leave")
    await talk.go_out()
    assert (await talk.message(message_id)).status == "failed"


@both_databases
async def test_nothing_in_the_next_room_points_into_the_former_one(talk: Moving, anna: Party) -> None:
    before = await talk.post("1")
    poll = await talk.ask()
    await talk.react(before, "👍")
    await pin(talk, before)
    await talk.go_out()
    (said, *_) = former = talk.in_room()
    await talk.replace()
    await talk.hear()
    await talk.go_out()
    talk.homeserver.set_membership(
        TALK, GHOST, "join"
    )  # so that nothing but the rule keeps it from the former room
    answer = await talk.post("2", reply_to=before)
    await talk.post("3", thread_id=before)
    await talk.edit(before, "1!")
    await talk.react(before, "🎂")
    await talk.take_back(before, "👍")
    message = await talk.message(poll)
    await talk.vote(poll, message.held.answers[0].answer_id)  # type: ignore[union-attr] # it is a poll
    await talk.close(poll)
    await pin(talk, answer)
    await talk.go_out()
    assert await talk.dead_letters() == []
    assert talk.in_room() == former
    assert await texts(anna, talk.next()) == ["2", "3"]
    assert all("m.relates_to" not in event["content"] for event in talk.next())
    assert await talk.homeserver.pinned(BOT, NEXT) == [talk.next()[0]["event_id"]]
    assert (await talk.message(before)).text == "1!"
    # What is taken from everybody is taken from where it stands.
    await talk.delete(before)
    await talk.go_out()
    assert talk.in_room()[0] == said | {"content": {}}
    # In the next room everything holds as ever.
    await talk.post("4", reply_to=answer, sender="anna")
    await talk.edit(answer, "2!")
    await talk.go_out()
    relations = [event["content"].get("m.relates_to") for event in talk.next()[2:]]
    new = talk.next()[0]["event_id"]
    assert relations == [{"m.in_reply_to": {"event_id": new}}, {"rel_type": "m.replace", "event_id": new}]


async def test_what_was_said_before_is_read_after_all_when_its_key_comes(talk: Moving, anna: Party) -> None:
    session = anna.room_key(TALK)
    await talk.deliver(talk.event(anna, "$1", "Vegan?"))
    await talk.replace()
    await talk.hear()
    await talk.go_out()
    assert await talk.read() == []
    await anna.send_room_key(BOT, TALK, session)
    await talk.synced()
    assert await talk.read() == ["Vegan?"]


async def test_a_deleted_conversation_goes_on_nowhere(talk: Moving, anna: Party) -> None:
    await talk.post("1")
    async with talk.engine.database.transaction() as tx:
        await tx.execute(
            "UPDATE conversations SET deleted_at = 1 WHERE conversation_id = $1",
            talk.conversation.conversation_id,
        )
    await talk.replace()
    await talk.hear()
    await talk.go_out()
    assert NEXT not in talk.homeserver.rooms
    assert await talk.dead_letters() == ["matrix.MessagePosted"]
