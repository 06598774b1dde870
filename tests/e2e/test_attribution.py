"""Who said it: the device list decides, not what a to-device message or a homeserver claims."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appservice.embedded.client import Client
from bridge.demo.stand import Stand, stand
from bridge.wiring import Bridge
from tests.clients.people import People, Person
from tests.e2e.test_first_path import eventually, history, party, person


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


async def met(ground: Stand, bridge: Bridge, anna: Person, host: Client) -> str:
    """The host is in the room, and the bridge knows her devices."""
    data = {"party": party(person("anna", "Anna", anna)), "vendor": person("chef", "Chef")}
    await ground.platform.send("vendor.selected", data)
    await host.sync_until(lambda: bool(host.invites()))
    room = host.invites()[0]
    await host.join(room)
    await host.send_text(room, "Hello")

    async def read() -> bool | None:
        return True if [m.text for m in await history(bridge, "chef")] == ["Hello"] else None

    await eventually(read)
    return room


async def test_a_room_key_of_no_device_of_the_sender_makes_her_say_nothing(
    ground: Stand, people: People
) -> None:
    anna = await people.person("Anna")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        room = await met(ground, bridge, anna, host)
        async with bridge.database.transaction() as tx:
            # As if the key had come from elsewhere: a device's keys never change, so asking again does not help.
            await tx.execute("UPDATE devices SET signing_key = 'another' WHERE user_id = $1", anna.user_id)
        await host.send_text(room, "I accept the price.")

        async def refused() -> str | None:
            failure = await bridge.database.fetch_value("SELECT failure FROM inbox WHERE state = 'dead'")
            return str(failure) if failure else None

        assert "no device of the sender" in await eventually(refused)
        assert [m.text for m in await history(bridge, "chef")] == ["Hello"]


async def test_a_device_whose_announcement_is_late_is_asked_for(ground: Stand, people: People) -> None:
    anna = await people.person("Anna")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        room = await met(ground, bridge, anna, host)
        async with bridge.database.transaction() as tx:
            await tx.execute(
                "DELETE FROM devices WHERE user_id = $1", anna.user_id
            )  # and the list counts as fresh
        await host.send_text(room, "It is me.")

        async def read() -> bool | None:
            return True if [m.text for m in await history(bridge, "chef")] == ["Hello", "It is me."] else None

        await eventually(read)
