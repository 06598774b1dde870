"""Signals from the homeserver reach the people they are of; lossy and bounded."""

from typing import Any

import pytest

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.inbound import signals as inbound
from bridge.core.ids import ParticipantId
from bridge.signals.model import Person, Presence, PresenceState
from tests.appservice.delivering import NAMES
from tests.appservice.signals.town import ANNA, GHOST, ROOM, STRANGER, Town, typing
from tests.bridge.conversations.features import TENANT
from tests.databases import both_databases


async def test_account_holders_type_ghosts_and_strangers_do_not(town: Town) -> None:
    town.inbound.offer([typing(ANNA, GHOST, STRANGER), typing(ANNA, room="!other:example.org")])
    assert await town.typists() == ["anna"]
    town.inbound.offer([typing()])
    assert await town.typists() == []


async def test_typing_that_waited_too_long_is_forgotten(town: Town) -> None:
    town.inbound.offer([typing(ANNA)])
    town.clock.advance(120_000)
    assert await town.typists() == []


@both_databases
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


@both_databases
async def test_a_receipt_of_a_thread_is_of_its_answers_and_one_of_none_of_all(town: Town) -> None:
    root = await town.reading.say("chef")
    answer, other = await town.reading.say("chef", thread=root), await town.reading.say("chef")
    town.hear(ANNA, f"${answer}", thread=f"${root}")
    await town.inbound.step()
    assert await town.unread() == 2
    town.hear(ANNA, f"${other}")
    await town.reading.say("chef", thread=root)
    last = await town.reading.say("chef", thread=root)
    await town.inbound.step()
    assert await town.unread() == 2
    town.hear(ANNA, f"${last}", thread=None, synced=True)
    await town.inbound.step()
    assert await town.unread() == 0


@both_databases
@pytest.mark.parametrize("in_client", [False, True])
async def test_where_nobody_says_which_thread_was_read_it_is_that_of_the_message(
    town: Town, *, in_client: bool
) -> None:
    """Synapse says it in `/sync` only, not in transactions."""
    root = await town.reading.say_in_client("ben") if in_client else await town.reading.say("chef")
    first = await town.reading.say("chef", thread=root)
    other = await town.reading.say("chef")
    second = await town.reading.say_in_client("ben", thread=root)
    town.hear(ANNA, await town.reading.origin(other), thread=None)
    await town.inbound.step()
    assert await town.unread() == 2
    town.hear(ANNA, await town.reading.origin(first), thread=None)
    await town.inbound.step()
    assert await town.unread() == 1
    await town.reading.say("chef")
    town.hear(ANNA, await town.reading.origin(second), thread=None)
    await town.inbound.step()
    assert await town.unread() == 1


async def test_receipts_of_several_threads_wait_beside_each_other(town: Town) -> None:
    roots = [await town.reading.say("chef") for _ in range(2)]
    answers = [await town.reading.say("chef", thread=root) for root in roots]
    for root, answer in zip(roots, answers, strict=True):
        town.hear(ANNA, f"${answer}", thread=f"${root}")
    town.hear(ANNA, f"${roots[0]}")
    await town.inbound.step()
    assert await town.unread() == 1
    assert town.inbound._receipts == {}


async def test_of_ghosts_and_strangers_receipts_mean_nothing(town: Town) -> None:
    message = await town.reading.say("anna")
    for user in (GHOST, NAMES.bot, STRANGER):
        town.hear(user, f"${message}")
    await town.inbound.step()
    assert await town.reading.unread() == {"anna": 0, "ben": 1, "chef": 1}
    assert await town.database.fetch("SELECT * FROM read_positions") == []


@both_databases
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


@both_databases
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
