"""What the configuration says of tokens, addresses and web sites is what the bridge, put together, does."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from appservice.homeserver import Homeserver
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import FrozenClock
from bridge.wiring import assembled
from tests.bridge.api.requests import CONVERSATIONS
from tests.bridge.api.world import OURS
from tests.bridge.tokens.sign_in import SignIn

Client = TestClient[web.Request, web.Application]
SITE = "https://festipin.example"


@asynccontextmanager
async def put_together(
    folder: Path,
    aiohttp_client: AiohttpClient,
    clock: FrozenClock,
    *,
    of_web: Mapping[str, Any],
    tokens: object,
) -> AsyncIterator[Client]:
    settings = fresh_settings(
        server_name="example.org",
        homeserver_url="http://127.0.0.1:8008",
        listen="127.0.0.1:29400",
        database_url=f"sqlite:///{folder / 'bridge.db'}",
        tenant=OURS,
    )
    settings["web"] = of_web
    settings["platform"]["tenants"][0]["tokens"] = tokens
    config = Config.model_validate(settings)
    async with aiohttp.ClientSession() as session:
        homeserver = Homeserver(config.homeserver.url, "a" * 32, session=session)
        async with assembled(config, homeserver, clock) as parts:
            yield await aiohttp_client(parts.app())


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


async def asked(client: Client, token: str, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given["Authorization"] = f"Bearer {token}"
    async with client.get(CONVERSATIONS, headers=given) as response:
        return response.status


@pytest.mark.parametrize("published", [True, False], ids=["published", "on disk"])
async def test_people_get_in_as_the_configuration_says(
    tmp_path: Path, aiohttp_client: AiohttpClient, clock: FrozenClock, published: bool
) -> None:
    sign_in = SignIn(OURS, clock)

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=await sign_in.fetch())

    issuer = web.Application()
    issuer.add_routes([web.get("/jwks", serve)])
    address = str((await aiohttp_client(issuer)).make_url("/jwks"))
    (tmp_path / "jwks.json").write_bytes(await sign_in.fetch())
    tokens: dict[str, Any] = {
        "issuer": "https://id.festipin.example",
        "audience": "festimo",
        "role_claim": "festimo.role",
        "participant_claim": "person",
        **({"jwks_url": address} if published else {"jwks_file": str(tmp_path / "jwks.json")}),
    }
    async with put_together(tmp_path, aiohttp_client, clock, of_web={}, tokens=tokens) as client:
        claims = sign_in.claims() | {"festimo": {"role": "vendor"}, "person": "v-1"}
        assert await asked(client, sign_in.signed(claims)) == 200
        assert await asked(client, sign_in.signed(claims | {"aud": "shop"})) == 401
        assert await asked(client, sign_in.token()) == 401  # says its role where nobody looks
        async with client.post(
            "/api/v1/token-revocations",
            json={},
            headers={"Authorization": f"Bearer {sign_in.signed(claims)}"},
        ) as response:
            assert (response.status, json.loads(await response.read())["title"]) == (403, "Forbidden")


async def test_without_an_issuer_no_token_is_believed(
    tmp_path: Path, aiohttp_client: AiohttpClient, clock: FrozenClock
) -> None:
    async with put_together(tmp_path, aiohttp_client, clock, of_web={}, tokens=None) as client:
        assert await asked(client, SignIn(OURS, clock).token()) == 401


async def test_who_may_ask_from_where_is_as_configured(
    tmp_path: Path, aiohttp_client: AiohttpClient, clock: FrozenClock
) -> None:
    sign_in = SignIn(OURS, clock)
    (tmp_path / "jwks.json").write_bytes(await sign_in.fetch())
    tokens = {
        "issuer": sign_in.issuer.issuer,
        "audience": "festimo",
        "jwks_file": str(tmp_path / "jwks.json"),
    }
    of_web = {
        "trusted_proxies": ["127.0.0.0/8"],
        "allowed_ips": ["192.0.2.0/24"],
        "allowed_origins": [SITE],
    }
    async with put_together(tmp_path, aiohttp_client, clock, of_web=of_web, tokens=tokens) as client:
        assert await asked(client, sign_in.token()) == 403
        assert await asked(client, sign_in.token(), X_Forwarded_For="192.0.2.7") == 200
        assert await asked(client, sign_in.token(), X_Forwarded_For="198.51.100.1") == 403
        async with client.get("/health/live") as response:
            assert response.status == 200
        async with client.put("/_matrix/app/v1/transactions/1", json={"events": []}) as response:
            assert response.status == 401  # asked for its token, not kept out
        preflight = {
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "X-Forwarded-For": "192.0.2.7",
        }
        async with client.options(CONVERSATIONS, headers=preflight) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, SITE)
