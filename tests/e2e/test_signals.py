"""Typing, receipts, presence between the API and Element's SDK, both ways, on a real homeserver."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.demo.stand import Stand
from tests.clients.js import JsClient
from tests.clients.people import People
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class SignalScene(ChangingScene):
    """Anna, who has an account, and the chef, who has none."""

    anna: JsClient

    async def open_with_anna(self, *, threads: bool = False) -> None:
        person = await self.people.person("Anna")
        self.anna = await self.people.js(person, threads=threads)
        await self.open(self.anna, hosts={"Anna": person})
        found = await self.api("GET", f"parties/{self.party_id}/conversations")
        (conversation,) = found["conversations"]
        self.conversation = f"conversations/{conversation['conversation_id']}"
        self.conversation_id = conversation["conversation_id"]

    @property
    def anna_id(self) -> str:
        return f"Anna-{self.party_id}"

    @property
    def chef_id(self) -> str:
        return str(self.chef["id"])

    async def typists(self) -> list[str]:
        found = await self.api("GET", f"{self.conversation}/typing")
        return [one["participant_id"] for one in found["typing"]]

    async def type(self, who: str, *, typing: bool = True) -> None:
        body = {"conversation_id": self.conversation_id, "participant_id": who, "typing": typing}
        await self.api("POST", "typing", json=body)

    async def type_of(self, *typists: str) -> None:
        """The API shows just these as typing, soon."""

        async def look() -> bool | None:
            return True if await self.typists() == list(typists) else None

        await eventually(look)

    async def unread(self, who: str) -> int:
        """Of their only conversation; looked at again where something came in between the two places that tell it."""
        while True:
            shown = await self._shown_unread(who)
            total = await self.api("GET", "conversations/unread", params={"participant_id": who})
            if await self._shown_unread(who) == shown:
                assert total["unread_count"] == shown
                return shown

    async def _shown_unread(self, who: str) -> int:
        view = await self.api("GET", self.conversation)
        (count,) = (one["unread_count"] for one in view["participants"] if one["participant_id"] == who)
        return int(count)

    async def same_unread(self, count: int) -> None:
        """The API and Anna's client count alike, soon."""

        async def look() -> bool | None:
            here, there = await self.unread(self.anna_id), await self.anna.call("unread", room_id=self.room)
            return True if here == there == count else None

        await eventually(look)

    async def anna_reads(self, event_id: str | None) -> None:
        assert event_id is not None
        await self.anna.wait_for_event(self.room, event_id)
        await self.anna.call("read", room_id=self.room, event_id=event_id)

    async def chef_says(self, text: str) -> Any:
        await self.say(text)
        return await self.said(text)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[SignalScene]:
    async with People(ground.synapse, tmp_path) as people:
        yield SignalScene(ground, people)


async def test_who_types_shows_on_the_other_side(scene: SignalScene) -> None:
    """An example of property 4, which `bridge/signals/test_boards.py` proves."""
    async with scene.running():
        await scene.open_with_anna()
        await scene.anna.call("typing", room_id=scene.room)
        await scene.type_of(scene.anna_id)
        await asyncio.sleep(11)  # Synapse says nothing meanwhile, however often a client says it again
        assert await scene.typists() == [scene.anna_id]
        await scene.anna.call("typing", room_id=scene.room, typing=False)
        await scene.type_of()

        await scene.chef_says("Hello.")  # so they have come into the room
        await scene.type(scene.anna_id)  # by the API, for somebody with an account of her own
        await scene.type(scene.chef_id)
        assert await scene.typists() == [scene.anna_id, scene.chef_id]
        await scene.anna.call("wait_for_typing", room_id=scene.room, user_ids=[scene.ghost])
        await scene.type(scene.chef_id, typing=False)
        await scene.anna.call("wait_for_typing", room_id=scene.room, user_ids=[])


async def test_what_is_read_on_one_side_is_read_on_the_other(scene: SignalScene) -> None:
    """An example of property 3, which `api/test_property_delivery.py` and `signals/test_recount.py` prove."""
    async with scene.running():
        await scene.open_with_anna()
        first, second = await scene.chef_says("Vanilla?"), await scene.chef_says("Chocolate?")
        await scene.becomes(second, status="delivered", read_at=None)
        await scene.anna_reads(first.origin_id)
        await scene.becomes(first, status="read")
        await scene.becomes(second, status="delivered")
        await scene.same_unread(1)
        await scene.anna_reads(second.origin_id)
        await scene.becomes(second, status="read")
        await scene.same_unread(0)
        shown = await scene.api("GET", f"messages/{second.message_id}")
        assert [one["participant_id"] for one in shown["recipients"]] == [scene.anna_id]
        assert shown["read_at"] == shown["recipients"][0]["read_at"] is not None

        before = await scene.unread(scene.chef_id)
        event_id = await scene.anna.send_text(scene.room, "Both, please.")

        async def heard() -> bool | None:
            return True if await scene.unread(scene.chef_id) == before + 1 else None

        await eventually(heard)
        read = await scene.api("PUT", f"{scene.conversation}/read", json={"participant_id": scene.chef_id})
        assert (read["read_count"], read["unread_count"]) == (before + 1, 0)
        await scene.anna.call("wait_for_receipt", room_id=scene.room, user_id=scene.ghost, event_id=event_id)
        # What Anna reads by the API is read here only: nobody sends a receipt in her name.
        third = await scene.chef_says("With pleasure.")
        await scene.anna.wait_for_event(scene.room, third.origin_id)
        await scene.api("POST", "messages/read", json={"participant_id": scene.anna_id, "all": True})
        assert await scene.unread(scene.anna_id) == 0
        await scene.type(scene.chef_id)  # told after whatever else was to be told
        await scene.anna.call("wait_for_typing", room_id=scene.room, user_ids=[scene.ghost])
        assert await scene.anna.call("unread", room_id=scene.room) == 1


async def test_what_is_read_in_a_thread_is_read_of_that_thread(scene: SignalScene) -> None:
    """Element reads each thread apart, and all that stands in none; Synapse does not say which in transactions."""
    async with scene.running():
        await scene.open_with_anna(threads=True)
        root = await scene.chef_says("Three menus.")
        before = await scene.unread(scene.anna_id)
        answer = {"sender_id": scene.chef_id, "text": "The first one", "thread_id": root.message_id}
        await scene.api("POST", f"{scene.conversation}/messages", json=answer)
        first = await scene.said("The first one")
        relation = {"rel_type": "m.thread", "event_id": root.origin_id}
        content = {"msgtype": "m.text", "body": "And another?", "m.relates_to": relation}
        await scene.anna.send(scene.room, "m.room.message", content)
        await scene.api("POST", f"{scene.conversation}/messages", json=answer | {"text": "The second one"})
        second = await scene.said("The second one")
        last = await scene.chef_says("What do you think?")
        assert await scene.unread(scene.anna_id) == before + 3

        await scene.anna_reads(last.origin_id)
        await scene.becomes(last, status="read")
        await scene.becomes(root, status="read")
        await scene.becomes(first, status="delivered", read_at=None)
        assert await scene.unread(scene.anna_id) == 2
        await scene.anna_reads(first.origin_id)
        await scene.becomes(first, status="read")
        await scene.becomes(second, status="delivered", read_at=None)
        assert await scene.unread(scene.anna_id) == 1
        await scene.anna_reads(second.origin_id)
        await scene.becomes(second, status="read")
        assert await scene.unread(scene.anna_id) == 0


async def test_what_was_read_while_we_were_away_is_known_later(scene: SignalScene) -> None:
    async with scene.running():
        await scene.open_with_anna()
        message = await scene.chef_says("Still there?")
        await scene.anna.wait_for_event(scene.room, message.origin_id)
    await scene.anna_reads(message.origin_id)
    async with scene.running():
        await scene.becomes(message, status="read")


async def test_a_receipt_for_what_is_no_message_counts_up_to_there(scene: SignalScene) -> None:
    async with scene.running():
        await scene.open_with_anna()
        message = await scene.chef_says("Vanilla?")
        await scene.anna.wait_for_event(scene.room, message.origin_id)
        relation = {"rel_type": "m.annotation", "event_id": message.origin_id, "key": "+"}
        reaction = await scene.anna.send(scene.room, "m.reaction", {"m.relates_to": relation})
        path = f"_matrix/client/v3/rooms/{scene.room}/receipt/m.read/{reaction}"
        headers = {"Authorization": f"Bearer {scene.anna.access_token}"}
        async with scene.ground.session.post(
            f"{scene.ground.synapse.url}/{path}", json={}, headers=headers
        ) as answer:
            assert answer.status == 200
        await scene.becomes(message, status="read")


async def test_who_is_online_shows(scene: SignalScene) -> None:
    async with scene.running():
        await scene.open_with_anna()

        async def shows(expected: str) -> None:
            async def look() -> bool | None:
                found = await scene.api("GET", f"{scene.conversation}/presence")
                (anna,) = (one for one in found["participants"] if one["participant_id"] == scene.anna_id)
                return True if anna["presence"] == expected and anna["last_seen"] else None

            await eventually(look)

        await scene.anna.call("presence", presence="unavailable")
        await shows("away")
        await scene.anna.call("presence", presence="online")
        await shows("online")
