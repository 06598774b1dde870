"""From a signed platform event to an encrypted room in which everybody reads everybody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge.core.ids import ConversationId, PartyId, TenantId, VendorId
from bridge.demo.stand import TENANT, Stand, stand
from bridge.messages.model import Message
from bridge.wiring import Bridge
from tests.clients.people import People, Person

NO_SHIELD = 0
T = TypeVar("T")


def party(*hosts: dict[str, Any], party_id: str = "party-1", title: str = "Anna & Ben") -> dict[str, Any]:
    return {"id": party_id, "title": title, "hosts": list(hosts)}


def person(person_id: str, name: str, account: Person | None = None) -> dict[str, Any]:
    return {"id": person_id, "name": name} | ({"mxid": account.user_id} if account else {})


async def eventually(look: Callable[[], Awaitable[T | None]], *, timeout: float = 20) -> T:  # noqa: ASYNC109
    async with asyncio.timeout(timeout):
        while True:
            found = await look()
            if found is not None:
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


async def history(bridge: Bridge, vendor_id: str) -> list[Message]:
    conversation = await bridge.conversations.of_pair(
        bridge.database, TenantId(TENANT), PartyId("party-1"), VendorId(vendor_id)
    )
    assert conversation is not None
    told = await bridge.messages.history(bridge.database, ConversationId(conversation.conversation_id))
    return [message for message in told if message.sender_type != "festimo"]


async def test_everybody_reads_everybody_without_a_shield(ground: Stand, people: People) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host, vendor = await people.js(anna), await people.nio(chef)
    strict = await people.js(anna, signed_devices_only=True)
    async with ground.bridge() as bridge:
        await ground.platform.send(
            "vendor.selected",
            {"party": party(person("anna", "Anna", anna)), "vendor": person("chef", "Sweet Bites", chef)},
        )
        await vendor.sync_until(lambda: bool(vendor.invites()))
        room = vendor.invites()[0]
        await vendor.join(room)
        await host.wait_for_invite(room)
        await host.join(room)
        await ground.platform.send(
            "booking.confirmed",
            {
                "party": party(person("anna", "Anna", anna)),
                "vendor": person("chef", "Sweet Bites", chef),
                "booking": {"id": "b1", "service": "Catering", "starts_at": "2027-06-12T14:00:00+02:00"},
            },
        )

        async def confirmation() -> Message | None:
            return next((m for m in await history(bridge, "chef") if m.status == "sent"), None)

        notice = await eventually(confirmation)
        assert notice.text.startswith("Booking confirmed: Catering")
        seen = await host.wait_for_text(room, notice.text)
        assert (seen.encrypted, seen.shield and seen.shield.colour) == (True, NO_SHIELD)
        seen = await strict.wait_for_text(room, notice.text)
        assert (seen.encrypted, seen.shield and seen.shield.colour) == (True, NO_SHIELD)
        entry = await vendor.wait_for_text(room, notice.text)
        assert entry.encrypted
        assert entry.warning is None

        await host.send_text(room, "Can you do vegan?")
        await vendor.wait_for_text(room, "Can you do vegan?")
        await vendor.send_text(room, "Of course.")
        await host.wait_for_text(room, "Of course.")

        async def all_said() -> list[str] | None:
            texts = [m.text for m in await history(bridge, "chef")]
            return texts if len(texts) == 4 else None

        texts = await eventually(all_said)
        assert texts == [notice.text, "booking-b1.ics", "Can you do vegan?", "Of course."]
