"""Festimo in the room, as people see it: greets once, answers in the ciphertext, never talks to programs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appservice.embedded.client import Client
from bridge.demo.stand import Stand, stand
from bridge.festimo.answers import greeting, help_text
from tests.clients.people import People
from tests.e2e.test_first_path import party, person

NO_SHIELD = 0


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def people(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as everybody:
        yield everybody


async def test_festimo_greets_once_and_answers_people_only(ground: Stand, people: People) -> None:
    anna, chef = await people.person("Anna"), await people.person("Chef")
    host, vendor = await people.js(anna), await people.nio(chef)
    selected = {"party": party(person("anna", "Anna", anna)), "vendor": person("chef", "Chef", chef)}
    async with ground.bridge() as bridge:
        await ground.platform.send("vendor.selected", selected)
        await vendor.sync_until(lambda: bool(vendor.invites()))
        room = vendor.invites()[0]
        await vendor.join(room)
        await host.wait_for_invite(room)
        await host.join(room)
        hello = await host.wait_for_text(room, greeting())
        assert (hello.sender, hello.encrypted) == (bridge.names.bot, True)
        assert hello.shield is not None
        assert hello.shield.colour == NO_SHIELD
        assert hello.content["msgtype"] == "m.notice"

        await host.send_text(room, "!festimo help")
        await vendor.wait_for_text(room, help_text())
        await host.send_text(room, "!festimo dance")
        await vendor.wait_for_text(room, f"I do not know that command.\n{help_text()}")

        status = "Anna & Ben x Chef\nPeople: Anna (host), Chef (vendor)\nNothing is booked so far."
        pill = {
            "msgtype": "m.text",
            "body": "is anything booked?",
            "m.mentions": {"user_ids": [bridge.names.bot]},
        }
        await vendor.send(room, "m.room.message", pill)
        await vendor.wait_for_text(room, status)

        # A program speaks in notices: no answer, or two programs would talk for ever.
        await vendor.send(room, "m.room.message", {"msgtype": "m.notice", "body": "!festimo help"})
        await ground.platform.send("vendor.selected", selected)  # and no second greeting
        await vendor.send_text(room, "!festimo status")
        await until_said(vendor, room, status, times=2)
        said = [entry.body for entry in vendor.timeline(room) if entry.sender == bridge.names.bot]
        assert said == [
            greeting(),
            help_text(),
            f"I do not know that command.\n{help_text()}",
            status,
            status,
        ]


async def until_said(client: Client, room: str, text: str, *, times: int) -> None:
    await client.sync_until(lambda: sum(entry.body == text for entry in client.timeline(room)) >= times)
