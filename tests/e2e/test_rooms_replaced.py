"""A conversation goes on in another room, whoever has ended the former one: what real clients see of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.embedded.client import ClientError
from appservice.outbound.rooms import NOBODY_WRITES, ROOM_VERSION
from bridge.demo.stand import Stand
from tests.clients.people import People
from tests.e2e.life import LivingScene, as_the_bot, both
from tests.e2e.scene import without_a_shield
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[LivingScene]:
    async with People(ground.synapse, tmp_path) as people:
        here = LivingScene(ground, people)
        async with here.running():
            yield here


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_room_that_was_replaced_is_followed_with_new_keys(scene: LivingScene, is_ours: bool) -> None:
    """Into the room that the homeserver has made in the bot's name, or into a new one where that leads nowhere."""
    host, vendor, _ = await both(scene)
    await host.send_text(scene.room, "in the old room")
    await vendor.wait_for_text(scene.room, "in the old room")
    old = scene.room
    if is_ours:
        upgraded = await as_the_bot(scene, "POST", f"v3/rooms/{old}/upgrade", {"new_version": ROOM_VERSION})
    else:
        content = {"body": "moved", "replacement_room": "!nowhere"}
        await as_the_bot(scene, "PUT", f"v3/rooms/{old}/state/m.room.tombstone", content)

    scene.room = await other_room(scene)
    assert not is_ours or scene.room == upgraded["replacement_room"]
    await scene.join(host)
    await scene.join(vendor)
    state = await scene.state()
    assert state["m.room.encryption", ""]["algorithm"] == "m.megolm.v1.aes-sha2"
    assert (await scene.api("GET", f"conversations/{await scene.conversation_id()}"))["room_id"] == scene.room
    notice = await scene.book()
    await vendor.wait_for_text(scene.room, notice)
    assert without_a_shield(await host.wait_for_text(scene.room, notice))
    await vendor.send_text(scene.room, "in the new room")
    await host.wait_for_text(scene.room, "in the new room")
    said = await scene.stored(lambda message: message.text == "in the new room")
    assert said.sender_id == scene.chef["id"]


async def other_room(scene: LivingScene) -> str:
    """The conversation's room, once it is another one."""
    old = scene.room

    async def moved() -> str | None:
        room = await scene._room()
        return room if room != old else None

    return await eventually(moved)


async def pinned(scene: LivingScene) -> list[str]:
    async def look() -> list[str] | None:
        return (await scene.state()).get(("m.room.pinned_events", ""), {}).get("pinned") or None

    return await eventually(look)


async def test_what_is_said_while_a_room_is_replaced_is_said_once_and_in_order(scene: LivingScene) -> None:
    """By a ghost, whom the homeserver lets say nothing more in the former room before we know why."""
    vendor = await scene.people.nio(chef := await scene.people.person("Chef"))
    scene.token = vendor.access_token
    await scene.open(vendor, hosts={"Anna": None}, vendor=chef)
    old, texts = scene.room, [f"word {number}" for number in range(8)]

    async def speak() -> None:
        for text in texts:
            await scene.say(text, sender="Anna")

    upgrade = as_the_bot(scene, "POST", f"v3/rooms/{old}/upgrade", {"new_version": ROOM_VERSION})
    await asyncio.gather(speak(), upgrade)
    scene.room = await other_room(scene)
    await scene.join(vendor)
    await scene.say("the last word", sender="Anna")
    await vendor.wait_for_text(scene.room, "the last word")
    read = [entry.body for room in (old, scene.room) for entry in vendor.timeline(room)]
    assert [body for body in read if body in texts] == texts
    assert {message.status for message in await scene.history()} <= {"sent", "delivered", "read"}


async def test_a_conversation_goes_on_in_a_new_room_when_staff_ask_for_it(scene: LivingScene) -> None:
    host, vendor, _ = await both(scene)
    await vendor.wait_for_text(scene.room, await scene.book())
    old, card = scene.room, await pinned(scene)
    (space,) = [key for kind, key in await scene.state() if kind == "m.space.parent"]
    await scene.act("upgrade")
    await scene.act("upgrade")
    await scene.say("after")
    scene.room = await other_room(scene)
    await scene.join(host)
    await scene.join(vendor)
    await vendor.wait_for_text(scene.room, "Sweet Bites: after")
    assert await pinned(scene) != card, "it is shown anew"
    await scene.until("m.space.parent", {"canonical": True}, key=space)
    await scene.until("m.space.parent", {}, key=space, room=old)
    state, former = await scene.state(), await scene.state(old)
    assert former["m.space.parent", space] == {}
    assert state["m.room.create", ""]["predecessor"] == {"room_id": old}
    assert former["m.room.tombstone", ""]["replacement_room"] == scene.room
    assert former["m.room.power_levels", ""]["events_default"] == NOBODY_WRITES
    with pytest.raises(ClientError, match="M_FORBIDDEN"):
        await vendor.send_text(old, "in the former room")
    await vendor.send_text(scene.room, "in the new room")
    assert without_a_shield(await host.wait_for_text(scene.room, "Sweet Bites: after"))
    await host.wait_for_text(scene.room, "in the new room")
