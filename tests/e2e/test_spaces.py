"""Spaces with a real homeserver, where a host has one conversation with each vendor for all of their parties."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from appservice.outbound.rooms import ROOM_VERSION
from bridge.demo.stand import Stand, stand
from tests.clients.people import People
from tests.e2e.life import LivingScene, as_the_bot
from tests.e2e.test_first_path import eventually, party, person

pytestmark = pytest.mark.asyncio(loop_scope="module")


class SpacesScene(LivingScene):
    """`token`: of somebody who is in every space that is looked at."""

    @property
    def via(self) -> dict[str, Any]:
        return {"via": [self.ground.config.homeserver.server_name]}

    async def listed(self, space: str, *rooms: str) -> None:
        """The space shows these, soon, and no others; and they say whose they are."""

        async def look() -> bool | None:
            children = {
                key
                for (kind, key), one in (await self.state(space)).items()
                if kind == "m.space.child" and one
            }
            return True if children == {*rooms} else None

        await eventually(look)
        for room in rooms:
            await self.until("m.space.parent", self.via | {"canonical": True}, key=space, room=room)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    folder = tmp_path_factory.mktemp("spaces")
    async with stand(folder, settings={"conversation": {"scope": "host_vendor"}}) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[SpacesScene]:
    async with People(ground.synapse, tmp_path) as people:
        here = SpacesScene(ground, people)
        async with here.running():
            yield here


async def entered(client: Client) -> str:
    """The space that they are invited to, and join now."""
    await client.sync_until(lambda: bool(client.space_invites()))
    (space,) = client.space_invites()
    await client.join(space)
    await client.sync_until(lambda: not client.space_invites())
    return space


async def test_one_room_stands_in_the_spaces_of_all_parties_that_it_is_for(scene: SpacesScene) -> None:
    anna, ben, chef = [await scene.people.person(name) for name in ("Anna", "Ben", "Chef")]
    host, other, vendor = [await scene.people.nio(one) for one in (anna, ben, chef)]
    scene.token = host.access_token
    await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
    first = await entered(host)
    await scene.listed(first, scene.room)

    with_ben = [*scene.hosts, person(f"Ben-{scene.party_id}", "Ben", ben)]
    wedding = party(*with_ben, party_id=f"{scene.party_id}-wedding", title="The wedding")
    await scene.ground.platform.send("vendor.selected", {"party": wedding, "vendor": scene.chef})
    second = await entered(host)
    assert second != first
    assert (await scene.state(second))["m.room.name", ""] == {"name": "The wedding"}
    await scene.join(other)
    assert await entered(other) == second
    for space in (first, second):
        await scene.listed(space, scene.room)
    for party_id in (scene.party_id, wedding["id"]):
        shown = await scene.api("GET", f"parties/{party_id}/conversations")
        assert [one["room_id"] for one in shown["conversations"]] == [scene.room]
    await vendor.send_text(scene.room, "for both parties")
    for client in (host, other):
        await client.wait_for_text(scene.room, "for both parties")

    await scene.act("archive")
    for space in (first, second):
        await scene.listed(space)
    await scene.act("unarchive")
    for space in (first, second):
        await scene.listed(space, scene.room)
    assert other.space_invites() == [], "the other party is not Ben's"
    assert vendor.space_invites() == [], "vendors do not see who else was asked"


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_space_that_was_replaced_is_followed(scene: SpacesScene, is_ours: bool) -> None:
    """Into the one that the homeserver has made in the bot's name, or into a new one where that leads nowhere."""
    anna = await scene.people.person("Anna")
    host = await scene.people.nio(anna)
    scene.token = host.access_token
    await scene.open(host, hosts={"Anna": anna})
    old = await entered(host)
    await scene.listed(old, scene.room)

    if is_ours:
        upgraded = await as_the_bot(scene, "POST", f"v3/rooms/{old}/upgrade", {"new_version": ROOM_VERSION})
    else:
        content = {"body": "moved", "replacement_room": "!nowhere"}
        await as_the_bot(scene, "PUT", f"v3/rooms/{old}/state/m.room.tombstone", content)
    new = await entered(host)
    assert not is_ours or new == upgraded["replacement_room"]
    await scene.listed(new, scene.room)
    assert (await scene.state())["m.space.parent", old] == {}
    assert (await scene.state(new))["m.room.name", ""] == {"name": "Anna & Ben"}
    await scene.act("archive")
    await scene.listed(new)
    await scene.act("unarchive")
    await scene.listed(new, scene.room)
