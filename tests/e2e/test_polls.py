"""Polls, places and files between the API and real clients, both ways: native in Element, and counted alike."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from appservice.polls import END, RESPONSE, START, response_of
from bridge.demo.stand import Stand
from bridge.messages.held import Poll
from bridge.messages.model import Message
from tests.clients.js import JsClient
from tests.clients.people import People
from tests.e2e.scene import without_a_shield
from tests.e2e.test_first_path import eventually
from tests.e2e.test_replies import Talking

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: dict[str, Any] = {"question": "Which menu?", "answers": ["Vegan", "Meat", "Both"]}


class Polling(Talking):
    async def ask(self, **more: Any) -> Message:
        """By the API, as the vendor; return it once the room has it."""
        conversation = await self._conversation()
        assert conversation is not None
        body = {"sender_id": self.chef_id, "message_type": "poll", "poll": ASKED | more}
        made = await self.api("POST", f"conversations/{conversation.conversation_id}/messages", json=body)
        return await self.stored(
            lambda message: message.message_id == made["message_id"] and message.status == "sent"
        )

    async def vote(self, poll: Message, *answers: str, sender: str | None = None) -> None:
        body = {"sender_id": sender or self.chef_id, "answers": list(answers)}
        await self.api("PUT", f"messages/{poll.message_id}/poll/vote", json=body)

    async def close(self, poll: Message) -> None:
        await self.api("POST", f"messages/{poll.message_id}/poll/close", json={"sender_id": poll.sender_id})

    async def counts(self, poll: Message, wanted: tuple[int, int, int], *, ended: bool = False) -> None:
        """In the API, soon."""

        async def look() -> bool | None:
            view = (await self.api("GET", f"messages/{poll.message_id}"))["poll"]
            found = tuple(one["votes"] for one in view["answers"])
            return True if (found, view["is_closed"]) == (wanted, ended) else None

        await eventually(look)

    async def element_counts(
        self, js: JsClient, poll: Message, wanted: tuple[int, int, int], *, ended: bool = False
    ) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            shown: dict[str, Any] | None = await js.call("poll", room_id=self.room, event_id=poll.origin_id)
            if shown is None or shown["ended"] != ended:
                return None
            return shown if tuple(shown["counts"].values()) == wanted else None

        shown = await eventually(look)
        assert shown["undecryptable"] == 0
        return shown

    async def of_client(self, event_id: str) -> Message:
        return await self.stored(lambda message: message.origin_id == event_id)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Polling]:
    async with People(ground.synapse, tmp_path) as people:
        polling = Polling(ground, people)
        async with polling.running():
            yield polling


async def test_a_ghosts_poll_is_a_poll_in_element_and_counts_alike(scene: Polling) -> None:
    js, nio = await scene.begun()
    poll = await scene.ask()
    shown = await scene.element_counts(js, poll, (0, 0, 0))
    assert (shown["question"], shown["max_selections"]) == ("Which menu?", 1)
    assert shown["kind"] == "org.matrix.msc3381.poll.disclosed"
    entry = await scene.shown(js, poll.origin_id)
    assert (entry.type, entry.sender, without_a_shield(entry)) == (START, scene.ghost, True)

    await scene.vote(poll, "1")
    await scene.element_counts(js, poll, (1, 0, 0))
    await js.call("vote", room_id=scene.room, event_id=poll.origin_id, texts=["Meat"])
    await scene.counts(poll, (1, 1, 0))
    await js.call("vote", room_id=scene.room, event_id=poll.origin_id, texts=["Both"])
    await scene.counts(poll, (1, 0, 1))
    # Bea's client knows no polls; what it would send counts all the same.
    assert isinstance(poll.held, Poll)
    assert poll.origin_id is not None
    await nio.send(scene.room, RESPONSE, response_of(poll.held, ["1"], of=poll.origin_id))
    await scene.counts(poll, (2, 0, 1))
    await scene.element_counts(js, poll, (2, 0, 1))
    await scene.vote(poll)
    await scene.element_counts(js, poll, (1, 0, 1))
    await scene.counts(poll, (1, 0, 1))

    await scene.close(poll)
    await scene.element_counts(js, poll, (1, 0, 1), ended=True)
    await scene.counts(poll, (1, 0, 1), ended=True)
    about = [one for one in await js.timeline(scene.room) if one.type in (RESPONSE, END)]
    assert [one.type for one in about].count(END) == 1
    ours = [one for one in about if one.sender == scene.ghost]
    assert len(ours) == 3
    assert all(without_a_shield(one) for one in ours)


async def test_what_a_person_asks_in_element_is_a_poll_in_the_api(scene: Polling) -> None:
    js, _ = await scene.begun()
    asked = {"kind": "undisclosed", "max_selections": 2} | ASKED
    made = await js.call("start_poll", room_id=scene.room, **asked)
    poll = await scene.of_client(made["event_id"])
    view = await scene.api("GET", f"messages/{poll.message_id}")
    assert (view["message_type"], view["sender_id"]) == ("poll", scene.anna_id)
    assert (view["poll"]["kind"], view["poll"]["max_selections"]) == ("undisclosed", 2)
    assert [one["text"] for one in view["poll"]["answers"]] == ASKED["answers"]

    async def my_vote(*texts: str) -> None:
        async def look() -> bool | None:
            page = await scene.api("GET", f"messages/{poll.message_id}")
            assert {one["votes"] for one in page["poll"]["answers"]} == {None}
            rows = await scene.bridge.database.fetch(
                "SELECT answers FROM poll_votes WHERE message_id = $1 ORDER BY voted_at DESC", poll.message_id
            )
            ids = [one["answer_id"] for one in page["poll"]["answers"] if one["text"] in texts]
            return True if rows and rows[0]["answers"] == ",".join(ids) else None

        await eventually(look)

    await js.call("vote", room_id=scene.room, event_id=poll.origin_id, texts=["Vegan", "Both"])
    await my_vote("Vegan", "Both")
    await js.call("vote", room_id=scene.room, event_id=poll.origin_id, texts=[])
    await my_vote()
    await js.call("vote", room_id=scene.room, event_id=poll.origin_id, texts=["Meat"])
    await my_vote("Meat")
    await scene.vote(poll, "1", "2")
    await scene.element_counts(js, poll, (1, 2, 0))
    # An account holder by the API: counted here, and Festimo tells the room of it.
    bea = f"Bea-{scene.party_id}"
    await scene.vote(poll, "3", sender=bea)
    said = "On behalf of Bea: voted in the poll “Which menu?”."
    notice = await _begins(js, scene.room, said)
    assert "Both" not in notice
    await js.call("end_poll", room_id=scene.room, event_id=poll.origin_id)
    await scene.counts(poll, (1, 2, 1), ended=True)
    await scene.element_counts(js, poll, (1, 2, 0), ended=True)
    assert "- Both: 1" in await _begins(js, scene.room, "The poll “Which menu?” is closed.")
    dead = await scene.bridge.database.fetch("SELECT id FROM inbox WHERE state = 'dead'")
    assert dead == []


async def _begins(js: JsClient, room: str, words: str) -> str:
    """What is said in the room, with these words at its beginning, and without a shield."""

    async def look() -> str | None:
        for entry in await js.timeline(room):
            if entry.body.startswith(words):
                assert without_a_shield(entry)
                return entry.body
        return None

    return await eventually(look)


async def test_places_and_files_are_messages_of_their_kinds(scene: Polling) -> None:
    js, nio = await scene.begun()
    conversation = await scene._conversation()
    assert conversation is not None
    base = f"conversations/{conversation.conversation_id}"
    place = {"latitude": 52.52, "longitude": 13.405, "description": "Town hall"}
    body = {"sender_id": scene.chef_id, "message_type": "location", "location": place}
    await scene.api("POST", f"{base}/messages", json=body)
    for reader in (js, nio):
        entry = await reader.wait_for_text(scene.room, "Town hall (geo:52.52,13.405)")
        assert (entry.content["msgtype"], entry.content["geo_uri"]) == ("m.location", "geo:52.52,13.405")
    assert without_a_shield(await js.wait_for_text(scene.room, "Town hall (geo:52.52,13.405)"))

    await _send(nio, scene.room, {"msgtype": "m.location", "body": "Here", "geo_uri": "geo:1.5,2.5"})
    here = await scene.stored(lambda message: message.kind == "location" and message.from_client)
    assert (await scene.api("GET", f"messages/{here.message_id}"))["location"]["latitude"] == 1.5
    file = {
        "url": "mxc://localhost/cake",
        "v": "v2",
        "iv": "aXY",
        "hashes": {"sha256": "aGFzaA"},
        "key": {"kty": "oct", "alg": "A256CTR", "k": "c2VjcmV0", "ext": True, "key_ops": ["decrypt"]},
    }
    info = {"mimetype": "image/jpeg", "size": 5, "w": 640, "h": 480}
    image = {"msgtype": "m.image", "body": "The cake", "filename": "cake.jpg", "file": file, "info": info}
    await js.send(scene.room, "m.room.message", image)
    await scene.stored(lambda message: message.kind == "image")
    page = await scene.api("GET", f"{base}/media")
    (shown,) = page["media"]
    assert (shown["file_name"], shown["file_type"], shown["file_size"]) == ("cake.jpg", "image/jpeg", 5)
    assert (shown["width"], shown["height"], shown["sender_id"]) == (640, 480, scene.anna_id)
    assert "c2VjcmV0" not in str(page)


async def _send(client: Client, room: str, content: dict[str, Any]) -> str:
    return await client.send(room, "m.room.message", content)
