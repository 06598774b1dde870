"""Edits and deletions between the API and real clients, both ways; the clock of the bridge can be moved on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from appservice.inbound.late import DELETION, EDIT
from bridge.core.clock import Clock, SystemClock
from bridge.core.ids import TenantId
from bridge.demo.stand import TENANT, Stand
from bridge.messages.model import Message
from bridge.wiring import api_keys
from tests.clients.people import People
from tests.e2e.scene import Scene, without_a_shield
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class SlowClock:
    """The time as it is, some milliseconds ago: what was said then seems longer ago to everybody else."""

    def __init__(self) -> None:
        self.behind = 0

    def now(self) -> int:
        return SystemClock().now() - self.behind


class ChangingScene(Scene):
    """With the REST API."""

    key = ""
    clock: Clock

    @asynccontextmanager
    async def running(self, clock: Clock | None = None) -> AsyncIterator[None]:
        self.clock = clock or SystemClock()
        async with self.ground.bridge(clock=self.clock) as bridge:
            self._bridge = bridge
            keys = api_keys(self.ground.config, bridge.database, self.clock)
            self.key = str(await keys.create(TenantId(TENANT), name="test"))
            yield
            assert not bridge.work.done()

    async def api(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        url = f"{self.ground.config.appservice.url}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.ground.session.request(method, url, headers=headers, **options) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status < 300, answer
            return answer

    async def said(self, text: str) -> Message:
        return await self.stored(lambda message: message.text == text and message.status == "sent")

    async def becomes(self, message: Message, **wanted: Any) -> None:
        """The API shows the message like that, soon."""

        async def look() -> bool | None:
            shown = await self.api("GET", f"messages/{message.message_id}")
            return True if wanted.items() <= shown.items() else None

        await eventually(look)


@pytest_asyncio.fixture(loop_scope="module")
async def idle(ground: Stand, tmp_path: Path) -> AsyncIterator[ChangingScene]:
    async with People(ground.synapse, tmp_path) as people:
        yield ChangingScene(ground, people)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(idle: ChangingScene) -> AsyncIterator[ChangingScene]:
    async with idle.running():
        yield idle


async def edit(client: Client, room: str, event_id: str, text: str) -> str:
    content = {
        "msgtype": "m.text",
        "body": f"* {text}",
        "m.new_content": {"msgtype": "m.text", "body": text},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }
    return await client.send(room, "m.room.message", content)


async def test_what_is_edited_and_deleted_by_the_api_is_so_in_every_client(scene: ChangingScene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    strict = await scene.people.js(anna, signed_devices_only=True)
    await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
    await scene.say("Vanilla?")
    message = await scene.said("Vanilla?")
    assert message.origin_id is not None
    chef = scene.chef["id"]

    changed = {"sender_id": f"chef-{scene.party_id}", "text": "Chocolate?"}
    answer = await scene.api("PUT", f"messages/{message.message_id}", json=changed)
    assert (answer["content"], answer["is_edited"]) == ("Chocolate?", True)
    for client in (js, strict):
        shown = await client.wait_for_text(scene.room, "Chocolate?")
        assert (shown.event_id, shown.sender) == (message.origin_id, scene.ghost)
        assert shown.replaced_by is not None
        assert without_a_shield(shown)
        assert without_a_shield(await client.wait_for_event(scene.room, shown.replaced_by))
    entry = await nio.wait_for_text(scene.room, "* Chocolate?")
    assert (entry.sender, entry.encrypted, entry.warning) == (scene.ghost, True, None)

    await scene.api("DELETE", f"messages/{message.message_id}", params={"sender_id": chef})

    def gone() -> bool:
        entries = {one.event_id: one for one in nio.timeline(scene.room)}
        redactions = [one for one in entries.values() if one.type == "m.room.redaction"]
        return {one.content.get("redacts") for one in redactions} == {message.origin_id, entry.event_id}

    await nio.sync_until(gone)
    (redaction, _) = (one for one in nio.timeline(scene.room) if one.type == "m.room.redaction")
    assert (redaction.sender, dict(redaction.content)) == (scene.ghost, {"redacts": message.origin_id})

    async def redacted_in_element() -> bool | None:
        return next(
            (
                True
                for one in await js.timeline(scene.room)
                if one.event_id == message.origin_id and one.redacted
            ),
            None,
        )

    assert await eventually(redacted_in_element)
    _, left = await scene.call("GET", f"v3/rooms/{scene.room}/event/{entry.event_id}", nio.access_token)
    assert "ciphertext" not in left["content"]


async def test_what_is_edited_and_deleted_in_a_client_is_so_in_the_api(scene: ChangingScene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
    for client in (js, nio):
        event_id = await client.send_text(scene.room, "Vegan?")
        message = await scene.said("Vegan?")
        assert message.origin_id == event_id
        if isinstance(client, Client):
            edit_id = await edit(client, scene.room, event_id, "Vegetarian?")
        else:
            content = {
                "msgtype": "m.text",
                "body": "* Vegetarian?",
                "m.new_content": {"msgtype": "m.text", "body": "Vegetarian?"},
                "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
            }
            edit_id = await client.send(scene.room, "m.room.message", content)
        await scene.becomes(message, content="Vegetarian?", is_edited=True, is_deleted=False)

        # Taking back the edit shows what was said first; taking back the message leaves nothing.
        for of, shows in ((edit_id, {"content": "Vegan?", "is_edited": False}), (event_id, {"content": ""})):
            if isinstance(client, Client):
                await client.redact(scene.room, of)
            else:
                await client.call("redact", room_id=scene.room, event_id=of)
            await scene.becomes(message, is_deleted=of == event_id, **shows)
    dead = await scene.bridge.database.fetch("SELECT id FROM inbox WHERE state = 'dead'")
    assert dead == []


async def test_what_is_changed_too_late_is_answered_in_the_room(idle: ChangingScene) -> None:
    """The edit is made now; its message seems to have been said two hours ago."""
    anna = await idle.people.person("Anna")
    nio = await idle.people.nio(anna)
    clock = SlowClock()
    async with idle.running(clock):
        await idle.open(nio, hosts={"Anna": anna})
        clock.behind = 2 * 3_600_000
        event_id = await nio.send_text(idle.room, "Vegan?")
        message = await idle.said("Vegan?")
        clock.behind = 0
        await edit(nio, idle.room, event_id, "Vegetarian?")
        notice = await nio.wait_for_text(idle.room, EDIT)
        assert (notice.sender, notice.encrypted, notice.content["msgtype"]) == (
            idle.bridge.names.bot,
            True,
            "m.notice",
        )
        await idle.becomes(message, content="Vegan?", is_edited=False)

        await nio.redact(idle.room, event_id)
        await nio.wait_for_text(idle.room, DELETION)
        await idle.becomes(message, content="Vegan?", is_deleted=False)
        texts = [entry.body for entry in nio.timeline(idle.room)]
        assert (texts.count(EDIT), texts.count(DELETION)) == (1, 1)
