"""A vendor's profile in Matrix: their ghost bears the name of their business, and the command says whether they are
there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.demo.stand import Stand
from tests.clients.people import People
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually, party

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[ChangingScene]:
    async with People(ground.synapse, tmp_path) as people:
        here = ChangingScene(ground, people)
        async with here.running():
            yield here


async def test_a_ghost_is_renamed_with_the_business(scene: ChangingScene) -> None:
    anna = await scene.people.person("Anna")
    client = await scene.people.nio(anna)
    await scene.open(client, hosts={"Anna": anna})
    await scene.say("Tarte or cake?")
    await client.wait_for_text(scene.room, "Tarte or cake?")
    await client.sync_until(lambda: client.display_name(scene.room, scene.ghost) == "Sweet Bites")

    vendor = f"vendors/{scene.chef['id']}"
    view = await scene.api("PUT", vendor, json={"business_name": "Sweeter Bites"})
    assert view["business_name"] == "Sweeter Bites"
    await client.sync_until(lambda: client.display_name(scene.room, scene.ghost) == "Sweeter Bites")
    _, profile = await scene.call("GET", f"v3/profile/{scene.ghost}", client.access_token)
    assert profile["displayname"] == "Sweeter Bites"
    await scene.say("By the new name.")
    entry = await client.wait_for_text(scene.room, "By the new name.")
    assert (entry.sender, entry.warning) == (scene.ghost, None)


async def test_a_vendor_says_by_command_whether_they_are_there(scene: ChangingScene) -> None:
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.nio(anna), await scene.people.nio(chef)
    await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)

    async def becomes(status: str) -> None:
        async def look() -> bool | None:
            shown = await scene.api("GET", f"vendors/{scene.chef['id']}")
            return True if shown["availability_status"] == status else None

        await eventually(look)

    await vendor.send_text(scene.room, "!festimo status busy")
    await becomes("busy")
    await host.send_text(scene.room, "!festimo status away")
    await host.wait_for_text(scene.room, "Only a vendor is shown as there or away. Nothing was changed.")
    await becomes("busy")
    await vendor.send_text(scene.room, "!festimo status away")
    await becomes("away")


async def test_what_the_platform_tells_shows_in_the_room(scene: ChangingScene) -> None:
    """A lead, another name, and that somebody is to be forgotten."""
    anna, ben = await scene.people.person("Anna"), await scene.people.person("Ben")
    host, other = await scene.people.nio(anna), await scene.people.nio(ben)
    await scene.open(host, other, hosts={"Anna": anna, "Ben": ben})
    send, vendor_id = scene.ground.platform.send, scene.chef["id"]
    of_party = party(*scene.hosts, party_id=scene.party_id)
    lead = {"lead_id": f"lead-{vendor_id}", "title": "A cake", "host": scene.hosts[0], "party": of_party}
    await send("lead.created", lead | {"vendor": scene.chef, "text": "A cake for 60, please?"})
    await host.wait_for_text(scene.room, "Anna: A cake for 60, please?")
    await scene.say("Gladly!")
    await host.wait_for_text(scene.room, "Gladly!")
    assert (await scene.api("GET", f"leads/{lead['lead_id']}"))["status"] == "answered"

    await send("vendor.updated", {"vendor_id": vendor_id, "business_name": "Sweetest Bites"})
    await host.sync_until(lambda: host.display_name(scene.room, scene.ghost) == "Sweetest Bites")

    await send("user.deleted", {"user_id": scene.hosts[1]["id"]})
    there = {scene.bridge.names.bot, anna.user_id, scene.ghost}
    await host.sync_until(lambda: set(host.members(scene.room)) == there)
    await scene.say("For who is still here")
    await host.wait_for_text(scene.room, "For who is still here")
