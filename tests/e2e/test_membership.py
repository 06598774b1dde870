"""People mistype, decline, leave and come back; staff remove the bot or the room: what the conversation makes of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.conversations.model import Member
from bridge.core.ids import PartyId, TenantId, VendorId
from bridge.demo.stand import TENANT, Stand, stand
from bridge.messages.model import Message
from bridge.wiring import Bridge
from tests.clients.people import People
from tests.e2e.test_first_path import eventually, party, person
from tests.faults.admin import Admin


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


class Scene:
    def __init__(self, ground: Stand, bridge: Bridge, host: dict[str, Any], vendor: dict[str, Any]) -> None:
        self.ground = ground
        self.bridge = bridge
        self.data = {"party": party(host), "vendor": vendor}

    async def select(self) -> None:
        await self.ground.platform.send("vendor.selected", self.data)

    async def say(self, text: str) -> None:
        message = {"party_id": "party-1", "vendor_id": "chef", "sender_id": "anna", "text": text}
        await self.ground.platform.send("message.send", message)

    async def member(self, participant_id: str) -> Member | None:
        conversation = await self.bridge.conversations.of_pair(
            self.bridge.database, TenantId(TENANT), PartyId("party-1"), VendorId("chef")
        )
        if conversation is None:
            return None
        members = await self.bridge.conversations.members(self.bridge.database, conversation.conversation_id)
        return next(m for m in members if m.participant.participant_id == participant_id)

    async def until_away(self, away: str | None) -> None:
        async def look() -> bool | None:
            member = await self.member("chef")
            return True if member is not None and member.away == away else None

        await eventually(look)

    async def until_failure(self, part: str) -> None:
        async def look() -> bool | None:
            member = await self.member("chef")
            return True if member is not None and part in (member.failure or "") else None

        await eventually(look, timeout=60)

    async def sent(self, text: str) -> Message:
        async def look() -> Message | None:
            conversation = await self.bridge.conversations.of_pair(
                self.bridge.database, TenantId(TENANT), PartyId("party-1"), VendorId("chef")
            )
            assert conversation is not None
            told = await self.bridge.messages.history(self.bridge.database, conversation.conversation_id)
            return next((m for m in told if m.text == text and m.status == "sent"), None)

        return await eventually(look, timeout=60)


@pytest.mark.parametrize("mxid", ["@nobody-here:festimo.localhost", "@chef:no-such-server.invalid"])
async def test_a_mistyped_vendor_is_told_and_the_others_go_on(
    ground: Stand, people: People, mxid: str
) -> None:
    anna = await people.person("Anna")
    host = await people.nio(anna)
    async with ground.bridge() as bridge:
        vendor = {"id": "chef", "name": "Chef", "mxid": mxid}
        scene = Scene(ground, bridge, person("anna", "Anna", anna), vendor)
        await scene.select()
        await scene.until_failure("cannot be invited")
        await scene.say("Is anybody there?")
        await scene.sent("Is anybody there?")
        room = host.invites()[0]
        await host.join(room)
        await host.wait_for_text(room, "Anna: Is anybody there?")


async def test_who_declines_or_leaves_is_known_and_can_be_invited_again(
    ground: Stand, people: People
) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    vendor = await people.nio(chef)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, person("anna", "Anna", anna), person("chef", "Chef", chef))
        await scene.select()
        for away in ("declined", "left"):
            await vendor.sync_until(lambda: bool(vendor.invites()))
            room = vendor.invites()[0]
            if away == "left":
                await vendor.join(room)
            await vendor.leave(room)
            await scene.until_away(away)
            booking = {"id": away, "service": "Catering", "starts_at": "2027-06-12T14:00:00+02:00"}
            await ground.platform.send("booking.confirmed", scene.data | {"booking": booking})
            await scene.say(f"after {away}")
            await scene.sent(f"after {away}")
            assert vendor.invites() == [], "news of a booking presses nobody who has left"
            await scene.select()
        await vendor.sync_until(lambda: bool(vendor.invites()))
        await vendor.join(vendor.invites()[0])
        await scene.until_away(None)
        await scene.say("Welcome back")
        await vendor.wait_for_text(room, "Anna: Welcome back")


async def test_a_mistyped_account_that_declines_costs_nobody_their_conversation(
    ground: Stand, people: People
) -> None:
    anna, chef, chief = [await people.person(name) for name in ("Anna", "Chef", "Chief")]
    wrong, vendor = await people.nio(chief), await people.nio(chef)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, person("anna", "Anna", anna), person("chef", "Chef", chief))
        await scene.select()
        await wrong.sync_until(lambda: bool(wrong.invites()))
        room = wrong.invites()[0]
        await wrong.leave(room)
        await scene.until_away("declined")
        await ground.platform.send("user.updated", {"user_id": "chef", "mxid": chef.user_id})
        await vendor.sync_until(lambda: vendor.invites() == [room])
        await vendor.join(room)
        await scene.until_away(None)
        await scene.say("Welcome")
        await vendor.wait_for_text(room, "Anna: Welcome")


async def test_a_room_that_an_admin_has_deleted_is_made_anew(ground: Stand, people: People) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    vendor = await people.nio(chef)
    async with ground.bridge() as bridge:
        scene = Scene(ground, bridge, person("anna", "Anna", anna), person("chef", "Chef", chef))
        await scene.select()
        await vendor.sync_until(lambda: bool(vendor.invites()))
        room = vendor.invites()[0]
        await vendor.join(room)
        await scene.say("Before")
        await vendor.wait_for_text(room, "Anna: Before")

        admin = await Admin.of(ground.synapse, ground.session)
        await admin.delete_room(room)

        async def told() -> bool | None:
            failed = await bridge.database.fetch_value("SELECT failure FROM conversations")
            return True if failed else None

        await eventually(told)
        await scene.select()
        await vendor.sync_until(lambda: any(invite != room for invite in vendor.invites()))
        new_room = next(invite for invite in vendor.invites() if invite != room)
        await vendor.join(new_room)
        await scene.say("After")
        await vendor.wait_for_text(new_room, "Anna: After")
