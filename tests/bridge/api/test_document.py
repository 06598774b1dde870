"""The document, and the page that shows it."""

import json
import re
import unicodedata
from pathlib import Path

from aiohttp import web
from jsonschema import Draft202012Validator
from pytest_aiohttp.plugin import AiohttpClient
from typer.testing import CliRunner

from bridge.__main__ import app
from bridge.core.writing import INVISIBLE
from bridge.platform.rest import OPERATIONS, openapi
from bridge.web.aliases import ALIASES, CANONICAL
from bridge.web.problems import problems
from tests.bridge.api.client import DOCUMENT
from tests.bridge.api.world import MAX_TEXT_LENGTH, World

ROOT = Path(__file__).parents[3]


def test_the_committed_document_is_up_to_date() -> None:
    assert json.loads((ROOT / "docs/openapi.json").read_text()) == openapi(), "run `make update`"


def test_a_command_prints_it() -> None:
    printed = CliRunner().invoke(app, ["openapi"])
    assert json.loads(printed.stdout) == openapi()


def test_every_route_of_the_api_is_in_the_document_and_no_other(world: World) -> None:
    served = {
        (route.method, re.sub(r":\[\^/\]\+", "", str(route.resource.canonical)))
        for route in world.app().router.routes()
        if route.resource is not None and not isinstance(route.resource, web.StaticResource)
    }
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    extra = {("GET", f"/api/v1/{name}") for name in ("docs", "openapi.json", "asyncapi.json")}
    elsewhere = (*ALIASES, "/ws/")
    listed = {one for one in served if one[0] != "HEAD" and not one[1].startswith(elsewhere)}
    assert listed - extra == described
    for alias in ALIASES:
        again = {
            (method, CANONICAL + path.removeprefix(alias))
            for method, path in served
            if path.startswith(alias)
        }
        assert {one for one in again if one[0] != "HEAD"} == described
    assert len(OPERATIONS) == len(described)


def test_schemas_are_json_schema_and_patterns_compile() -> None:
    def walk(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("pattern"), str):
                re.compile(value["pattern"])
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    walk(DOCUMENT)


def test_every_object_that_is_taken_names_all_its_fields() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in ("NewConversation", "Party", "Person", "Vendor", "MessageToPost", "Booking", "Total"):
        assert schemas[name]["additionalProperties"] is False, name


def test_the_operators_limit_is_in_it() -> None:
    text, _ = DOCUMENT["components"]["schemas"]["MessageToPost"]["properties"]["text"]["anyOf"]
    assert text["maxLength"] == MAX_TEXT_LENGTH
    assert "x-limit" not in json.dumps(DOCUMENT)


def test_every_operation_says_how_it_refuses() -> None:
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert {"401", "422", "500", "503"} <= operation["responses"].keys()
            assert operation["security"]


def test_invisible_characters_are_those_of_unicode() -> None:
    """Up to what this Python knows of: later versions of Unicode add a few."""
    pattern = re.compile(f"[{INVISIBLE}]")
    categories = {"Zs", "Zl", "Zp", "Cf", "Cc"}
    for number in range(0x110000):
        character = chr(number)
        category = unicodedata.category(character)
        assert category == "Cn" or bool(pattern.match(character)) == (category in categories), hex(number)


async def test_the_page_needs_nothing_from_elsewhere(world: World, aiohttp_client: AiohttpClient) -> None:
    http = await aiohttp_client(world.app())
    async with http.get("/api/v1/openapi.json") as response:
        assert await response.json() == DOCUMENT
    async with http.get("/api/v1/docs") as response:
        page = await response.text()
        assert response.content_type == "text/html"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert '"/api/v1/openapi.json"' in page
    assert "validatorUrl: null" in page
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    for address in loaded:
        assert address.startswith("/api/v1/docs/static/")
        async with http.get(address) as response:
            assert response.status == 200


async def test_the_documents_problems_are_the_middlewares(aiohttp_client: AiohttpClient) -> None:
    http = await aiohttp_client(web.Application(middlewares=[problems]))
    async with http.get("/api/v1/nothing") as response:
        document = json.loads(await response.read())
    Draft202012Validator(DOCUMENT["components"]["schemas"]["Problem"]).validate(document)
