"""Olm sessions that the two sides have lost: real clients are understood again, and hear of what was not read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appservice.embedded.client import Client
from bridge.demo.stand import Stand, stand
from bridge.wiring import Bridge
from tests.clients.people import People
from tests.e2e.test_attribution import met
from tests.e2e.test_first_path import eventually, history, party, person


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


async def lose_sessions(bridge: Bridge) -> None:
    async with bridge.database.transaction() as tx:
        await tx.execute("UPDATE olm_sessions SET pickle = 'spoiled'")


async def begun_anew(bridge: Bridge) -> None:
    async def done() -> bool | None:
        states = [row["state"] for row in await bridge.database.fetch("SELECT state FROM olm_repairs")]
        return True if states == ["done"] else None

    await eventually(done)


async def heard_of_new_session(client: Client) -> None:
    """It has one more Olm session than it has devices to talk to."""
    known = client._client.olm.session_store._entries
    await client.sync_until(lambda: any(len(sessions) > 1 for sessions in known.values()))


async def reads(bridge: Bridge, *texts: str) -> None:
    async def look() -> bool | None:
        return True if [m.text for m in await history(bridge, "chef")] == [*texts] else None

    await eventually(look)


def begin_new_session(client: Client, room: str) -> None:
    """The next message has a new room key, which travels over Olm."""
    client._client.invalidate_outbound_session(room)


async def test_nio_is_understood_again_and_told_what_was_not_read(ground: Stand, people: People) -> None:
    anna = await people.person("Anna")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        room = await met(ground, bridge, anna, host)
        await lose_sessions(bridge)
        begin_new_session(host, room)
        await host.send_text(room, "Its key does not arrive.")
        await begun_anew(bridge)
        await heard_of_new_session(host)
        begin_new_session(host, room)
        await host.send_text(room, "Its key does.")
        await reads(bridge, "Hello", "Its key does.")

        async with bridge.database.transaction() as tx:  # a minute passes
            await tx.execute("UPDATE missing_keys SET missed_at = missed_at - 60000")

        def notices() -> list[str]:
            bodies = [(entry.body or "", entry.encrypted) for entry in host.timeline(room)]
            return [body for body, encrypted in bodies if "could not read your message" in body and encrypted]

        await host.sync_until(lambda: bool(notices()))
        assert notices()[0].startswith("Anna, I could not read your message of ")


async def test_elements_crypto_gives_the_key_again_with_its_next_message(
    ground: Stand, people: People
) -> None:
    anna = await people.person("Anna")
    host = await people.js(anna)
    async with ground.bridge() as bridge:
        data = {"party": party(person("anna", "Anna", anna)), "vendor": person("chef", "Chef")}
        await ground.platform.send("vendor.selected", data)
        conversation = await eventually(lambda: _room(bridge))
        await host.wait_for_invite(conversation)
        await host.join(conversation)
        greeting = await eventually(lambda: _greeting(bridge))
        await host.wait_for_text(conversation, greeting)
        await lose_sessions(bridge)
        await host.send_text(conversation, "Its key does not arrive.")
        await begun_anew(bridge)
        for number in range(3):  # it may not have heard of the new session yet
            await host.send_text(conversation, f"Once more {number}.")

        async def last_was_read() -> bool | None:
            texts = [m.text for m in await history(bridge, "chef")]
            return True if "Once more 2." in texts else None

        await eventually(last_was_read)
        after = await host.send_text(conversation, "And so it stays.")
        assert after

        async def read() -> bool | None:
            texts = [m.text for m in await history(bridge, "chef")]
            return True if texts[-1] == "And so it stays." else None

        await eventually(read)


async def _room(bridge: Bridge) -> str | None:
    room = await bridge.database.fetch_value("SELECT room_id FROM rooms")
    return str(room) if room else None


async def _greeting(bridge: Bridge) -> str | None:
    row = await bridge.database.fetch_one(
        "SELECT message_id FROM messages WHERE sender_type = 'festimo' AND status = 'sent'"
    )
    message = await bridge.messages.get(bridge.database, row["message_id"]) if row else None
    return message.text if message else None
