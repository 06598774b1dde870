"""A message that the homeserver refused: its failure is seen, the cause mended, the message replayed and read, once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appservice.embedded.client import Client
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.demo.stand import TENANT, Stand, stand
from bridge.wiring import Bridge, api_keys
from tests.bridge.commands.process import ended
from tests.clients.people import People
from tests.e2e.test_first_path import eventually, party, person

DEAD_LETTERS = "admin/dead-letters"
pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A conversation in which the host speaks through a ghost and the vendor reads with a real client."""

    ground: Stand
    bridge: Bridge
    key: str
    conversation: str
    room: str
    vendor: Client

    async def api(self, method: str, path: str, body: object = None) -> Any:
        url = f"http://127.0.0.1:{self.bridge.port}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.ground.session.request(method, url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def say(self, text: str) -> str:
        said = await self.api(
            "POST", f"conversations/{self.conversation}/messages", {"sender_id": "anna", "text": text}
        )
        return str(said["message_id"])

    async def status(self, message_id: str, status: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            message: dict[str, Any] = await self.api("GET", f"messages/{message_id}")
            return message if message["status"] == status else None

        return await eventually(look)

    async def let_people_speak(self, level: int) -> None:
        """As the room's maker; whose `level` is lower cannot."""
        homeserver, names = self.ground.config.homeserver.url, self.bridge.names
        url = f"{homeserver}/_matrix/client/v3/rooms/{self.room}/state/m.room.power_levels"
        token = self.ground.config.appservice.as_token.get_secret_value()
        asked: dict[str, Any] = {
            "params": {"user_id": names.bot},
            "headers": {"Authorization": f"Bearer {token}"},
        }
        async with self.ground.session.get(url, **asked) as response:
            levels = await response.json()
        async with self.ground.session.put(url, json=levels | {"events_default": level}, **asked) as response:
            assert response.status == 200, await response.text()

    def read(self, text: str) -> int:
        """How often the vendor's client has it."""
        return sum(entry.body == text for entry in self.vendor.timeline(self.room))


@asynccontextmanager
async def case(folder: Path) -> AsyncIterator[Case]:
    async with stand(folder / "stand") as ground, People(ground.synapse, folder) as people:
        chef = await people.person("Chef")
        vendor = await people.nio(chef)
        async with ground.bridge() as bridge:
            keys = api_keys(ground.config, bridge.database, SystemClock())
            key = str(await keys.create(TenantId(TENANT), name="tests"))
            made = Case(ground=ground, bridge=bridge, key=key, conversation="", room="", vendor=vendor)
            both = {"party": party(person("anna", "Anna")), "vendor": person("chef", "Sweet Bites", chef)}
            opened = await made.api("POST", "conversations", both)
            await vendor.sync_until(lambda: bool(vendor.invites()))
            (room,) = vendor.invites()
            await vendor.join(room)
            yield Case(
                ground=ground,
                bridge=bridge,
                key=key,
                conversation=opened["conversation_id"],
                room=room,
                vendor=vendor,
            )


async def test_a_refused_message_is_mended_replayed_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.delivery.dispatcher.SWEEP_EVERY", 1)  # s, for what another process replays
    async with case(tmp_path) as at:
        first = await at.say("Is the cake vegan?")
        await at.vendor.wait_for_text(at.room, "Is the cake vegan?")
        await at.status(first, "delivered")

        await at.let_people_speak(100)
        refused = [await at.say(text) for text in ("And gluten-free?", "Both, please.")]
        for message_id in refused:
            failure = (await at.status(message_id, "failed"))["failure_reason"]
            assert "M_FORBIDDEN" in failure
        listed = await at.api("GET", f"{DEAD_LETTERS}?conversation_id={at.conversation}")
        second, third = listed["dead_letters"]  # newest first
        assert {second["topic"], third["topic"]} == {"matrix.MessagePosted"}
        assert "M_FORBIDDEN" in third["reason"]

        # Replayed too early, it dies again, and nothing is lost.
        await at.api("POST", f"{DEAD_LETTERS}/{third['dead_letter_id']}/replay")
        await at.status(refused[0], "failed")

        await at.let_people_speak(0)
        by_api = await at.api("POST", f"{DEAD_LETTERS}/{third['dead_letter_id']}/replay")
        assert by_api["state"] in ("waiting", "done")
        entry = await at.vendor.wait_for_text(at.room, "And gluten-free?")
        assert entry.encrypted
        assert entry.warning is None

        # The other by the command of another process, while the bridge runs.
        here = (second["dead_letter_id"], "-c", at.ground.config_path)
        shown = await ended(tmp_path, "dead-letters", "show", *here)
        assert "M_FORBIDDEN" in shown.out
        replayed = await ended(tmp_path, "dead-letters", "replay", *here)
        assert replayed.code == 0, replayed.err
        await at.vendor.wait_for_text(at.room, "Both, please.")
        for message_id in refused:
            await at.status(message_id, "delivered")

        # Once more has no effect, but to be told so.
        again = await ended(tmp_path, "dead-letters", "replay", *here)
        assert again.code == 1
        assert "dealt with already" in again.err
        last = await at.say("Thank you!")
        await at.vendor.wait_for_text(at.room, "Thank you!")
        await at.status(last, "delivered")
        assert [at.read(text) for text in ("And gluten-free?", "Both, please.", "Thank you!")] == [1, 1, 1]
        assert (await at.api("GET", DEAD_LETTERS))["dead_letters"] == []
