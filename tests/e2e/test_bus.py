"""A platform with a real NATS: what it tells by the bus is in the room, and what is said there comes back by it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
from nats.js import JetStreamContext
from pydantic import SecretStr

from bridge.config import Bus
from bridge.demo.stand import TENANT, stand
from tests.clients.people import People
from tests.e2e.scene import Scene
from tests.e2e.test_first_path import eventually, party, person
from tests.servers.nats import NatsServer


class Platform:
    """What it does on the bus."""

    def __init__(self, stream: JetStreamContext) -> None:
        self._stream = stream

    @classmethod
    @asynccontextmanager
    async def connected(cls, server: NatsServer) -> AsyncIterator["Platform"]:
        async with await nats.connect(server.url) as client:
            yield cls(client.jetstream())

    async def tell(self, event_type: str, event_id: str, data: dict[str, Any]) -> None:
        event = {"specversion": "1.0", "id": event_id, "source": "/bus", "type": event_type, "data": data}
        await self._stream.publish(f"festimo.events.{TENANT}", json.dumps(event).encode())

    async def heard(self) -> list[tuple[str, str | None]]:
        """What came, in order: of which type, about which message."""
        known = await self._stream.stream_info("FESTIMO_FEED")
        found = [
            await self._stream.get_msg("FESTIMO_FEED", seq) for seq in range(1, known.state.last_seq + 1)
        ]
        events = [json.loads(one.data or b"") for one in found]
        return [(one["type"], one["data"].get("message_id")) for one in events]


async def test_the_platform_tells_and_hears_by_the_bus(tmp_path: Path) -> None:
    with NatsServer() as server:
        async with stand(tmp_path / "stand") as plain, People(plain.synapse, tmp_path) as people:
            bus = Bus(servers=(SecretStr(server.url),))
            ground = replace(plain, config=plain.config.model_copy(update={"bus": bus}))
            anna = await people.person("Anna")
            host = await people.nio(anna)
            scene = Scene(ground, people)
            async with scene.running():
                health = f"{ground.config.appservice.url}/health/ready"

                async def ready() -> bool | None:
                    async with ground.session.get(health) as response:
                        return True if response.status == 200 else None

                await eventually(ready)
                async with Platform.connected(server) as platform:
                    hosts = party(person("anna", "Anna", anna), party_id=scene.party_id)
                    await platform.tell("vendor.selected", "1", {"party": hosts, "vendor": scene.chef})
                    await host.sync_until(lambda: bool(host.invites()))
                    room = host.invites()[0]
                    await host.join(room)
                    chef = scene.chef["id"]
                    said = {
                        "party_id": scene.party_id,
                        "vendor_id": chef,
                        "sender_id": chef,
                        "text": "By the bus",
                    }
                    for _ in range(2):
                        await platform.tell("message.send", "2", said)
                    await host.wait_for_text(room, "By the bus")
                    await host.send_text(room, "And back")

                    out = await scene.stored(lambda message: message.text == "By the bus")
                    back = await scene.stored(lambda message: message.text == "And back")

                    async def all_heard() -> bool | None:
                        wanted = {
                            ("message.sent", out.message_id),
                            ("message.delivered", out.message_id),
                            ("message.sent", back.message_id),
                        }
                        return True if wanted <= set(await platform.heard()) else None

                    await eventually(all_heard)
                    told = [of for of in await platform.heard() if of[1] is not None]
                assert len(told) == len(set(told))
                assert [entry.body for entry in host.timeline(room)].count("By the bus") == 1

                metrics = f"{ground.config.appservice.url}/metrics"
                async with ground.session.get(metrics) as response:
                    shown = await response.text()
                assert "festimo_bus_disconnected 0.0" in shown
                assert "festimo_bus_unpublished_seconds" in shown

                server.kill()

                async def is_missed() -> bool | None:
                    async with ground.session.get(health) as response:
                        return True if "the bus went away" in await response.text() else None

                await eventually(is_missed)
