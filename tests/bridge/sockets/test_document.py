"""The AsyncAPI document: up to date, served, and closed where frames are taken."""

import json
from pathlib import Path

from jsonschema import Draft7Validator, Draft202012Validator
from pytest_aiohttp.plugin import AiohttpClient
from typer.testing import CliRunner

from bridge.__main__ import app
from bridge.feed.kinds import KINDS
from bridge.platform.rest import asyncapi
from bridge.sockets.commands import COMMANDS
from bridge.sockets.frames import FRAMES
from tests.bridge.api.world import MAX_TEXT_LENGTH, World
from tests.bridge.sockets.documented import DOCUMENT

ROOT = Path(__file__).parents[3]


def test_the_committed_document_is_up_to_date() -> None:
    assert json.loads((ROOT / "docs/asyncapi.json").read_text()) == asyncapi(), "run `make update`"


def test_a_command_prints_it() -> None:
    printed = CliRunner().invoke(app, ["asyncapi"])
    assert json.loads(printed.stdout) == asyncapi()


async def test_it_is_served_beside_the_other(world: World, aiohttp_client: AiohttpClient) -> None:
    http = await aiohttp_client(world.app())
    async with http.get("/api/v1/asyncapi.json") as response:
        assert await response.json() == asyncapi(max_text_length=MAX_TEXT_LENGTH)


def test_whatever_has_an_entry_has_a_frame() -> None:
    assert {kind.name for kind in KINDS.values()} == set(FRAMES)


def test_what_is_taken_is_closed_and_what_is_told_is_said_to_be() -> None:
    messages, schemas = DOCUMENT["components"]["messages"], DOCUMENT["components"]["schemas"]
    for command in COMMANDS:
        assert schemas[command.frame.__name__]["additionalProperties"] is False
        assert messages[f"client.{command.name}"]["summary"]
        assert messages[f"{command.name}.ack"]["name"] == "ack"
    told = {
        channel: {
            one["$ref"].rpartition("/")[2] for one in DOCUMENT["operations"][f"{channel}.tell"]["messages"]
        }
        for channel in ("vendor", "communication")
    }
    assert told["vendor"] == {"welcome", "cursor", *FRAMES, "typing.indicator", "presence.changed"}
    assert told["vendor"] - told["communication"] == {"vendor.rated"}
    assert not [name for name in schemas if "__" in name], "two models of one name"
    for schema in (*schemas.values(), *(message["payload"] for message in messages.values())):
        Draft202012Validator.check_schema(schema)
        Draft7Validator.check_schema(schema)
