"""A vendor whose account is on another homeserver: two real Synapses that federate, each with real clients."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from appservice.embedded.client import Client, ClientError
from appservice.embedded.synapse import Synapse
from bridge.demo.stand import Stand, stand
from tests.clients.js import JsClient, JsClientError, JsEntry
from tests.clients.people import People, Person
from tests.e2e.scene import without_a_shield
from tests.e2e.test_changes import edit
from tests.e2e.test_first_path import eventually
from tests.e2e.test_replies import Talking
from tests.servers.federation import Authority, Federating

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNDISTURBED = 8.0
"""Seconds, on a busy machine, that a message may take for which no silent server is waited for."""


@dataclass(frozen=True, slots=True)
class Two:
    """`home`: with the bridge; `far`: another homeserver, of vendors."""

    home: Stand
    far: Synapse


class Afar(Talking):
    """A party of Anna, who has an account here, and Ben, who has none; the vendor's account is on the far server."""

    def __init__(self, two: Two, people: People, vendors: People) -> None:
        super().__init__(two.home, people)
        self.far = two.far
        self.vendors = vendors
        self.vendor = Person("", "", "")

    async def begun_with(self, vendor: Person) -> JsClient:
        """Open the conversation; Anna is in, the vendor is invited."""
        self.vendor = vendor
        anna = await self.people.person("Anna")
        js = await self.people.js(anna)
        await self.open(js, hosts={"Anna": anna}, vendor=vendor)
        return js

    async def with_ben(self) -> None:
        """Ben hosts, too, and has a ghost."""
        self.hosts.append({"id": f"Ben-{self.party_id}", "name": "Ben"})
        await self.book()

    async def come(self, client: Client | JsClient) -> None:
        """Synapse stores an invite only after the other server has it: whoever is as quick as a test tries again."""
        if isinstance(client, JsClient):
            await client.wait_for_invite(self.room)
        else:
            await client.sync_until(lambda: self.room in client.invites())

        async def join() -> bool | None:
            try:
                await client.join(self.room)
            except (ClientError, JsClientError) as refusal:
                if "not invited" not in str(refusal):
                    raise
                return None
            return True

        await eventually(join)

    async def earlier(self, client: Client) -> list[str]:
        """What was said before their server came into the room: it is asked for when somebody scrolls back."""
        found = await client._client.room_messages(self.room, limit=50)
        return [event.body for event in found.chunk if getattr(event, "decrypted", False)]

    async def at_far(self, method: str, path: str, client: Client, body: dict[str, Any]) -> None:
        """What nio has no method for."""
        headers = {"Authorization": f"Bearer {client.access_token}"}
        url = f"{self.far.url}/_matrix/client/v3/rooms/{quote(self.room)}/{path}"
        async with self.ground.session.request(method, url, headers=headers, json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def vendor_is(self, away: str | None) -> None:
        """As the API shows it, soon."""
        conversation = await self._conversation()
        assert conversation is not None

        async def look() -> bool | None:
            view = await self.api("GET", f"conversations/{conversation.conversation_id}")
            [shown] = [one for one in view["participants"] if one["participant_id"] == self.chef_id]
            return True if shown["away"] == away else None

        await eventually(look)

    async def dead(self) -> list[tuple[str, str]]:
        """Topic and failure of whatever was given up."""
        return [
            (row["topic"], row["failure"])
            for table in ("inbox", "outbox")
            for row in await self.bridge.database.fetch(
                f"SELECT topic, failure FROM {table} WHERE state = 'dead'"
            )
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    folder = tmp_path_factory.mktemp("federation")
    authority = Authority(folder / "tls")
    here, there = Federating(authority), Federating(authority)
    async with AsyncExitStack() as stack:
        home, far = await asyncio.gather(
            stack.enter_async_context(
                stand(
                    folder / "home",
                    server_name=here.server_name,
                    synapse_port=here.port,
                    synapse_settings=here.settings(),
                )
            ),
            stack.enter_async_context(
                Synapse(
                    folder / "far", server_name=there.server_name, port=there.port, settings=there.settings()
                )
            ),
        )
        yield Two(home, far)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(two: Two, tmp_path: Path) -> AsyncIterator[Afar]:
    async with (
        People(two.home.synapse, tmp_path / "home") as people,
        People(two.far, tmp_path / "far") as far,
    ):
        afar = Afar(two, people, far)
        async with afar.running():
            yield afar


async def test_a_vendor_of_another_homeserver_takes_part_with_full_function(scene: Afar) -> None:
    chef = await scene.vendors.person("Chef")
    phone = await scene.vendors.nio(chef)
    anna = await scene.begun_with(chef)
    assert chef.user_id.partition(":")[2] != scene.bridge.names.server_name
    await phone.sync_until(lambda: scene.room in phone.invites())
    await scene.say("We are 80 guests.", sender="Anna")  # while the vendor is only invited
    await scene.said("We are 80 guests.")
    await scene.come(phone)
    await scene.with_ben()
    await scene.say("Vegan, please.", sender="Anna")  # spoken by Festimo
    await scene.say("And no nuts.", sender="Ben")  # spoken by his ghost
    for text in ("Anna: Vegan, please.", "And no nuts."):
        entry = await phone.wait_for_text(scene.room, text)
        assert (entry.encrypted, entry.warning) == (True, None)
    assert "Anna: We are 80 guests." in await scene.earlier(phone)

    # Answers, changes, reacts, takes back.
    nuts = await scene.said("And no nuts.")
    relation = {"m.in_reply_to": {"event_id": nuts.origin_id}}
    event_id = await phone.send(
        scene.room, "m.room.message", {"msgtype": "m.text", "body": "Of curse.", "m.relates_to": relation}
    )
    reply = await scene.said("Of curse.")
    await scene.becomes(reply, sender_id=scene.chef_id, reply_to=nuts.message_id)
    await edit(phone, scene.room, event_id, "Of course.")
    await scene.becomes(reply, content="Of course.", is_edited=True)
    await anna.wait_for_text(scene.room, "Of course.")
    await phone.send(
        scene.room,
        "m.reaction",
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": nuts.origin_id, "key": "👍"}},
    )

    async def reacted() -> bool | None:
        found = (await scene.api("GET", f"messages/{nuts.message_id}/reactions"))["reactions"]
        return [(one["emoji"], one["participants"]) for one in found] == [("👍", [scene.chef_id])] or None

    await eventually(reacted)
    slip = await phone.send_text(scene.room, "What a party")
    said = await scene.said("What a party")
    await phone.redact(scene.room, slip)
    await scene.becomes(said, is_deleted=True)

    # Reads, types.
    await scene.at_far("POST", f"receipt/m.read/{quote(str(nuts.origin_id))}", phone, {})

    async def read() -> bool | None:
        shown = await scene.api("GET", f"messages/{nuts.message_id}")
        readers = [one["participant_id"] for one in shown["recipients"] if one["read_at"]]
        return scene.chef_id in readers or None

    await eventually(read)
    await scene.at_far("PUT", f"typing/{quote(chef.user_id)}", phone, {"typing": True, "timeout": 20_000})
    conversation = await scene._conversation()
    assert conversation is not None

    async def types() -> bool | None:
        found = await scene.api("GET", f"conversations/{conversation.conversation_id}/typing")
        return scene.chef_id in [one["participant_id"] for one in found["typing"]] or None

    await eventually(types)

    # Another device reads what is said from then on, and is read itself.
    laptop = await scene.vendors.nio(chef)
    await scene.knows_devices(chef.user_id, phone.device_id, laptop.device_id)
    for sender, spoken in (("Anna", "Anna: When do you come?"), ("Ben", "By car?")):
        await scene.say(spoken.removeprefix("Anna: "), sender=sender)
        for device in (phone, laptop):
            await device.wait_for_text(scene.room, spoken)
    await laptop.send_text(scene.room, "At eleven.")
    await scene.becomes(await scene.said("At eleven."), sender_id=scene.chef_id)
    await anna.wait_for_text(scene.room, "At eleven.")
    of_then = [entry for entry in laptop.timeline(scene.room) if entry.event_id == nuts.origin_id]
    assert [entry.undecryptable for entry in of_then] == [True], "it is for the devices that were there then"

    await scene.vendor_is(None)
    await laptop.leave(scene.room)
    await scene.vendor_is("left")
    assert await scene.dead() == []


async def test_a_vendor_who_signs_in_later_elsewhere_reads_a_recap_and_sees_no_shield(scene: Afar) -> None:
    """With Element's crypto at the far side: what Festimo, a ghost and a host of our homeserver say, on two devices."""
    chef = await scene.vendors.person("Chef")
    anna = await scene.begun_with(chef)
    await anna.send_text(scene.room, "Is anybody there?")
    await scene.said("Is anybody there?")
    phone = await scene.vendors.js(chef)
    await scene.come(phone)

    async def recap() -> JsEntry | None:
        entries = await phone.timeline(scene.room)
        return next((entry for entry in entries if "Is anybody there?" in entry.body), None)

    told = await eventually(recap)
    assert (told.sender, without_a_shield(told)) == (scene.bridge.names.bot, True)
    laptop = await scene.vendors.js(chef, signed_devices_only=True)
    await scene.knows_devices(chef.user_id, phone.device_id, laptop.device_id)
    await scene.with_ben()
    await scene.say("Welcome!", sender="Anna")
    await scene.say("Hello!", sender="Ben")
    await scene.sent("Hello!")
    await anna.send_text(scene.room, "When do you come?")
    for device in (phone, laptop):
        for text in ("Anna: Welcome!", "Hello!", "When do you come?"):
            assert without_a_shield(await device.wait_for_text(scene.room, text))
    await laptop.send_text(scene.room, "At noon.")
    await scene.becomes(await scene.said("At noon."), sender_id=scene.chef_id)
    assert without_a_shield(await anna.wait_for_text(scene.room, "At noon."))


async def test_while_the_other_homeserver_is_down_nobody_waits_and_afterwards_nothing_is_missing(
    scene: Afar, two: Two, tmp_path: Path
) -> None:
    chef = await scene.vendors.person("Chef")
    phone = await scene.vendors.nio(chef)
    anna = await scene.begun_with(chef)
    await scene.come(phone)
    await scene.with_ben()
    await anna.send_text(scene.room, "Hello!")
    await phone.wait_for_text(scene.room, "Hello!")
    async with People(two.home.synapse, tmp_path / "elsewhere") as people:
        elsewhere = Talking(two.home, people)
        elsewhere._bridge, elsewhere.key, elsewhere.clock = scene.bridge, scene.key, scene.clock
        bea = await people.person("Bea")
        host = await people.nio(bea)
        await elsewhere.open(host, hosts={"Bea": bea})

        assert two.far.pid is not None
        os.kill(two.far.pid, signal.SIGSTOP)  # silent: worse than gone, as it is waited for
        said = ["Anna: One", "Two", "Anna: Three", "Four", "Five"]
        await scene.say("One", sender="Anna")
        # Ben's first: the vendor's phone has to give his ghost a key, and cannot.
        await scene.say("Two", sender="Ben")
        await scene.say("Three", sender="Anna")
        for number in range(3):
            began = time.monotonic()
            await elsewhere.say(f"Undisturbed {number}")
            await host.wait_for_text(elsewhere.room, f"Undisturbed {number}")
            assert time.monotonic() - began < UNDISTURBED
        await scene.sent("Three")
        began = time.monotonic()
        await scene.say("Four", sender="Ben")
        await scene.sent("Four")
        assert time.monotonic() - began < UNDISTURBED, "waited for once"
        await two.far.kill()
        await anna.wait_for_text(scene.room, "Four")
        await anna.send_text(scene.room, "Five")
        await scene.said("Five")

    await two.far.start()
    # Whatever somebody does there tells our homeserver, which would else try again in ten minutes.
    await scene.at_far("PUT", f"typing/{quote(chef.user_id)}", phone, {"typing": True, "timeout": 20_000})

    def read() -> list[str]:
        return [entry.body for entry in phone.timeline(scene.room) if entry.body in said]

    await phone.sync_until(lambda: len(read()) == len(said), 40)
    assert read() == said
    await phone.send_text(scene.room, "I was away.")
    await scene.said("I was away.")
    assert await scene.dead() == []


async def test_a_device_whose_announcement_was_lost_is_read_and_reads(scene: Afar, two: Two) -> None:
    """The far server cannot reach ours when the device is made, and loses what it wanted to tell."""
    chef = await scene.vendors.person("Chef")
    phone = await scene.vendors.nio(chef)
    await scene.begun_with(chef)
    await scene.come(phone)
    await phone.send_text(scene.room, "Hello!")
    await scene.said("Hello!")
    await scene.knows_devices(chef.user_id, phone.device_id)

    await two.home.synapse.stop()
    laptop = await scene.vendors.nio(chef)
    lost = await asyncio.to_thread(_forget_announcements, two.far.folder / "homeserver.db", laptop.device_id)
    assert lost > 0
    await two.home.synapse.start()

    # Their servers have found each other again, and still nobody here knows of the laptop.
    await scene.say("Are you there?", sender="Anna")
    await phone.wait_for_text(scene.room, "Anna: Are you there?", 40)
    devices = await scene.bridge.device_lists.devices(scene.bridge.database, chef.user_id)
    assert [device.device_id for device in devices] == [phone.device_id]
    await laptop.sync_until(lambda: scene.room in laptop.rooms())
    await laptop.send_text(scene.room, "From my laptop")
    message = await scene.said("From my laptop")
    await scene.becomes(message, sender_id=scene.chef_id)
    await scene.say("Heard you", sender="Anna")
    for device in (phone, laptop):
        await device.wait_for_text(scene.room, "Anna: Heard you")
    assert await scene.dead() == []


def _forget_announcements(database: Path, device_id: str) -> int:
    """What the server has still to tell of the device; return how much that was, once it has noted all of it."""
    forgotten = 0
    for _ in range(200):
        with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
            [(noting,)] = connection.execute(
                "SELECT COUNT(*) FROM device_lists_changes_in_room"
                " WHERE device_id = ? AND NOT converted_to_destinations",
                (device_id,),
            ).fetchall()
            forgotten += connection.execute(
                "DELETE FROM device_lists_outbound_pokes WHERE device_id = ?", (device_id,)
            ).rowcount
        if forgotten and not noting:
            break
        time.sleep(0.05)
    return forgotten
