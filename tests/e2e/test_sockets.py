"""WebSockets and real clients: what is said in the one is heard in the other, encrypted on its way through the room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from bridge.demo.stand import Stand
from tests.clients.people import People
from tests.e2e.scene import without_a_shield
from tests.e2e.test_changes import ChangingScene, edit
from tests.e2e.test_polls import ASKED, Polling

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 20.0


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Polling]:
    async with People(ground.synapse, tmp_path) as people:
        scene = Polling(ground, people)
        async with scene.running():
            yield scene


class Listener:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.cursor = ""
        self.seen: list[dict[str, Any]] = []

    async def next(self, *types: str) -> dict[str, Any]:
        async with asyncio.timeout(SOON):
            while True:
                frame: dict[str, Any] = await self.socket.receive_json()
                self.cursor = frame.get("cursor", self.cursor)
                self.seen.append(frame)
                if frame["type"] in types:
                    return frame


async def listen(scene: ChangingScene, cursor: str = "") -> Listener:
    url = f"{scene.ground.config.appservice.url}/ws/communication/{scene.party_id}"
    listener = Listener(
        await scene.ground.session.ws_connect(
            url, headers={"Authorization": f"Bearer {scene.key}"}, params={"cursor": cursor} if cursor else {}
        )
    )
    await listener.next("welcome")
    return listener


async def test_what_is_said_in_a_client_is_heard_on_a_socket_and_back(scene: ChangingScene) -> None:
    anna = await scene.people.person("Anna")
    js = await scene.people.js(anna)
    await scene.open(js, hosts={"Anna": anna})
    listener = await listen(scene)

    await js.send_text(scene.room, "Do you cook vegan?")
    received = await listener.next("message.received")
    assert received["message"]["content"] == "Do you cook vegan?"
    assert received["message"]["sender_id"] == f"Anna-{scene.party_id}"

    chef = scene.chef["id"]
    frame = {"id": "f-1", "conversation_id": received["conversation_id"]}
    await listener.socket.send_json(
        {"type": "message.send", **frame, "message": {"sender_id": chef, "text": "With pleasure"}}
    )
    ack = await listener.next("ack")
    assert ack["id"] == "f-1"
    shown = await js.wait_for_text(scene.room, "With pleasure")
    assert shown.sender == scene.ghost
    assert without_a_shield(shown)
    delivered = await listener.next("message.delivered")
    while delivered["message"]["message_id"] != ack["message"]["message_id"]:  # Festimo's greeting is, too
        delivered = await listener.next("message.delivered")
    assert (delivered["message"]["event_id"], delivered["message"]["status"]) == (shown.event_id, "delivered")

    # The socket drops; what is said meanwhile is heard by who comes back.
    await listener.socket.close()
    await js.send_text(scene.room, "For eighty")
    again = await listen(scene, listener.cursor)
    assert (await again.next("message.received"))["message"]["content"] == "For eighty"
    events = [one["event_id"] for one in [*listener.seen, *again.seen] if "event_id" in one]
    assert len(events) == len(set(events))
    await again.socket.close()


class Signs:
    """What a nio client shows of others, and tells them."""

    def __init__(self, client: Client, room: str) -> None:
        self.client = client
        self.room = room

    async def types(self, *, typing: bool = True) -> None:
        await self.client._client.room_typing(self.room, typing)

    async def has_read(self, event_id: str) -> None:
        await self.client._client.update_receipt_marker(self.room, event_id)

    def typists(self) -> list[str]:
        found: list[str] = self.client._room(self.room).typing_users
        return found

    def read_by(self, user: str) -> str | None:
        room = self.client._room(self.room)
        receipt = room.read_receipts.get(user) or room.threaded_read_receipts.get(user, {}).get("main")
        return None if receipt is None else str(receipt.event_id)


async def test_who_types_and_reads_is_seen_by_a_client_and_at_a_socket_alike(scene: ChangingScene) -> None:
    """An example of property 4, which `bridge/signals/test_boards.py` proves."""
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    await scene.open(nio, hosts={"Anna": anna})
    await scene.say("Vanilla?")
    asked = await scene.said("Vanilla?")
    await nio.wait_for_text(scene.room, "Vanilla?")
    listener, signs = await listen(scene), Signs(nio, scene.room)
    anna_id, chef = f"Anna-{scene.party_id}", scene.chef["id"]

    # In the client: Anna reads, types, and says it.
    assert asked.origin_id is not None
    await signs.has_read(asked.origin_id)
    read = await listener.next("message.read")
    assert (read["reader"]["participant_id"], read["reader"]["unread_count"]) == (anna_id, 0)
    assert read["reader"]["last_read_message_id"] == asked.message_id
    await signs.types()
    typing = await listener.next("typing.indicator")
    assert (typing["participant_id"], typing["is_typing"]) == (anna_id, True)
    said = await nio.send_text(scene.room, "Chocolate, please.")
    ended = await listener.next("typing.indicator")
    assert (ended["participant_id"], ended["is_typing"]) == (anna_id, False)
    received = await listener.next("message.received")
    await signs.types(typing=False)

    # At the socket: the chef reads, types, and says it.
    here = {"conversation_id": received["conversation_id"], "participant_id": chef}
    await listener.socket.send_json({"type": "message.read", **here})
    assert (await listener.next("ack"))["unread_count"] == 0
    await nio.sync_until(lambda: signs.read_by(scene.ghost) == said)
    await listener.socket.send_json({"type": "typing.start", **here})
    await nio.sync_until(lambda: signs.typists() == [scene.ghost])
    message = {"sender_id": chef, "text": "With pleasure."}
    frame = {"id": "f-9", "conversation_id": received["conversation_id"], "message": message}
    await listener.socket.send_json({"type": "message.send", **frame})
    await nio.wait_for_text(scene.room, "With pleasure.")
    await nio.sync_until(lambda: signs.typists() == [], timeout=6.0)  # Synapse itself: 10 s

    # Who drops and comes back learns of what was read meanwhile.
    await listener.socket.close()
    await signs.has_read(await scene.sent("With pleasure."))
    again = await listen(scene, listener.cursor)
    while (await again.next("message.read"))["reader"]["participant_id"] != anna_id:
        pass
    assert again.seen[-1]["reader"]["unread_count"] == 0
    await again.socket.close()


async def test_all_that_people_do_in_their_clients_is_seen_at_a_socket_once(scene: Polling) -> None:
    """Anna on the SDK of Element, Bea on nio."""
    js, nio = await scene.begun()
    event_id = await nio.send_text(scene.room, "Vegan?")
    message = await scene.said("Vegan?")
    poll = await js.call("start_poll", room_id=scene.room, kind="disclosed", max_selections=1, **ASKED)
    await scene.of_client(poll["event_id"])
    listener = await listen(scene)
    await js.send_text(scene.room, "Ready")
    while (await listener.next("message.received"))["message"]["content"] != "Ready":
        pass
    begun = len(listener.seen)

    await edit(nio, scene.room, event_id, "Vegetarian?")
    edited = (await listener.next("message.updated"))["message"]
    assert (edited["content"], edited["is_edited"], edited["event_id"]) == ("Vegetarian?", True, event_id)

    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": "👍"}
    reaction = await js.send(scene.room, "m.reaction", {"m.relates_to": relation})
    (thumb,) = (await listener.next("reaction.changed"))["message"]["reactions"]
    assert (thumb["emoji"], thumb["participants"]) == ("👍", [scene.anna_id])
    path = f"v3/rooms/{scene.room}/redact/{reaction}/taken-back"
    assert (await scene.call("PUT", path, js.access_token, json={}))[0] == 200
    assert (await listener.next("reaction.changed"))["message"]["reactions"] == []

    await js.call("vote", room_id=scene.room, event_id=poll["event_id"], texts=["Meat"])
    voted = (await listener.next("message.updated"))["message"]["poll"]
    assert [one["votes"] for one in voted["answers"]] == [0, 1, 0]

    for pinned in ([event_id], []):
        path = f"v3/rooms/{scene.room}/state/m.room.pinned_events"
        assert (await scene.call("PUT", path, js.access_token, json={"pinned": pinned}))[0] == 200
        await listener.next("conversation.updated")
        await scene.becomes(message, is_pinned=bool(pinned))

    await nio.redact(scene.room, event_id)
    deleted = (await listener.next("message.deleted"))["message"]
    assert (deleted["content"], deleted["event_id"]) == ("", event_id)

    await nio.leave(scene.room)
    conversation = (await listener.next("conversation.updated"))["conversation"]
    away = {one["name"]: one["away"] for one in conversation["participants"]}
    assert away == {"Anna": None, "Bea": "left", "Sweet Bites": None}

    await js.send_text(scene.room, "The end")
    await listener.next("message.received")
    assert [frame["type"] for frame in listener.seen[begun:] if "event_id" in frame] == [
        "message.updated",
        *["reaction.changed"] * 2,
        "message.updated",
        *["conversation.updated"] * 2,
        "message.deleted",
        "conversation.updated",
        "message.received",
    ]
    await listener.socket.close()
