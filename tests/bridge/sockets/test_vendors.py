"""What the sockets tell of vendors: to whom it matters, now and after a drop, and never how to reach them."""

from typing import Any

from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, group_opened, messages_of, opened, said
from tests.bridge.platform.sender import vendor
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.databases import both_databases

CHEF = "/api/v1/vendors/v-1"
PARTY, VENDOR, USER = "/ws/communication/p-1", "/ws/vendor/v-1", "/ws/notifications/u-anna"
BEN = {"id": "u-ben", "name": "Ben", "role": "host"}
TOLD = ("availability", "vendor.updated", "vendor.rated")


async def happened(api: Api) -> None:
    """One of each kind."""
    await api.send("PUT", f"{CHEF}/status", {"status": "away"})
    await api.send("PUT", CHEF, {"email": "carla@sweet.example", "specialties": ["cakes"]})
    await api.post(f"{CHEF}/rate", {"host_id": "u-anna", "rating": 4})


async def told(client: Client, world: LiveWorld, api: Api, conversation_id: str) -> list[dict[str, Any]]:
    """All of vendors, up to something that everybody is told."""
    await said(api, conversation_id, "the end")
    await client.next("message.sent", *(("conversation.updated",) if client.path == USER else ()))
    return [frame for frame in client.events if frame["type"] in TOLD]


async def test_what_happens_to_a_vendor_is_told_to_who_has_to_do_with_them(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await world.settled(await opened(api))
    await world.settled(await opened(api, "p-2", "v-2"))
    anna = world.person("u-anna")
    sockets = {PARTY: [None, anna], VENDOR: [None, world.person("v-1", "vendor")], USER: [None, anna]}
    clients = [await crowd.connected(path, token) for path, some in sockets.items() for token in some]
    elsewhere = [await crowd.connected(path) for path in ("/ws/communication/p-2", "/ws/vendor/v-2")]
    await happened(api)
    expected = {
        PARTY: ["availability", "vendor.updated"],
        VENDOR: ["availability", "vendor.updated", "vendor.rated"],
        USER: ["availability"],
    }
    for client in clients:
        frames = await told(client, world, api, conversation_id)
        assert [frame["type"] for frame in frames] == expected[client.path], client.path
        assert {frame["vendor_id"] for frame in frames} == {"v-1"}
        for frame in frames:
            view = frame["vendor"]
            assert (view["contact_visible"], view["email"], view["metadata"]) == (False, None, None)
        assert frames[0]["vendor"]["availability_status"] == "away"
        assert "conversation_id" not in frames[0]
    await said(api, await opened(api, "p-2", "v-2"), "the end")
    for client in elsewhere:
        await client.next("message.sent")
        assert [frame["type"] for frame in client.events if frame["type"] in TOLD] == []


@both_databases
async def test_who_drops_is_told_of_vendors_later_in_the_same_order(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await world.settled(await opened(api))
    live = await crowd.connected(VENDOR)
    dropped = [await crowd.connected(path) for path in (PARTY, VENDOR, USER)]
    for client in dropped:
        await client.socket.close()
    await said(api, conversation_id, "before")
    await happened(api)
    await said(api, conversation_id, "after")
    while live.texts("message.sent")[-1:] != ["after"]:
        await live.read()
    in_order = [(frame["type"], frame["event_id"]) for frame in live.events]
    assert [kind for kind, _ in in_order] == ["message.sent", *TOLD, "message.sent"]
    for client in dropped:
        client.frames.clear()
        await client.connect()
        last = "conversation.updated" if client.path == USER else "message.sent"
        while [frame["type"] for frame in client.events].count(last) < 2:
            await client.read()
        kept = [frame["event_id"] for frame in client.events]
        assert kept == [event_id for _, event_id in in_order if event_id in kept]
        vendors = [frame["type"] for frame in client.events if frame["type"] in TOLD]
        assert vendors == {PARTY: list(TOLD[:2]), VENDOR: list(TOLD), USER: [TOLD[0]]}[client.path]


async def test_a_party_tells_a_host_of_those_vendors_they_talk_with_themselves(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    """Another host of the same party has another vendor, whom they know from another party."""
    mine = await opened(api)
    await opened(api, "p-2", "v-2")
    body = {
        "party": {"id": "p-1", "title": "Anna & Ben", "hosts": [{"id": "u-ben", "name": "Ben"}]},
        "vendor": {"id": "v-2", "name": "Florist"},
    }
    await world.settled((await api.post(CONVERSATIONS, body)).json["conversation_id"])
    token = world.person("u-anna")
    anna, program, back = [await crowd.connected(PARTY, one) for one in (token, None, token)]
    elsewhere = await crowd.connected("/ws/communication/p-2", token)
    back.drop()
    await api.send("PUT", "/api/v1/vendors/v-2/status", {"status": "busy"})
    await said(api, mine, "the end")
    await elsewhere.next("availability")
    await world.settled(mine)
    await back.connect()
    for client, expected in ((program, ["availability"]), (anna, []), (back, [])):
        await client.next("message.sent")
        assert [frame["type"] for frame in client.events if frame["type"] in TOLD] == expected


async def test_a_group_tells_its_people_of_its_vendors(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    await world.settled(await group_opened(api, vendor("v-1") | {"role": "vendor"}, BEN))
    tokens = [world.person("u-anna"), world.person("u-ben")]
    anna, ben = [
        await crowd.connected(f"/ws/notifications/{one}", token)
        for one, token in zip(("u-anna", "u-ben"), tokens, strict=True)
    ]
    ben.drop()
    await api.send("PUT", f"{CHEF}/status", {"status": "busy"})
    assert (await anna.next("availability"))["vendor_id"] == "v-1"
    await ben.connect()
    assert (await ben.next("availability"))["event_id"] == anna.events[-1]["event_id"]


async def test_a_status_that_is_said_again_is_no_news(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    client = await crowd.connected(VENDOR)
    for _ in range(2):
        await happened(api)
    assert [frame["type"] for frame in await told(client, world, api, conversation_id)] == list(TOLD)


async def test_that_a_vendor_answers_faster_or_slower_is_told(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await world.settled(await opened(api))
    clients = [await crowd.connected(path) for path in (PARTY, VENDOR)]
    answers = []
    for minutes in (2, 4, 3):
        await said(api, conversation_id, "And?")
        world.clock.advance(minutes * 60_000)
        answer = await api.post(
            f"{CONVERSATIONS}/{conversation_id}/messages", {"sender_id": "v-1", "text": "Yes"}
        )
        answers.append(answer.json["message_id"])
    # Now the third answers what the second did, too.
    assert (await api.request("DELETE", f"/api/v1/messages/{answers[1]}")).status == 200
    await said(api, conversation_id, "the end")
    for client in clients:
        while client.texts("message.sent")[-1:] != ["the end"]:
            await client.read()
        frames = [frame for frame in client.events if frame["type"] == "response_time"]
        assert {frame["vendor_id"] for frame in frames} == {"v-1"}
        # The third answer makes no other average; each frame shows it as it is by then.
        assert len(frames) == 3
        assert frames[-1]["vendor"]["response_time_avg"] == 4.5


async def test_that_a_vendor_answered_is_told_after_their_message(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await world.settled(await opened(api))
    paths = {PARTY: world.person("u-anna"), VENDOR: world.person("v-1", "vendor")}
    clients = [await crowd.connected(path, token) for path, token in paths.items()]
    await said(api, conversation_id, "Vanilla?")
    replies = [
        await api.post(messages_of(conversation_id), {"sender_id": "v-1", "text": text})
        for text in ("Yes!", "And lemon")
    ]
    for client in clients:
        while client.texts("message.sent")[-1:] != ["And lemon"]:
            await client.read()
        kinds = [
            frame["type"] for frame in client.events if frame["type"] in ("message.sent", "vendor.replied")
        ]
        assert kinds == ["message.sent", "message.sent", "vendor.replied", "message.sent"]
        (frame,) = [frame for frame in client.events if frame["type"] == "vendor.replied"]
        assert (frame["conversation_id"], frame["vendor_id"], frame["message_id"]) == (
            conversation_id,
            "v-1",
            replies[0].json["message_id"],
        )
