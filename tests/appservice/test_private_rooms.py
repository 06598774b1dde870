"""The bot's room with one person: encrypted and closed, and whatever is said to the bot there has no effect."""

from typing import Any

import pytest

from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.rooms import ENCRYPTION, STAFF
from appservice.room_map import Room, remember_room
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId
from bridge.storage.database import Database
from tests.appservice.encryption.engine import BOT, NAMES, TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import CHEF, Reader
from tests.fakes.homeserver import FakeHomeserver, Json

PRIVATE = "!private:bridge.test"
PLACE = ConversationId("0123456789abcdef0123456789abcdef")


def test_it_is_made_encrypted_and_closed_and_only_the_bot_speaks_there() -> None:
    body = PrivateRooms.creation(_nothing_but_names(), PLACE, "Anna & Ben x Chef")
    state = {event["type"]: event["content"] for event in body["initial_state"]}
    assert state["m.room.encryption"] == ENCRYPTION
    assert state["m.room.history_visibility"] == {"history_visibility": "invited"}
    assert state["m.room.guest_access"] == {"guest_access": "forbidden"}
    assert (body["preset"], body["visibility"]) == ("private_chat", "private")
    levels = body["power_level_content_override"]
    assert levels["users_default"] == 0
    assert {
        levels[key] for key in ("events_default", "state_default", "invite", "kick", "ban", "redact")
    } == {STAFF}
    assert "users" not in levels
    assert "invite" not in body
    assert len(PrivateRooms.creation(_nothing_but_names(), PLACE, "x" * 999)["name"]) == 255


def _nothing_but_names() -> PrivateRooms:
    unused: Any = None
    return PrivateRooms(database=unused, names=NAMES, rooms=unused, members=unused, clock=FrozenClock())


@pytest.fixture
async def reader(database: Database) -> Reader:
    homeserver = FakeHomeserver()
    reader = await Reader(Engine(database, homeserver, FrozenClock())).opened()
    homeserver.add_room(PRIVATE, {BOT: "join", CHEF: "join"})
    async with database.transaction() as tx:
        await remember_room(tx, Room(PRIVATE, TENANT, PLACE, private=True), reader.engine.clock)
    return reader


def encrypted(chef: Party) -> Json:
    return chef.event(PRIVATE, "$1", chef.encrypt(PRIVATE, "!festimo status"))


def without_a_key(chef: Party) -> Json:
    return Party(FakeHomeserver(), CHEF, "OTHER").event(PRIVATE, "$1", chef.encrypt(PRIVATE, "Hello?"))


def plain(chef: Party) -> Json:
    return chef.event(PRIVATE, "$1", {"msgtype": "m.text", "body": "Hello?"}) | {"type": "m.room.message"}


def redaction(chef: Party) -> Json:
    return chef.event(PRIVATE, "$1", {"redacts": "$0"}) | {"type": "m.room.redaction"}


def bot_kicked(chef: Party) -> Json:
    content = {"membership": "leave"}
    return chef.event(PRIVATE, "$1", content) | {"type": "m.room.member", "state_key": BOT}


def encryption_off(chef: Party) -> Json:
    return chef.event(PRIVATE, "$1", {}) | {"type": "m.room.encryption", "state_key": ""}


@pytest.mark.parametrize(
    "said", [encrypted, without_a_key, plain, redaction, bot_kicked, encryption_off], ids=lambda f: f.__name__
)
async def test_what_is_said_there_has_no_effect(reader: Reader, said: Any) -> None:
    chef = await Party(reader.engine.homeserver, CHEF, "PHONE").publish()  # type: ignore[arg-type]
    before = await reader.features.everything()
    await reader.deliver(said(chef))
    assert await reader.features.everything() == before
    rows: list[Any] = await reader.engine.database.fetch("SELECT state, failure FROM inbox")
    assert [(row["state"], row["failure"]) for row in rows] == [("done", None)]
