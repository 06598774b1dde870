"""Signals from the homeserver to the people they are of, and from ghosts to the homeserver; lossy and bounded."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.inbound import signals as inbound
from appservice.inbound.signals import InboundSignals
from appservice.outbound.receipts import GhostReceipts
from appservice.outbound.typing import MOST_WAITING, GhostTyping
from appservice.room_map import Room, remember_room
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.queue import Item
from bridge.participants.model import Participant
from bridge.signals.events import ConversationRead
from bridge.signals.model import Person, Presence, PresenceState
from bridge.storage.database import Database
from tests.appservice.delivering import NAMES, Delivering, delivering, event
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.signals.test_reads import Reading
from tests.fakes.homeserver import FakeHomeserver

ROOM, ANNA, STRANGER = "!room:example.org", "@anna:example.org", "@eve:example.org"
GHOST = NAMES.ghost(TENANT, ParticipantId("chef"))


class SignalServer(FakeHomeserver):
    """With what there is of signals."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []
        self.events_before: list[str] = []
        self.trouble: Exception | None = None

    async def set_typing(self, user: str, room_id: str, *, milliseconds: int) -> None:
        await self._take("typing", user, room_id, milliseconds)

    async def send_receipt(self, user: str, room_id: str, event_id: str) -> None:
        await self._take("read", user, room_id, event_id)

    async def said_before(self, user: str, room_id: str, event_id: str, *, limit: int) -> list[str]:
        await self._take("before", user, room_id, event_id)
        return self.events_before

    async def _take(self, *call: Any) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.told.append(call)


class Town:
    """Anna has an account, the chef a ghost; all that is said is in the room."""

    def __init__(self, database: Database) -> None:
        self.reading = Reading(database)
        self.database = database
        self.clock = self.reading.clock
        self.signals = self.reading.signals
        self.homeserver = SignalServer()
        self.inbound = InboundSignals(
            database=database,
            homeserver=self.homeserver,
            names=NAMES,
            conversations=self.reading.features.conversation_store,
            inbox=self.reading.features.inbox,
            reads=self.signals.reads,
            read_store=self.signals.read_store,
            seen=self.signals.seen_store,
            typing=self.signals.typing,
            presence=self.signals.presence,
            clock=self.clock,
        )
        self.typing = GhostTyping(database, self.homeserver, NAMES, self.clock)
        self.receipts = GhostReceipts(
            database=database,
            homeserver=self.homeserver,
            names=NAMES,
            participants=self.reading.features.participants,
            reads=self.signals.read_store,
            outbox=self.reading.features.outbox,
        )
        self.reading.features.outbox.subscribe(
            "receipts", ConversationRead, only=lambda read: not read.in_client
        )

    async def begin(self) -> None:
        self.reading.conversation = await self.reading.features.open(
            hosts=[person("anna", "Anna", mxid=ANNA), person("ben", "Ben")],
            vendor=person("chef", "Sweet Bites"),
        )
        async with self.database.transaction() as tx:
            here = self.reading.conversation.conversation_id
            await remember_room(tx, Room(ROOM, TENANT, here), self.clock)

    async def typists(self) -> list[str]:
        await self.inbound.step()
        return [
            one.participant_id for one in self.signals.typing.of(self.reading.conversation.conversation_id)
        ]

    async def unread(self) -> int:
        return (await self.reading.unread())["anna"]

    def hear(self, user: str, event_id: str, *, at: int | None = None) -> None:
        at = self.clock.now() if at is None else at
        content = {event_id: {"m.read": {user: {"ts": at, "thread_id": "main"}}}}
        self.inbound.offer([{"type": "m.receipt", "room_id": ROOM, "content": content}])

    async def item(self) -> Item:
        (lane,) = [
            lane for lane in await self.reading.features.outbox.lanes() if lane.startswith("receipts:")
        ]
        item = await self.reading.features.outbox.head(lane)
        assert item is not None
        return item

    async def participant(self, who: str) -> Participant:
        found = await self.reading.features.participants.get(self.database, TENANT, ParticipantId(who))
        assert found is not None
        return found


@pytest.fixture
async def town(database: Database) -> Town:
    town = Town(database)
    await town.begin()
    return town


def typing(*users: str, room: str = ROOM) -> dict[str, Any]:
    return {"type": "m.typing", "room_id": room, "content": {"user_ids": list(users)}}


# From the homeserver


async def test_account_holders_type_ghosts_and_strangers_do_not(town: Town) -> None:
    town.inbound.offer([typing(ANNA, GHOST, STRANGER), typing(ANNA, room="!other:example.org")])
    assert await town.typists() == ["anna"]
    town.inbound.offer([typing()])
    assert await town.typists() == []


async def test_typing_that_waited_too_long_is_forgotten(town: Town) -> None:
    town.inbound.offer([typing(ANNA)])
    town.clock.advance(10_000)
    assert await town.typists() == []


async def test_a_public_receipt_moves_the_readers_position(town: Town) -> None:
    first, second = await town.reading.say("chef"), await town.reading.say("chef")
    town.hear(ANNA, f"${first}")
    await town.inbound.step()
    assert await town.unread() == 1
    town.hear(ANNA, f"${second}")
    town.hear(ANNA, f"${first}", at=town.clock.now() - 1)  # an older one, delivered late
    await town.inbound.step()
    assert await town.unread() == 0
    await town.inbound.step()
    assert town.inbound._receipts == {}


async def test_of_ghosts_and_strangers_receipts_mean_nothing(town: Town) -> None:
    message = await town.reading.say("anna")
    for user in (GHOST, NAMES.bot, STRANGER):
        town.hear(user, f"${message}")
    await town.inbound.step()
    assert await town.reading.unread() == {"anna": 0, "ben": 1, "chef": 1}
    assert await town.database.fetch("SELECT * FROM read_positions") == []


async def test_a_receipt_that_overtakes_its_message_waits_for_it(town: Town) -> None:
    message = await town.reading.say("chef", sent=False)
    town.hear(ANNA, f"${message}")
    await town.inbound.step()
    assert town.homeserver.told == []
    await town.reading.sent(message)
    assert await town.unread() == 1
    town.inbound._receipts = {
        key: inbound._Waiting(waiting.receipt, waiting.looks)
        for key, waiting in town.inbound._receipts.items()
    }  # as if the pause were over
    await town.inbound.step()
    assert await town.unread() == 0
    assert town.homeserver.told == []


async def test_a_receipt_for_what_is_no_message_reaches_the_last_one_before(town: Town) -> None:
    message, _ = await town.reading.say("chef"), await town.reading.say("chef")
    await settled(town, "$reaction")
    town.homeserver.events_before = ["$join", f"${message}", "$create"]
    town.hear(ANNA, "$reaction")
    await town.inbound.step()
    assert town.homeserver.told == [("before", NAMES.bot, ROOM, "$reaction")]
    assert await town.unread() == 1


@pytest.mark.parametrize(
    "trouble", [HomeserverRefused(404, "M_NOT_FOUND", ""), HomeserverUnavailable("away")]
)
async def test_a_receipt_for_nothing_is_dropped(town: Town, trouble: Exception) -> None:
    await town.reading.say("chef")
    await settled(town, "$gone")
    town.homeserver.trouble = trouble
    town.hear(ANNA, "$gone")
    await town.inbound.step()
    assert await town.unread() == 1
    assert town.inbound._receipts == {}


async def settled(town: Town, event_id: str) -> None:
    """It came, and was applied."""
    inbox = town.reading.features.inbox
    async with town.database.transaction() as tx:
        await inbox.add_dead(
            tx,
            item_id=f"matrix:{event_id}",
            tenant_id=TENANT,
            lane=f"room:{ROOM}",
            topic="matrix.event",
            body=b"{}",
            failure="no message",
        )


@pytest.mark.parametrize(
    ("presence", "shown"), [("online", "online"), ("unavailable", "away"), ("offline", "offline")]
)
async def test_presence_reaches_the_person(town: Town, presence: str, shown: PresenceState) -> None:
    anna = Person(tenant_id=TENANT, participant_id=ParticipantId("anna"))
    content = {"presence": presence, "last_active_ago": 1_000}
    town.inbound.offer([{"type": "m.presence", "sender": ANNA, "content": content}])
    await town.inbound.step()
    expected = Presence(state=shown, seen_at=town.clock.now() - 1_000)
    assert await town.signals.presence.of(town.database, anna) == expected


async def test_whatever_is_offered_is_taken_in_silence(town: Town) -> None:
    nonsense: list[Any] = [None, 5, [], "m.typing", {}, {"type": "m.typing"}, {"type": ["m.typing"]}]
    nonsense += [
        {"type": kind, "room_id": {}, "sender": [], "content": 5} for kind in ("m.receipt", "m.presence")
    ]
    town.inbound.offer(nonsense)
    await town.inbound.step()


async def test_no_more_waits_than_there_is_room_for(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "MOST_WAITING", 3)
    for number in range(9):
        town.inbound.offer([typing(ANNA, room=f"!{number}:example.org")])
        town.hear(f"@{number}:example.org", "$event")
        sender = f"@{number}:example.org"
        town.inbound.offer([{"type": "m.presence", "sender": sender, "content": {"presence": "online"}}])
    waiting = (town.inbound._typing, town.inbound._receipts, town.inbound._presence)
    assert [len(kind) for kind in waiting] == [3, 3, 3]


# Through the endpoint


def flood() -> list[dict[str, Any]]:
    return [typing(f"@{number}:example.org", room=f"!{number % 7}:example.org") for number in range(100)]


async def test_signals_come_with_events_and_are_not_stored(
    town: Town, aiohttp_client: AiohttpClient, database: Database
) -> None:
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        body = {"events": [event("$1")], "ephemeral": [typing(ANNA)]}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert await homeserver.waiting() == ["matrix:$1"]
    assert await town.typists() == ["anna"]


async def test_a_flood_of_signals_waits_for_no_database_and_holds_up_no_message(
    town: Town, aiohttp_client: AiohttpClient, database: Database
) -> None:
    """Nobody works the signals off meanwhile: they are noted, and no more."""
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        async with database.transaction() as tx:  # SQLite: nobody else can write now
            await tx.lock("inbox")
            for number in range(50):
                body = {"events": [], "ephemeral": flood()}
                assert await homeserver.put(json.dumps(body).encode(), txn_id=str(number)) == 200
        assert await homeserver.rows() == []
        body = {"events": [event("$1")], "ephemeral": flood()}
        assert await homeserver.put(json.dumps(body).encode(), txn_id="50") == 200
        assert await homeserver.waiting() == ["matrix:$1"]
    assert len(town.inbound._typing) == 7  # the last of each room


async def test_a_mistake_in_signals_stops_no_messages(
    aiohttp_client: AiohttpClient, database: Database
) -> None:
    def fails(_: object) -> None:
        raise KeyError("a mistake")

    async with listening(aiohttp_client, database, fails) as homeserver:
        body = {"events": [event("$1")], "ephemeral": [typing(ANNA)]}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert await homeserver.waiting() == ["matrix:$1"]


@pytest.mark.parametrize("ephemeral", [None, 5, {}, "x", [None], [[[]]], [{"type": "m.receipt"}]])
async def test_whatever_stands_for_signals_the_events_are_taken(
    town: Town, aiohttp_client: AiohttpClient, database: Database, ephemeral: object
) -> None:
    async with listening(aiohttp_client, database, town.inbound.offer) as homeserver:
        body = {"events": [event("$1")], "ephemeral": ephemeral}
        assert await homeserver.put(json.dumps(body).encode()) == 200
        assert [row["state"] for row in await homeserver.rows()] == ["waiting"]


@asynccontextmanager
async def listening(
    aiohttp_client: AiohttpClient, database: Database, listen: Callable[[Any], None]
) -> AsyncIterator[Delivering]:
    async with delivering(aiohttp_client, database, on_ephemeral=listen) as homeserver:
        yield homeserver


# From ghosts


async def told_by(town: Town) -> list[tuple[Any, ...]]:
    await town.typing.step()
    told, town.homeserver.told = town.homeserver.told, []
    return told


async def test_a_ghost_types_and_stops_and_nobody_types_for_a_real_user(town: Town) -> None:
    here = town.reading.conversation.conversation_id
    chef, anna = await town.participant("chef"), await town.participant("anna")
    town.typing.typing(here, anna, is_typing=True)
    town.typing.typing(here, chef, is_typing=True)
    assert await told_by(town) == [("typing", GHOST, ROOM, 10_000)]
    town.typing.typing(here, chef, is_typing=False)
    assert await told_by(town) == [("typing", GHOST, ROOM, 0)]


@pytest.mark.parametrize(("after", "times"), [(2_999, 0), (3_000, 1)])
async def test_who_goes_on_typing_is_told_of_now_and_then(town: Town, after: int, times: int) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == 1
    town.clock.advance(after)
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == times


async def test_only_the_last_word_is_told_and_not_when_it_is_old(town: Town) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    for is_typing in (True, False, True, False):
        town.typing.typing(here, chef, is_typing=is_typing)
    assert await told_by(town) == [("typing", GHOST, ROOM, 0)]
    town.typing.typing(here, chef, is_typing=True)
    town.clock.advance(10_000)
    assert await told_by(town) == []


async def test_typing_that_the_homeserver_does_not_take_is_lost(town: Town) -> None:
    here, chef = town.reading.conversation.conversation_id, await town.participant("chef")
    town.homeserver.trouble = HomeserverUnavailable("away")
    town.typing.typing(here, chef, is_typing=True)
    assert await told_by(town) == []
    town.homeserver.trouble = None
    town.typing.typing(here, chef, is_typing=True)
    assert len(await told_by(town)) == 1


async def test_more_typing_than_there_is_room_for_is_dropped(town: Town) -> None:
    here = town.reading.conversation.conversation_id
    for number in range(MOST_WAITING + 5):
        town.typing.typing(here, person(f"p{number}", "P"), is_typing=True)
    assert len(town.typing._wanted) == MOST_WAITING


async def test_a_ghost_shows_what_was_read(town: Town) -> None:
    message = await town.reading.say("anna")
    await town.reading.say("chef")  # one's own needs no receipt
    await town.reading.read("chef")
    item = await town.item()
    await town.receipts.read(item)
    assert town.homeserver.told == [("read", GHOST, ROOM, f"${message}")]
    assert await town.reading.features.outbox.lanes() == await lanes_but_receipts(town)


async def lanes_but_receipts(town: Town) -> list[str]:
    return [lane for lane in await town.reading.features.outbox.lanes() if not lane.startswith("receipts:")]


async def test_only_the_newest_receipt_is_sent(town: Town) -> None:
    for _ in range(3):
        last = await town.reading.say("anna")
        await town.reading.read("chef", last)
    for _ in range(3):
        await town.receipts.read(await town.item())
    assert town.homeserver.told == [("read", GHOST, ROOM, f"${last}")]


async def test_nobody_sends_receipts_for_a_real_user(town: Town) -> None:
    await town.reading.say("chef")
    await town.reading.read("anna")
    await town.receipts.read(await town.item())
    assert town.homeserver.told == []


async def test_a_receipt_waits_for_what_is_on_its_way(town: Town) -> None:
    said = await town.reading.say("anna")
    waiting = await town.reading.say("ben", sent=False)
    await town.reading.read("chef")
    item = await town.item()
    with pytest.raises(Retry):
        await town.receipts.read(item)
    await town.reading.sent(MessageId(waiting))
    await town.receipts.read(item)
    assert [call[-1] for call in town.homeserver.told] == [f"${said}", f"${waiting}"]


async def test_a_receipt_outlasts_an_outage_and_is_worth_no_dead_letter(town: Town) -> None:
    await town.reading.say("anna")
    await town.reading.read("chef")
    item = await town.item()
    town.homeserver.trouble = HomeserverUnavailable("away", retry_after=1_000)
    with pytest.raises(Retry):
        await town.receipts.read(item)
    assert (await town.item()).id == item.id
    town.homeserver.trouble = HomeserverRefused(403, "M_FORBIDDEN", "")
    await town.receipts.read(item)
    assert await town.reading.features.outbox.lanes() == await lanes_but_receipts(town)
