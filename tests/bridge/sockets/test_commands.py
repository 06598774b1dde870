"""What clients do by frames: as the REST API does it, as themselves only, and with nothing changed where it refuses."""

from typing import Any

import pytest

from bridge.core.caller import CallerRole
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.signals.model import Person
from bridge.signals.reads import Place
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import OURS
from tests.bridge.platform.sender import host
from tests.bridge.sockets.client import Crowd, LiveWorld, everything
from tests.bridge.sockets.test_sockets import PARTY, VENDOR


async def delivered(world: LiveWorld, api: Api, conversation_id: str, text: str) -> str:
    """Said by Anna, and in the room; the message's id."""
    message_id = str((await said(api, conversation_id, text)).json["message_id"])
    await have_it(world, message_id)
    return message_id


async def have_it(world: LiveWorld, message_id: str) -> None:
    """It has come into the room."""
    async with world.database.transaction() as tx:
        await world.messages.sent(tx, MessageId(message_id), origin_id=f"${message_id}")


async def test_who_types_by_a_frame_is_seen_by_all_and_told_outside(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    chef = await crowd.connected(VENDOR, world.person("v-1", "vendor"))
    anna = await crowd.connected(PARTY, world.person("u-anna"))
    ack = await chef.ask(type="typing.start", id="t", conversation_id=conversation_id)
    assert (ack["id"], [one["participant_id"] for one in ack["typing"]]) == ("t", ["v-1"])
    frame = await anna.next("typing.indicator")
    assert (frame["participant_id"], frame["is_typing"]) == ("v-1", True)
    assert (await chef.ask(type="typing.stop", conversation_id=conversation_id))["typing"] == []
    assert not (await anna.next("typing.indicator"))["is_typing"]
    assert world.typing_outside.heard == [(conversation_id, "v-1", typing) for typing in (True, False)]


async def test_who_says_that_they_are_there_is_so(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await opened(api)
    chef = await crowd.connected(VENDOR, world.person("v-1", "vendor"))
    anna = await crowd.connected(PARTY, world.person("u-anna"))
    ack = await chef.ask(type="presence.update", presence="away")
    assert (ack["participant_id"], ack["presence"]) == ("v-1", "away")
    assert (await anna.next("presence.changed"))["presence"] == "away"


async def test_what_is_read_by_a_frame_is_told_with_its_reader_and_how_far(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    """An example of property 3, which `signals/test_recount.py` proves."""
    conversation_id = await opened(api)
    first, second, _ = [
        await delivered(world, api, conversation_id, text) for text in ("one", "two", "three")
    ]
    chef = await crowd.connected(VENDOR, world.person("v-1", "vendor"))
    anna = await crowd.connected(PARTY, world.person("u-anna"))
    ack = await chef.ask(type="message.read", conversation_id=conversation_id, up_to_message_id=second)
    assert (ack["participant_id"], ack["read_count"], ack["unread_count"]) == ("v-1", 2, 1)
    told = await anna.next("message.read")
    assert told["conversation_id"] == conversation_id
    assert told["reader"] == {
        "participant_id": "v-1",
        "last_read_message_id": second,
        "read_at": "2027-01-15T08:00:00.000Z",
        "unread_count": 1,
    }
    # The same again, or less, is nothing new.
    for up_to in (second, first):
        again = await chef.ask(type="message.read", conversation_id=conversation_id, up_to_message_id=up_to)
        assert (again["read_count"], again["last_read_message_id"]) == (0, second)
    assert (await chef.ask(type="message.read", conversation_id=conversation_id))["unread_count"] == 0
    assert (await anna.next("message.read"))["reader"]["unread_count"] == 0
    view = (await api.get(f"/api/v1/messages/{first}")).json
    assert view["status"] == "read"


async def test_what_is_read_in_a_thread_is_another_number_of_what_is_unread(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    root = await delivered(world, api, conversation_id, "Three menus")
    body = {"sender_id": host()["id"], "text": "The first", "thread_id": root}
    answer = str((await api.post(messages_of(conversation_id), body)).json["message_id"])
    await have_it(world, answer)
    anna = await crowd.connected(PARTY, world.person("u-anna"))
    store, chef = world.signals.read_store, ParticipantId("v-1")
    async with world.database.transaction() as tx:
        message = await world.message_store.get(tx, MessageId(answer))
        assert message is not None
        here = message.conversation_id
        place = Place(tenant_id=message.tenant_id, conversation_id=here, participant_id=chef)
        thread = await store.thread(tx, here, f"${root}")
        await world.signals.reads.seen(tx, place, up_to=message.position, at=world.clock.now(), part=thread)
    reader = (await anna.next("message.read"))["reader"]
    assert reader == {
        "participant_id": "v-1",
        "last_read_message_id": None,
        "read_at": None,
        "unread_count": 1,
    }
    shown = (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json["participants"]
    assert {one["participant_id"]: one["unread_count"] for one in shown}["v-1"] == 1
    assert [(await api.get(f"/api/v1/messages/{one}")).json["status"] for one in (root, answer)] == [
        "delivered",
        "read",
    ]


async def test_who_was_away_learns_what_was_read_meanwhile(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    message_id = await delivered(world, api, conversation_id, "one")
    await world.settled(conversation_id)
    client = await crowd.connected(PARTY)
    client.drop()
    body = {"participant_id": "v-1"}
    assert (await api.post(f"{CONVERSATIONS}/{conversation_id}/read", body)).json["read_count"] == 1
    await world.settled(conversation_id)
    await client.connect()
    assert (await client.next("message.read"))["reader"]["last_read_message_id"] == message_id


SCOPED: list[tuple[dict[str, Any], str]] = [
    ({"type": "message.read"}, "reading:write"),
    ({"type": "typing.start"}, "signals:write"),
    ({"type": "typing.stop"}, "signals:write"),
    ({"type": "presence.update", "presence": "online", "conversation_id": None}, "signals:write"),
]


def frame_of(frame: dict[str, Any], conversation_id: str, who: str | None) -> dict[str, Any]:
    made = {"conversation_id": conversation_id, "participant_id": who} | frame
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize(("frame", "scope"), SCOPED, ids=lambda value: str(value))
async def test_a_key_needs_the_scope_of_what_it_does(
    world: LiveWorld, api: Api, crowd: Crowd, frame: dict[str, Any], scope: str
) -> None:
    conversation_id = await opened(api)
    await delivered(world, api, conversation_id, "one")
    scopes = ["conversations:read", "messages:read", "messages:write", "reading:read", "signals:read"]
    narrow, wide = [
        str(await world.keys.create(OURS, name="k", scopes=some)) for some in (scopes, [*scopes, scope])
    ]
    client = await crowd.connected(PARTY, narrow)
    before = await everything(world, conversation_id)
    refused = await client.ask(**frame_of(frame, conversation_id, "v-1"))
    assert (refused["type"], refused["code"], scope in refused["detail"]) == ("error", "forbidden", True)
    assert await everything(world, conversation_id) == before
    allowed = await crowd.connected(PARTY, wide)
    assert (await allowed.ask(**frame_of(frame, conversation_id, "v-1")))["type"] == "ack"


# Who, of which role, does it for whom, and why they may not. Anna and v-1 take part, v-2 and Ben do not.
NOT_YOURS: list[tuple[str, CallerRole, str | None, str]] = [
    ("u-anna", "host", "v-1", "not_yourself"),
    ("v-1", "vendor", "u-anna", "not_yourself"),
    ("shop", "service", None, "invalid_input"),  # for whom?
    ("staff", "admin", None, "invalid_input"),
    ("shop", "service", "v-2", "not_a_participant"),
]


@pytest.mark.parametrize(("who", "role", "named", "code"), NOT_YOURS)
@pytest.mark.parametrize("frame", [frame for frame, _ in SCOPED], ids=lambda frame: str(frame["type"]))
async def test_everybody_acts_as_themselves_and_programs_for_whom_they_name(
    world: LiveWorld,
    api: Api,
    crowd: Crowd,
    frame: dict[str, Any],
    who: str,
    role: CallerRole,
    named: str | None,
    code: str,
) -> None:
    conversation_id = await opened(api)
    await opened(api, "p-1", "v-2")
    await delivered(world, api, conversation_id, "one")
    client = await crowd.connected(PARTY, world.person(who, role))
    before = await everything(world, conversation_id)
    answer = await client.ask(**frame_of(frame, conversation_id, named))
    if (frame["type"], code) == ("presence.update", "not_a_participant"):
        assert answer["type"] == "ack"  # presence is a person's, wherever they take part
        return
    assert (answer["type"], answer["code"], answer["field"]) == ("error", code, "participant_id")
    assert await everything(world, conversation_id) == before


@pytest.mark.parametrize("frame", [frame for frame, _ in SCOPED[:3]], ids=lambda frame: str(frame["type"]))
async def test_nobody_acts_in_a_conversation_that_is_not_theirs(
    world: LiveWorld, api: Api, crowd: Crowd, frame: dict[str, Any]
) -> None:
    await opened(api)
    others = await opened(api, "p-1", "v-2")
    elsewhere = await delivered(world, api, others, "between others")
    chef = await crowd.connected(VENDOR, world.person("v-1", "vendor"))
    before = await everything(world, others)
    answer = await chef.ask(**frame_of(frame, others, None))
    assert (answer["code"], answer["field"]) == ("not_found", "conversation_id")
    if frame["type"] == "message.read":
        mine = await opened(api)
        answer = await chef.ask(**frame_of(frame, mine, None), up_to_message_id=elsewhere)
        assert (answer["code"], answer["field"]) == ("not_found", "up_to_message_id")
    assert await everything(world, others) == before


async def test_by_a_token_that_was_taken_back_nothing_is_done(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    token = world.person("v-1", "vendor")
    client = await crowd.connected(VENDOR, token)
    world.take_back(token)
    await client.socket.send_json({"type": "typing.start", "conversation_id": conversation_id})
    assert (await client.ended())[0] == 4401
    assert world.signals.typing.of(ConversationId(conversation_id)) == []
    chef = Person(tenant_id=OURS, participant_id=ParticipantId("v-1"))
    assert (await world.signals.presence.of(world.database, chef)).state == "offline"
