"""Every conversation, of whatever kind, is told by a socket to each who takes part in it; and to nobody else."""

from typing import Any

import pytest

from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, group, messages_of, opened
from tests.bridge.api.world import THEIRS
from tests.bridge.platform.sender import host, vendor
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_entry import bearer, refused
from tests.databases import both_databases

VENDOR = "/ws/vendor/v-1"
ANNA, CHEF = host() | {"role": "host"}, vendor() | {"role": "vendor"}
HELPER = {"id": "s-1", "name": "Staff"}
INQUIRY = (f"{CONVERSATIONS}/inquiries", {"host": host(), "vendor": vendor()}, "u-anna", "v-1")
GROUP = (f"{CONVERSATIONS}/groups", group(CHEF), "u-anna", "v-1")
KINDS = {
    "an inquiry": INQUIRY,
    "a group without a party": GROUP,
    "a group of a party": (GROUP[0], GROUP[1] | {"party_id": "p-1"}, "u-anna", "v-1"),
    "support of a host": (
        f"{CONVERSATIONS}/support",
        {"title": "Help", "person": ANNA, "staff": [HELPER]},
        "u-anna",
        "s-1",
    ),
    "support of a vendor": (
        f"{CONVERSATIONS}/support",
        {"title": "Help", "person": CHEF, "staff": [HELPER]},
        "v-1",
        "s-1",
    ),
}
"""Where it is opened, with what, and two who take part."""
Kind = tuple[str, dict[str, Any], str, str]


async def made(api: Api, kind: Kind) -> str:
    path, body, *_ = kind
    answer = await api.post(path, body)
    assert answer.status == 201, answer.json
    return str(answer.json["conversation_id"])


def seats(world: LiveWorld, here: str, who: str) -> list[tuple[str, str | None]]:
    """The sockets that tell somebody what is said there: path, and whose token; None is a program's."""
    own = f"/ws/communication/{here}"
    if who.startswith("v-"):
        token = world.person(who, "vendor")
        return [(VENDOR, token), (VENDOR, None), (own, token), (own, None)]
    if who.startswith("s-"):
        return [(own, world.person(who, "admin")), (own, None)]
    return [(own, world.person(who)), (own, None)]


async def say(api: Api, here: str, who: str, text: str) -> None:
    assert (await api.post(messages_of(here), {"sender_id": who, "text": text})).status == 201


async def hears(client: Client, text: str) -> None:
    assert (await client.next("message.sent"))["message"]["content"] == text


async def hears_in_the_end(client: Client, text: str) -> None:
    while (await client.next("message.sent"))["message"]["content"] != text:
        pass


@both_databases
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_who_takes_part_is_told_all_of_it_and_has_their_say(
    world: LiveWorld, api: Api, crowd: Crowd, kind: Kind
) -> None:
    here, (one, other) = await made(api, kind), kind[2:]
    await world.settled(here)
    witness = await crowd.connected(f"/ws/communication/{here}")
    number = 0
    for who, somebody_else in ((one, other), (other, one)):
        for path, token in seats(world, here, who):
            client = await crowd.connected(path, token)
            number += 1
            await say(api, here, somebody_else, "Vanilla?")
            await hears(client, "Vanilla?")
            signals = {"conversation_id": here, "participant_id": somebody_else}
            await api.post("/api/v1/typing", signals | {"typing": True})
            assert (await client.next("typing.indicator"))["participant_id"] == somebody_else
            await api.post("/api/v1/typing", signals | {"typing": False})
            assert not (await client.next("typing.indicator"))["is_typing"]
            for state in ("online", "away"):
                presence = {"participant_id": somebody_else, "presence": state}
                assert (await api.send("PUT", "/api/v1/presence", presence)).status == 200
                assert (await client.next("presence.changed"))["presence"] == state
            # What they do by a frame.
            me = {"conversation_id": here, "participant_id": who}
            message = {"sender_id": who, "text": "Yes"}
            frame = {"type": "message.send", "conversation_id": here, "message": message}
            sent = await client.ask(**frame, id=f"m-{number}")
            assert (sent["type"], sent["replayed"]) == ("ack", False)
            for kind_of in ("typing.start", "typing.stop", "message.read"):
                assert (await client.ask(type=kind_of, **me))["type"] == "ack"
            # It comes back to what was said meanwhile, and to none of what it has left.
            client.drop()
            await say(api, here, somebody_else, "Or lemon?")
            await world.settled(here)
            await client.connect()
            while client.texts("message.sent")[-1] != "Or lemon?":
                await client.read()
            assert client.texts("message.sent") == ["Vanilla?", "Yes", "Or lemon?"]
            assert (await client.ask(type="conversation.leave", conversation_id=here))["type"] == "ack"
            await say(api, here, somebody_else, f"Not to {number}")
            await hears_in_the_end(witness, f"Not to {number}")
            assert (await client.ask(type="conversation.join", conversation_id=here))["type"] == "ack"
            await say(api, here, somebody_else, "To me")
            await hears(client, "To me")
            await client.socket.close()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_nobody_else_gets_in_or_is_told(world: LiveWorld, api: Api, crowd: Crowd, kind: Kind) -> None:
    here = await made(api, kind)
    own = f"/ws/communication/{here}"
    elsewhere = await opened(api, "p-2", "v-2")
    await world.settled(elsewhere)
    for token in (
        world.person("u-ben"),
        world.person("v-2", "vendor"),
        world.person("u-anna", "host", THEIRS),
        world.person("staff", "admin", THEIRS),
    ):
        assert await refused(api, own, bearer(token)) == (404, "not_found")
    others = [
        await crowd.connected("/ws/communication/p-2"),
        await crowd.connected("/ws/vendor/v-2", world.person("v-2", "vendor")),
        await crowd.connected(f"/ws/communication/{elsewhere}", world.person("v-2", "vendor")),
    ]
    await say(api, here, kind[2], "Between us")
    await say(api, elsewhere, "u-anna", "The end")
    for client in others:
        await hears(client, "The end")
        answer = await client.ask(type="conversation.join", conversation_id=here)
        assert answer["code"] == "not_found"


async def test_a_socket_of_one_conversation_tells_of_no_other(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    """Of its vendors, too, and of nobody else's."""
    here, other = await made(api, INQUIRY), await opened(api, "p-1", "v-2")
    await world.settled(other)
    clients = [
        await crowd.connected(f"/ws/communication/{here}", token) for token in (None, world.person("u-anna"))
    ]
    await say(api, other, "u-anna", "Elsewhere")
    for vendor_id in ("v-2", "v-1"):
        await api.send("PUT", f"/api/v1/vendors/{vendor_id}/status", {"status": "away"})
    await say(api, here, "u-anna", "Here")
    for client in clients:
        assert (await client.next("availability"))["vendor_id"] == "v-1"
        await hears(client, "Here")
        answer = await client.ask(type="conversation.join", conversation_id=other)
        assert answer["code"] == "not_found"
        client.drop()
    await api.send("PUT", "/api/v1/vendors/v-1/status", {"status": "online"})
    await world.settled(here)
    for client in clients:
        await client.connect()
        assert (await client.next("availability"))["vendor"]["availability_status"] == "online"


async def test_who_leaves_is_told_no_more(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    here, theirs = await made(api, GROUP), await opened(api)
    chef = world.person("v-1", "vendor")
    everything = await crowd.connected(VENDOR, chef)
    of_program = await crowd.connected(VENDOR)
    only_here = await crowd.connected(f"/ws/communication/{here}", chef)
    await say(api, here, "u-anna", "All together")
    for client in (everything, of_program, only_here):
        await hears(client, "All together")
    left = await api.request("POST", f"{CONVERSATIONS}/{here}/leave", params={"participant_id": "v-1"})
    assert left.status == 200
    await world.settled(here)
    assert (await only_here.ended())[0] == 4404
    assert await refused(api, only_here.path, bearer(chef)) == (404, "not_found")
    await say(api, here, "u-anna", "Without the chef")
    await say(api, theirs, "u-anna", "To the chef")
    for client in (everything, of_program):
        await hears(client, "To the chef")


async def test_a_vendor_who_only_helps_others_has_a_socket(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    assert await refused(api, VENDOR, bearer(api.key)) == (404, "not_found")
    await made(api, GROUP)
    await crowd.connected(VENDOR)
