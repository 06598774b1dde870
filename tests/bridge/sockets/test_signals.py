"""Typing and presence on the sockets: to whom they are told, and when they end."""

from typing import Any

from bridge.core.ids import ConversationId, ParticipantId
from bridge.signals.model import Person
from bridge.sockets.signals import MOST_WAITING
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said
from tests.bridge.api.world import OURS, World
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_sockets import PARTY, USER, VENDOR, heard

ANNA, CHEF = ParticipantId("u-anna"), ParticipantId("v-1")


def types(world: World, conversation_id: str, who: ParticipantId = CHEF, *, typing: bool = True) -> None:
    world.signals.typing.set(OURS, ConversationId(conversation_id), who, is_typing=typing)


async def shown(client: Client) -> tuple[str, bool]:
    """The next word of somebody's typing."""
    frame = await client.next("typing.indicator")
    assert "cursor" not in frame
    assert (frame["until"] is not None) == frame["is_typing"]
    return frame["participant_id"], frame["is_typing"]


async def nothing_but(client: Client, api: Api, conversation_id: str, kind: str) -> list[Any]:
    """Frames of this type until something else has happened."""
    await said(api, conversation_id, "the end")
    while client.texts("message.sent")[-1:] != ["the end"]:
        await client.read()
    return [frame for frame in client.frames if frame["type"] == kind]


async def test_typing_begins_goes_on_and_ends_by_itself(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    """An example of property 4, which `signals/test_boards.py` proves."""
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    types(world, conversation_id)
    frame = await client.next("typing.indicator")
    assert frame == {
        "type": "typing.indicator",
        "conversation_id": conversation_id,
        "participant_id": CHEF,
        "is_typing": True,
        "until": "2027-01-15T08:00:10.000Z",
    }
    world.clock.advance(3_000)
    types(world, conversation_id)
    assert (await client.next("typing.indicator"))["until"] == "2027-01-15T08:00:13.000Z"
    world.clock.advance(9_999)
    assert len(await nothing_but(client, api, conversation_id, "typing.indicator")) == 2
    world.clock.advance(1)
    assert await shown(client) == (CHEF, False)
    assert (await api.get(f"{CONVERSATIONS}/{conversation_id}/typing")).json["typing"] == []


async def test_typing_ends_at_once_when_they_stop_or_have_said_it(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(VENDOR)
    types(world, conversation_id)
    assert await shown(client) == (CHEF, True)
    types(world, conversation_id, typing=False)
    assert await shown(client) == (CHEF, False)
    for say in (
        lambda: said(api, conversation_id, "by the API"),
        lambda: heard(world, conversation_id, "in a client", "$1"),
    ):
        types(world, conversation_id)
        types(world, conversation_id, ANNA)
        assert {await shown(client), await shown(client)} == {(CHEF, True), (ANNA, True)}
        await say()
        assert await shown(client) == (ANNA, False)
        found = (await api.get(f"{CONVERSATIONS}/{conversation_id}/typing")).json["typing"]
        assert [one["participant_id"] for one in found] == [CHEF]
        types(world, conversation_id, typing=False)
        assert await shown(client) == (CHEF, False)


async def test_signals_reach_those_who_follow_the_conversation_and_nobody_else(
    world: LiveWorld, api: Api, theirs: Api, crowd: Crowd
) -> None:
    here, beside = await opened(api, "p-1", "v-1"), await opened(api, "p-1", "v-2")
    await opened(api, "p-2", "v-3")
    await opened(theirs)
    both = ["conversations:read", "messages:read"]
    narrow, wide = [
        str(await world.keys.create(OURS, name="k", scopes=scopes))
        for scopes in (both, [*both, "signals:read"])
    ]
    told = [
        await crowd.connected(PARTY),
        await crowd.connected(VENDOR),
        await crowd.connected(PARTY, world.person("u-anna")),
        await crowd.connected(PARTY, wide),
    ]
    author = await crowd.connected(PARTY, world.person("v-1", "vendor"))
    others = [
        await crowd.connected("/ws/communication/p-2"),
        await crowd.connected(PARTY, theirs.key),
        await crowd.connected(PARTY, world.person("v-2", "vendor")),
        await crowd.connected(USER),
        await crowd.connected(PARTY, narrow),
        await crowd.connected(PARTY),
    ]
    assert (await others[-1].ask(type="conversation.leave", conversation_id=here))["type"] == "ack"
    types(world, here)
    world.signals.presence.declared(Person(tenant_id=OURS, participant_id=CHEF), "online")
    for client in told:
        assert await shown(client) == (CHEF, True)
        online = await client.next("presence.changed")
        assert (online["participant_id"], online["presence"]) == (CHEF, "online")
        assert online["last_seen"] == "2027-01-15T08:00:00.000Z"
    # Their own devices agree on who is there, and need not be told who types.
    assert (await author.next("presence.changed"))["presence"] == "online"
    # What is told later comes later: what was not told by then, is not.
    types(world, beside, ParticipantId("v-2"))
    assert await shown(told[0]) == ("v-2", True)
    for client in [author, *others]:
        await client.drain(0.02)
        found = [frame for frame in client.frames if frame.get("participant_id") == CHEF]
        assert [frame["type"] for frame in found] == (["presence.changed"] if client is author else []), (
            client.path
        )


async def test_presence_is_told_once_and_ends_with_what_was_said_of_it(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    """They share two conversations."""
    conversation_id = await opened(api, "p-1", "v-1")
    await opened(api, "p-2", "v-1")
    client = await crowd.connected(VENDOR)
    await api.send("PUT", "/api/v1/presence", {"participant_id": CHEF, "presence": "away"})
    assert (await client.next("presence.changed"))["presence"] == "away"
    world.clock.advance(300_000)
    assert (await client.next("presence.changed"))["presence"] == "offline"
    assert len(await nothing_but(client, api, conversation_id, "presence.changed")) == 2


async def test_a_flood_of_typing_costs_few_frames_and_delays_no_message(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PARTY)
    for _ in range(MOST_WAITING):
        types(world, conversation_id)
        types(world, conversation_id, typing=False)
    types(world, conversation_id)
    frames = await nothing_but(client, api, conversation_id, "typing.indicator")
    assert len(frames) <= 2
    if not frames:
        frames = [await client.next("typing.indicator")]
    assert frames[-1]["is_typing"]
