"""Who has no device when something is said reads it in one recap, as soon as they sign in and come."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appservice.embedded.client import Client, ClientError
from appservice.embedded.timeline import Entry
from bridge.demo.stand import Stand, stand
from bridge.wiring import Bridge
from tests.clients.js import JsClient, JsEntry
from tests.clients.people import People, Person
from tests.e2e.test_first_path import NO_SHIELD, eventually, history, party, person

CHANGED = "* (a changed recap)"
RECAP = "Chef, this was said before you could read here:"
BOOKING = {"id": "b1", "service": "Catering", "starts_at": "2027-06-12T14:00:00+02:00"}
CALENDAR = "booking-b1.ics"


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


class Scene:
    """Hosts with clients, and a vendor with an account who has never signed in."""

    def __init__(self, ground: Stand, bridge: Bridge, hosts: dict[str, Person], chef: Person) -> None:
        self.ground = ground
        self.bridge = bridge
        people = [person(name.lower(), name, account) for name, account in hosts.items()]
        self.data = {"party": party(*people), "vendor": person("chef", "Chef", chef)}

    async def select(self) -> None:
        await self.ground.platform.send("vendor.selected", self.data)

    async def host_is_in(self, host: Client) -> str:
        await host.sync_until(lambda: bool(host.invites()))
        room = host.invites()[0]
        await host.join(room)
        return room

    async def said(self, *texts: str) -> None:
        """Return once the conversation holds exactly these, all delivered."""

        async def look() -> bool | None:
            told = await history(self.bridge, "chef")
            holds = [m.text.splitlines()[0] for m in told] == list(texts)
            return True if holds and all(m.status == "sent" for m in told) else None

        await eventually(look)

    async def say(self, text: str) -> None:
        message = {"party_id": "party-1", "vendor_id": "chef", "sender_id": "anna", "text": text}
        await self.ground.platform.send("message.send", message)

    async def book(self) -> None:
        await self.ground.platform.send("booking.confirmed", self.data | {"booking": BOOKING})

    async def three_are_said(self, host: Client, room: str) -> None:
        """One in each way: by a client, through the platform, by the platform itself."""
        await host.send_text(room, "Can you do vegan?")
        await self.said("Can you do vegan?")
        await self.say("Please answer & soon")
        await self.said("Can you do vegan?", "Please answer & soon")
        await self.book()
        card = "Booking confirmed: Catering"
        await self.said("Can you do vegan?", "Please answer & soon", card, CALENDAR)


def recaps(timeline: list[Entry]) -> list[Entry]:
    return [entry for entry in timeline if entry.body.startswith(RECAP)]


def now(timeline: list[Entry]) -> str:
    """The recap as it was changed last."""
    changed = [entry.content["m.new_content"]["body"] for entry in timeline if entry.body == CHANGED]
    return str(changed[-1]) if changed else recaps(timeline)[0].body


async def until_recap(client: Client, room: str) -> Entry:
    await client.sync_until(lambda: bool(recaps(client.timeline(room))))
    return recaps(client.timeline(room))[0]


async def came(client: Client) -> str:
    await client.sync_until(lambda: bool(client.invites()))
    room = client.invites()[0]
    await client.join(room)
    return room


def order(text: str, *parts: str) -> bool:
    """Whether each is there once, in this order."""
    places = [text.find(part) for part in parts]
    return all(text.count(part) == 1 for part in parts) and places == sorted(places)


async def test_a_vendor_who_signs_in_later_reads_everything_in_one_recap(
    ground: Stand, people: People
) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        await scene.three_are_said(host, room)
        mistake = await host.send_text(room, "What a stupid cook")
        three = ("Can you do vegan?", "Please answer & soon", "Booking confirmed: Catering", CALENDAR)
        await scene.said(*three, "What a stupid cook")
        await host.redact(room, mistake)

        async def deleted() -> bool | None:
            return True if (await history(bridge, "chef"))[-1].is_deleted else None

        await eventually(deleted)

    vendor = await people.nio(chef)  # a week later; the bridge was even away
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        assert await came(vendor) == room
        recap = await until_recap(vendor, room)
        assert (recap.sender, recap.encrypted, recap.warning) == (bridge.names.bot, True, None)
        assert order(recap.body, "Hello! I am Festimo.", *three)
        assert f"> {CALENDAR} https://matrix.to/#/" in recap.body
        assert "stupid" not in recap.body
        await scene.say("Welcome!")
        await vendor.wait_for_text(room, "Anna: Welcome!")
        assert len(recaps(vendor.timeline(room))) == 1
        assert "Please answer &amp; soon" in recap.content["formatted_body"]

    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await host.send_text(room, "After a restart")
        await vendor.wait_for_text(room, "After a restart")
        await scene.say("Nothing twice")
        await vendor.wait_for_text(room, "Anna: Nothing twice")
        assert len(recaps(vendor.timeline(room))) == 1
        assert [entry for entry in vendor.timeline(room) if entry.body == CHANGED] == []


async def test_a_recap_follows_the_edits_and_deletions_of_what_it_repeats(
    ground: Stand, people: People
) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        first = await host.send_text(room, "At two o'clock")
        await scene.said("At two o'clock")
        second = await host.send_text(room, "My number is 0815")
        await scene.said("At two o'clock", "My number is 0815")
        vendor = await people.nio(chef)
        await came(vendor)
        recap = await until_recap(vendor, room)
        assert order(recap.body, "At two o'clock", "My number is 0815")

        new = {"msgtype": "m.text", "body": "At three o'clock"}
        relation = {"rel_type": "m.replace", "event_id": first}
        edit = {"msgtype": "m.text", "body": "* edit", "m.new_content": new, "m.relates_to": relation}
        await host.send(room, "m.room.message", edit)
        await vendor.sync_until(lambda: "At three o'clock" in now(vendor.timeline(room)))
        assert "At two o'clock" not in now(vendor.timeline(room))
        await host.redact(room, second)
        await vendor.sync_until(lambda: "0815" not in now(vendor.timeline(room)))
        assert "At three o'clock" in now(vendor.timeline(room))
        changed = [entry for entry in vendor.timeline(room) if entry.body == CHANGED]
        assert {e.content["m.relates_to"]["event_id"] for e in changed} == {recap.event_id}
        assert {(e.sender, e.encrypted, e.warning) for e in changed} == {(bridge.names.bot, True, None)}


async def js_recap(client: JsClient, room: str, part: str) -> JsEntry:
    async def look() -> JsEntry | None:
        found = [entry for entry in await client.timeline(room) if entry.body.startswith(RECAP)]
        return next((entry for entry in found if part in entry.body), None)

    return await eventually(look)


async def test_with_elements_crypto_there_is_no_shield_and_the_edit_is_shown(
    ground: Stand, people: People
) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        await scene.three_are_said(host, room)
        vendor = await people.js(chef, signed_devices_only=True)
        await vendor.wait_for_invite(room)
        await vendor.join(room)
        recap = await js_recap(vendor, room, "Can you do vegan?")
        assert (recap.encrypted, recap.failure, recap.shield and recap.shield.colour) == (
            True,
            None,
            NO_SHIELD,
        )
        assert order(recap.body, "Can you do vegan?", "Please answer & soon", "Booking confirmed: Catering")
        first = next(m for m in await history(bridge, "chef") if m.text == "Can you do vegan?")
        assert first.origin_id is not None
        await host.redact(room, first.origin_id)

        async def gone() -> bool | None:
            body = (await js_recap(vendor, room, "Please answer")).body
            return True if "vegan" not in body else None

        await eventually(gone)
        changed = await js_recap(vendor, room, "Please answer")
        assert changed.event_id == recap.event_id, "Element shows the edit in place of the recap"
        assert changed.replaced_by is not None
        found = [e for e in await vendor.timeline(room) if e.body.startswith(RECAP)]
        assert len(found) == 1


async def test_in_a_group_the_recap_is_told_in_private(ground: Stand, people: People) -> None:
    anna, ben, chef = [await people.person(name) for name in ("Anna", "Ben", "Chef")]
    host, other = await people.nio(anna), await people.nio(ben)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna, "Ben": ben}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        await scene.host_is_in(other)
        await host.send_text(room, "Can you do vegan?")
        await scene.said("Can you do vegan?")
        vendor = await people.nio(chef)
        await came(vendor)
        await vendor.sync_until(lambda: bool(vendor.invites()))
        private = vendor.invites()[0]
        assert private != room
        await vendor.join(private)
        recap = await until_recap(vendor, private)
        assert "Can you do vegan?" in recap.body
        assert (recap.encrypted, recap.warning) == (True, None)
        assert vendor.is_encrypted(private)
        assert set(vendor.members(private)) == {bridge.names.bot, chef.user_id}
        with pytest.raises(ClientError, match="M_FORBIDDEN"):
            await vendor.send_text(private, "Thank you")
        await scene.say("All here now")
        for client in (host, other, vendor):
            await client.wait_for_text(room, "Anna: All here now")
            assert recaps(client.timeline(room)) == []
        dead = await bridge.database.fetch("SELECT id FROM inbox WHERE state = 'dead'")
        assert dead == []


async def test_who_comes_later_gets_nothing_from_before_and_who_left_gets_nothing(
    ground: Stand, people: People
) -> None:
    anna, ben, chef = [await people.person(name) for name in ("Anna", "Ben", "Chef")]
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        await host.send_text(room, "Before Ben")
        await scene.said("Before Ben")
        await scene.say("This neither")
        await scene.said("Before Ben", "This neither")
        scene = Scene(ground, bridge, {"Anna": anna, "Ben": ben}, chef)
        await scene.select()

        async def invited() -> bool | None:
            at = await bridge.database.fetch_value(
                "SELECT invited_at FROM recaps WHERE participant_id = 'ben' AND state = 'away'"
            )
            return True if at is not None else None

        await scene.say("Hello Ben")
        await eventually(invited)
        await host.send_text(room, "Are you there, Ben?")
        await scene.said("Before Ben", "This neither", "Hello Ben", "Are you there, Ben?")

        vendor = await people.nio(chef)
        await vendor.sync_until(lambda: bool(vendor.invites()))
        await vendor.leave(vendor.invites()[0])  # the vendor declines, and is no longer in it

        async def away() -> bool | None:
            known: Any = await bridge.database.fetch("SELECT 1 FROM recaps WHERE participant_id = 'chef'")
            return True if not known else None

        await eventually(away)
        other = await people.nio(ben)
        await came(other)
        await other.sync_until(
            lambda: any("this was said before" in entry.body for entry in other.timeline(room))
        )
        [recap] = [entry for entry in other.timeline(room) if "this was said before" in entry.body]
        assert order(recap.body, "Hello Ben", "Are you there, Ben?")
        assert "Before Ben" not in recap.body
        assert "neither" not in recap.body
        assert vendor.invites() == []
        assert await bridge.database.fetch("SELECT 1 FROM recaps WHERE participant_id = 'chef'") == []


async def test_who_had_a_device_all_along_gets_none(ground: Stand, people: People) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host, vendor = await people.nio(anna), await people.nio(chef)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, {"Anna": anna}, chef)
        await scene.select()
        room = await scene.host_is_in(host)
        await host.sync_until(lambda: chef.user_id in host.members(room))
        await host.send_text(room, "Can you do vegan?")
        await scene.said("Can you do vegan?")
        await came(vendor)
        await vendor.wait_for_text(room, "Can you do vegan?")
        await scene.say("Welcome")
        await vendor.wait_for_text(room, "Anna: Welcome")
        assert recaps(vendor.timeline(room)) == []
        assert await bridge.database.fetch("SELECT 1 FROM recaps WHERE state <> 'present'") == []
