"""Replies, threads, mentions, formatted text, reactions and pins between the API and real clients, both ways."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from bridge.demo.stand import Stand
from bridge.messages.model import Message
from tests.clients.js import JsClient, JsEntry
from tests.clients.people import People
from tests.e2e.scene import without_a_shield
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HTML = "org.matrix.custom.html"


class Talking(ChangingScene):
    anna_id = ""

    async def begun(self) -> tuple[JsClient, Client]:
        """Anna (on the SDK of Element) and Bea (nio) host; the vendor has a ghost."""
        anna, bea = await self.people.person("Anna"), await self.people.person("Bea")
        js, nio = await self.people.js(anna), await self.people.nio(bea)
        await self.open(js, nio, hosts={"Anna": anna, "Bea": bea})
        self.anna_id = f"Anna-{self.party_id}"
        return js, nio

    @property
    def chef_id(self) -> str:
        return str(self.chef["id"])

    async def post(self, text: str, **more: Any) -> Message:
        """By the API, as the vendor; return it once the room has it."""
        conversation = await self._conversation()
        assert conversation is not None
        body = {"sender_id": self.chef_id, "text": text} | more
        await self.api("POST", f"conversations/{conversation.conversation_id}/messages", json=body)
        return await self.said(text)

    async def shown(self, reader: JsClient, event_id: str | None) -> JsEntry:
        assert event_id is not None
        return await reader.wait_for_event(self.room, event_id)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Talking]:
    async with People(ground.synapse, tmp_path) as people:
        talking = Talking(ground, people)
        async with talking.running():
            yield talking


async def test_what_the_api_answers_is_answered_in_every_client(scene: Talking) -> None:
    js, nio = await scene.begun()
    asked = await js.send_text(scene.room, "Vegan?")
    question = await scene.said("Vegan?")
    formatted = "<b>With pleasure</b><script>alert(1)</script>"
    reply = await scene.post(
        "With pleasure", html=formatted, reply_to=question.message_id, mentions=[scene.anna_id]
    )
    in_thread = await scene.post("A menu", thread_id=question.message_id)

    entry = await scene.shown(js, reply.origin_id)
    assert (entry.sender, without_a_shield(entry)) == (scene.ghost, True)
    assert entry.content["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}
    assert entry.content["m.mentions"] == {"user_ids": [js.user_id]}
    assert (entry.content["format"], entry.content["formatted_body"]) == (HTML, "<b>With pleasure</b>")
    threaded = (await nio.wait_for_text(scene.room, "A menu")).content["m.relates_to"]
    assert (threaded["rel_type"], threaded["event_id"]) == ("m.thread", asked)
    # The homeserver sees which events belong together, and counts the thread's; not what they say.
    path = f"v1/rooms/{scene.room}/relations/{quote(asked)}/m.thread"
    _, page = await scene.call("GET", path, nio.access_token)
    assert [event["event_id"] for event in page["chunk"]] == [in_thread.origin_id]
    assert "pleasure" not in str(
        await scene.call("GET", f"v3/rooms/{scene.room}/event/{reply.origin_id}", nio.access_token)
    )


async def test_what_clients_answer_is_answered_in_the_api(scene: Talking) -> None:
    js, nio = await scene.begun()
    offer = await scene.post("Vanilla or chocolate?")
    await scene.shown(js, offer.origin_id)
    relation: dict[str, Any] = {"m.in_reply_to": {"event_id": offer.origin_id}}
    content = {
        "msgtype": "m.text",
        "body": "Vanilla",
        "format": HTML,
        "formatted_body": "<i>Vanilla</i><img src=x>",
    }
    more = {"m.relates_to": relation, "m.mentions": {"user_ids": [scene.ghost]}}
    await js.send(scene.room, "m.room.message", content | more)
    reply = await scene.said("Vanilla")
    wanted = {
        "reply_to": offer.message_id,
        "html": "<i>Vanilla</i>",
        "mentions": [scene.chef_id],
        "thread_id": None,
    }
    await scene.becomes(reply, **wanted)

    thread = {"rel_type": "m.thread", "event_id": offer.origin_id, "is_falling_back": True} | relation
    await nio.send(
        scene.room, "m.room.message", {"msgtype": "m.text", "body": "Chocolate", "m.relates_to": thread}
    )
    await scene.becomes(await scene.said("Chocolate"), reply_to=None, thread_id=offer.message_id)
    dead = await scene.bridge.database.fetch("SELECT id FROM inbox WHERE state = 'dead'")
    assert dead == []


async def chips(reader: JsClient, room: str) -> set[tuple[str, str]]:
    """Emoji and who, of the reactions that are not redacted."""
    return {
        (entry.content["m.relates_to"]["key"], entry.sender)
        for entry in await reader.timeline(room)
        if entry.type == "m.reaction" and not entry.redacted
    }


async def test_reactions_go_both_ways_and_count_once(scene: Talking) -> None:
    js, nio = await scene.begun()
    event_id = await js.send_text(scene.room, "Booked!")
    message = await scene.said("Booked!")
    path, bot = f"messages/{message.message_id}/reactions", scene.bridge.names.bot
    for sender in (scene.chef_id, scene.anna_id):
        await scene.api("POST", path, json={"sender_id": sender, "emoji": "🎉"})

    async def shows(*wanted: tuple[str, str]) -> None:
        async def look() -> bool | None:
            return True if await chips(js, scene.room) == set(wanted) else None

        await eventually(look)

    async def counts(*wanted: tuple[str, int, list[str]]) -> None:
        async def look() -> bool | None:
            found = (await scene.api("GET", path))["reactions"]
            told = [(one["emoji"], one["count"], one["participants"]) for one in found]
            return True if told == list(wanted) else None

        await eventually(look)

    await shows(("🎉", scene.ghost), ("🎉", bot))
    both = [scene.chef_id, scene.anna_id]
    await counts(("🎉", 2, both))

    # Anna does it in her own client, and Festimo's for her goes.
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": "🎉"}
    own = await js.send(scene.room, "m.reaction", {"m.relates_to": relation})
    await shows(("🎉", scene.ghost), ("🎉", js.user_id))
    await counts(("🎉", 2, both))
    bea = await nio.send(scene.room, "m.reaction", {"m.relates_to": relation | {"key": "👏"}})
    await counts(("🎉", 2, both), ("👏", 1, [f"Bea-{scene.party_id}"]))

    # Taken back: by the API for the ghost and for Anna, by Bea in her client.
    await scene.api("DELETE", f"{path}/{quote('🎉')}", params={"sender_id": scene.chef_id})
    await shows(("🎉", js.user_id), ("👏", nio.user_id))
    await scene.api("DELETE", f"{path}/{quote('🎉')}", params={"sender_id": scene.anna_id})
    await shows(("👏", nio.user_id))
    await nio.redact(scene.room, bea)
    await counts()
    await shows()
    assert own


async def test_a_repeated_reaction_is_found_on_a_homeserver_that_has_it(scene: Talking) -> None:
    """As after a day, when the homeserver has forgotten our transaction: it refuses, and the reaction is looked for."""
    js, _ = await scene.begun()
    await js.send_text(scene.room, "Booked!")
    message = await scene.said("Booked!")
    path = f"messages/{message.message_id}/reactions"
    body = {"sender_id": scene.chef_id, "emoji": "👍"}
    await scene.api("POST", path, json=body)

    async def known() -> str | None:
        found = await scene.bridge.database.fetch(
            "SELECT origin_id FROM reaction_origins WHERE sender = $1", scene.ghost
        )
        return str(found[0]["origin_id"]) if found else None

    event_id = await eventually(known)
    async with scene.bridge.database.transaction() as tx:  # what an older copy of the database does not know
        await tx.execute("DELETE FROM reaction_origins WHERE origin_id = $1", event_id)
        await tx.execute("DELETE FROM reactions WHERE message_id = $1", message.message_id)
    await scene.api("POST", path, json=body)
    assert await eventually(known) == event_id


async def test_pins_go_both_ways(scene: Talking) -> None:
    js, nio = await scene.begun()
    offer = await scene.post("3840 for 80 guests")
    asked = await js.send_text(scene.room, "And for 90?")
    question = await scene.said("And for 90?")

    async def pinned(*wanted: str | None) -> None:
        async def look() -> bool | None:
            path = f"v3/rooms/{scene.room}/state/m.room.pinned_events"
            status, content = await scene.call("GET", path, nio.access_token)
            return True if (content["pinned"] if status == 200 else []) == list(wanted) else None

        await eventually(look)

    async def write(*event_ids: str | None) -> None:
        path = f"v3/rooms/{scene.room}/state/m.room.pinned_events"
        status, _ = await scene.call("PUT", path, js.access_token, json={"pinned": list(event_ids)})
        assert status == 200

    assert (await scene.api("PUT", f"messages/{offer.message_id}/pin"))["is_pinned"] is True
    await pinned(offer.origin_id)
    await write(offer.origin_id, asked)  # as Element does it, for a host
    await scene.becomes(question, is_pinned=True)
    await scene.becomes(offer, is_pinned=True)
    await write(asked)
    await scene.becomes(offer, is_pinned=False)
    await scene.api("DELETE", f"messages/{question.message_id}/pin")
    await pinned()
    await scene.api("PUT", f"messages/{offer.message_id}/pin")
    await pinned(offer.origin_id)
    await scene.api("DELETE", f"messages/{offer.message_id}")
    await pinned()
