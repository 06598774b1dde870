"""A lost disk: backed up while it runs, talked on, put back. Nobody reads anything twice, and all goes on."""

from pathlib import Path
from typing import Any

import pytest

from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.demo.stand import TENANT, Stand, stand
from bridge.wiring import Bridge, api_keys
from tests.bridge.commands.process import ended
from tests.clients.people import People
from tests.e2e.test_first_path import eventually, party, person

pytestmark = pytest.mark.timeout(180)


async def api(ground: Stand, bridge: Bridge, key: str, method: str, path: str, body: object = None) -> Any:
    url = f"http://127.0.0.1:{bridge.port}/api/v1/{path}"
    headers = {"Authorization": f"Bearer {key}"}
    async with ground.session.request(method, url, json=body, headers=headers) as response:
        assert response.status < 300, await response.text()
        return await response.json()


async def sent(ground: Stand, bridge: Bridge, key: str, message_id: str) -> str:
    async def look() -> str | None:
        message = await api(ground, bridge, key, "GET", f"messages/{message_id}")
        return str(message["event_id"]) if message["status"] in ("sent", "delivered", "read") else None

    return await eventually(look)


async def test_after_a_restore_everybody_reads_on_and_nothing_twice(tmp_path: Path) -> None:
    copy = tmp_path / "backup"
    async with stand(tmp_path / "stand") as ground, People(ground.synapse, tmp_path) as people:
        chef = await people.person("Chef")
        vendor = await people.nio(chef)
        async with ground.bridge() as bridge:
            keys = api_keys(ground.config, bridge.database, SystemClock())
            key = str(await keys.create(TenantId(TENANT), name="tests"))
            both = {"party": party(person("anna", "Anna")), "vendor": person("chef", "Sweet Bites", chef)}
            opened = await api(ground, bridge, key, "POST", "conversations", both)
            messages = f"conversations/{opened['conversation_id']}/messages"

            async def say(at: Bridge, text: str) -> str:
                said = await api(ground, at, key, "POST", messages, {"sender_id": "anna", "text": text})
                return str(said["message_id"])

            await vendor.sync_until(lambda: bool(vendor.invites()))
            (room,) = vendor.invites()
            await vendor.join(room)
            await sent(ground, bridge, key, await say(bridge, "Before the backup"))
            await vendor.wait_for_text(room, "Before the backup")

            # What waits while the backup is taken is sent right after it.
            await ground.synapse.stop()
            waiting = await say(bridge, "While the homeserver is away")
            made = await ended(tmp_path, "backup", copy, "-c", ground.config_path)
            assert made.code == 0, made.err
            refused = await ended(tmp_path, "restore", copy, "--replace", "-c", ground.config_path)
            assert (refused.code, "A bridge works on this database" in refused.err) == (1, True)
            await ground.synapse.start()
            event_id = await sent(ground, bridge, key, waiting)
            await vendor.wait_for_text(room, "While the homeserver is away")
            await sent(ground, bridge, key, await say(bridge, "Lost with the disk"))
            await vendor.wait_for_text(room, "Lost with the disk")
            await vendor.send_text(room, "Said before the disk died")

            async def heard() -> bool | None:
                page = await api(ground, bridge, key, "GET", messages)
                return "Said before the disk died" in {one["content"] for one in page["messages"]} or None

            await eventually(heard)

        put = await ended(tmp_path, "restore", copy, "--replace", "-c", ground.config_path)
        assert put.code == 0, put.err
        async with ground.bridge() as bridge:
            # The same event: the room has it once.
            assert await sent(ground, bridge, key, waiting) == event_id
            after = await say(bridge, "After the restore")
            await sent(ground, bridge, key, after)
            entry = await vendor.wait_for_text(room, "After the restore")
            assert entry.encrypted
            assert entry.warning is None
            await vendor.send_text(room, "And you read me, too")

            async def answered() -> bool | None:
                page = await api(ground, bridge, key, "GET", messages)
                texts = {one["content"] for one in page["messages"]}
                # The key of the first was in the database that is gone: it comes back from the bot's key backup.
                return {"Said before the disk died", "And you read me, too"} <= texts or None

            await eventually(answered)
            bodies = [entry.body for entry in vendor.timeline(room)]
            ours = (
                "Before the backup",
                "While the homeserver is away",
                "Lost with the disk",
                "After the restore",
            )
            assert [bodies.count(text) for text in ours] == [1, 1, 1, 1]
