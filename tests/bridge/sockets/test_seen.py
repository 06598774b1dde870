"""What was said while somebody was not there comes to them by no frame: not as it happens, not when they come back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bridge.core.ids import ConversationId, MessageId
from bridge.sockets.session import Pulse
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said
from tests.bridge.api.test_property_seen import MOVES, PEOPLE, ROLES, Talk, numbers
from tests.bridge.api.world import PULSE
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_commands import delivered, have_it
from tests.databases import both_databases

PARTY, VENDOR, CHEF, ANNA = (
    "/ws/communication/p-1",
    "/ws/vendor/v-1",
    "/ws/notifications/v-1",
    "/ws/notifications/u-anna",
)
ABOUT = ("message_id", "last_read_message_id")


@pytest.fixture
def pulse() -> Pulse:
    """So that the sockets of who is blocked are not ended, but live through that."""
    return replace(PULSE, recheck=600.0)


def named(told: Any) -> set[str]:
    """All messages that are told of, wherever in it."""
    if isinstance(told, list):
        return set().union(*map(named, told))
    if not isinstance(told, dict):
        return set()
    here = {told[name] for name in ABOUT if told.get(name) is not None}
    return here.union(*map(named, told.values()))


async def up_to(client: Client, message_id: str) -> None:
    """Everything until the room has this message."""
    while True:
        frame = await client.read()
        about = frame.get("message", frame).get("message_id")
        if frame["type"] in ("message.delivered", "message.received") and about == message_id:
            return


@both_databases
async def test_who_was_blocked_hears_nothing_of_that_time(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    here = await opened(api)
    one = f"{CONVERSATIONS}/{here}"
    token = world.person("v-1", "vendor")
    theirs = [(PARTY, token), (VENDOR, token), (CHEF, token), (CHEF, None)]
    before = await delivered(world, api, here, "Vanilla?")
    await world.settled(here)
    live = [await crowd.connected(*who) for who in theirs]
    back = [await crowd.connected(*who) for who in theirs]
    anna = await crowd.connected(PARTY, world.person("u-anna"))
    for client in back:
        client.drop()
    assert (await api.post(f"{one}/block", {"side": "vendor"})).status == 200
    ours = await delivered(world, api, here, "Among ourselves")
    await api.post(f"/api/v1/messages/{ours}/reactions", {"sender_id": "u-anna", "emoji": "👍"})
    await api.post(f"{one}/read", {"participant_id": "u-anna"})
    await world.settled(here)
    assert (await api.request("POST", f"{one}/reopen")).status == 200
    await api.send(
        "PUT", f"/api/v1/messages/{ours}", {"sender_id": "u-anna", "text": "Among ourselves, still"}
    )
    await api.post(f"/api/v1/messages/{ours}/reactions", {"sender_id": "u-anna", "emoji": "🎂"})
    await api.send("PUT", one, {"subject": "The cake"})
    await world.settled(here)
    after = await delivered(world, api, here, "Welcome back")
    await up_to(anna, after)
    assert "Among ourselves" in anna.texts("message.sent")
    for client in back:
        await client.connect()
    for client in (*live, *back):
        await up_to(client, after)
        assert "Among ourselves" not in json.dumps(client.frames), client.path
        assert named(client.events) <= {before, after}, client.path
    updated = [frame for frame in back[0].events if frame["type"] == "conversation.updated"]
    assert {frame["conversation"]["last_message"]["message_id"] for frame in updated} <= {before, after}


async def test_who_is_added_later_is_told_from_then_on(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    here = await opened(api)
    await world.settled(here)
    beginning = (await crowd.connected(PARTY)).cursor
    early = (await said(api, here, "Before you came")).json["message_id"]
    await have_it(world, early)
    ben = {"id": "u-ben", "name": "Ben"}
    party = {"id": "p-1", "title": "Anna & Ben", "hosts": [{"id": "u-anna", "name": "Anna"}, ben]}
    asked = {"party": party, "vendor": {"id": "v-1", "name": "Sweet Bites"}}
    assert (await api.post(CONVERSATIONS, asked)).status == 200
    await api.post(f"{CONVERSATIONS}/{here}/read", {"participant_id": "v-1"})
    late = await delivered(world, api, here, "Hello, Ben")
    await world.settled(here)
    for path, token in ((PARTY, world.person("u-ben")), ("/ws/notifications/u-ben", None)):
        client = crowd.client(path, token)
        client.cursor = beginning
        await client.connect()
        await up_to(client, late)
        assert named(client.events) <= {late}
        assert "Before you came" not in json.dumps(client.frames)
        counts = {one["conversation"]["message_count"] for one in client.events if "conversation" in one}
        assert counts == {1}


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=MOVES)
async def test_who_comes_back_is_told_what_was_said_to_them_and_nothing_else(
    world: LiveWorld, api: Api, crowd: Crowd, moves: list[tuple[str, str]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    talk = Talk(api, world, f"y{next(numbers)}")
    await talk.open("anna")
    await world.settled(talk.here)
    party = f"/ws/communication/p{talk.run}"
    start = await crowd.connected(party)
    beginning = start.cursor
    await start.socket.close()
    for move, who in moves:
        await talk.take(move, who)
    stored = await world.conversation_store.get(world.database, ConversationId(talk.here))
    assert stored is not None
    async with world.database.transaction() as tx:
        end = await world.messages.announce(tx, stored, text="The end")
        await world.messages.sent(tx, MessageId(end), origin_id=f"${end}")
    await world.settled(talk.here)
    for who in talk.there & set(PEOPLE):
        token = world.person(who + talk.run, ROLES[who])
        paths = [party, f"/ws/notifications/{who}{talk.run}"]
        if who == "chef":
            paths.append(f"/ws/vendor/chef{talk.run}")
        for path in paths:
            client = crowd.client(path, token)
            client.cursor = beginning
            await client.connect()
            await up_to(client, end)
            wanted = {one.message_id for one in talk.said if who in one.to}
            assert named(client.events) <= {*wanted, end}
            if "notifications" not in path:
                told = {frame["message"]["message_id"] for frame in client.events if "message" in frame}
                assert told == {*wanted, end}
            await client.socket.close()
