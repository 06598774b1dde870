"""What is said later arrives in a real room at its time, and after an outage; what one hides stays in the room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.stand import Stand
from bridge.web.fields import rfc3339
from tests.clients.people import People
from tests.e2e.test_changes import ChangingScene

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Later(ChangingScene):
    async def schedule(self, text: str, *, after: int) -> int:
        """By the vendor, `after` so many milliseconds. Return when it is to be said."""
        conversation = await self._conversation()
        assert conversation is not None
        send_at = self.clock.now() + after
        body: dict[str, Any] = {"sender_id": self.chef["id"], "text": text, "send_at": rfc3339(send_at)}
        made = await self.api("POST", f"conversations/{conversation.conversation_id}/messages", json=body)
        assert made["status"] == "scheduled"
        return send_at


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Later]:
    async with People(ground.synapse, tmp_path) as people:
        yield Later(ground, people)


async def test_it_arrives_at_its_time_in_order_and_once_even_after_an_outage(scene: Later) -> None:
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    async with scene.running():
        await scene.open(nio, hosts={"Anna": anna})
        second = await scene.schedule("Cake at five?", after=2_500)
        first = await scene.schedule("How many are you?", after=2_000)
        assert [message.text for message in await scene.history()] == []
        for text, send_at in (("How many are you?", first), ("Cake at five?", second)):
            entry = await nio.wait_for_text(scene.room, text)
            assert (entry.sender, entry.encrypted, entry.warning) == (scene.ghost, True, None)
            assert 0 <= (await scene.said(text)).created_at - send_at < 1_000
        due = await scene.schedule("Are you there?", after=700)
    await asyncio.sleep((due - scene.clock.now()) / 1_000 + 0.1)
    async with scene.running():
        await nio.wait_for_text(scene.room, "Are you there?")
        said = await scene.said("Are you there?")
        # For herself, and for this API: the room has it still, and so has her client.
        hidden = {"for": "me", "sender_id": f"Anna-{scene.party_id}"}
        await scene.api("DELETE", f"messages/{said.message_id}", params=hidden)
        await nio.send_text(scene.room, "Yes")
        await scene.said("Yes")
        texts = [one.body for one in nio.timeline(scene.room) if one.sender in (scene.ghost, nio.user_id)]
        assert texts == ["How many are you?", "Cake at five?", "Are you there?", "Yes"]
        await scene.becomes(said, content="Are you there?", is_deleted=False)
