"""From where one may ask: addresses, proxies that speak for others, and web sites."""

from ipaddress import ip_address, ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from bridge.web.gate import Gate, client_of
from bridge.web.problems import problems

Client = TestClient[web.Request, web.Application]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]
SITE = "https://festipin.example"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),  # who is no proxy of ours says it of themselves
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two of ours
        ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),  # the first was made up by the client
        ("10.0.0.1", ["127.0.0.1", "198.51.100.1"], "198.51.100.1"),  # in a header of its own
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("2001:db8::1", ["2001:db9::5"], "2001:db9::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["198.51.100.1, "], None),
        ("10.0.0.1", [""], None),
        (None, ["198.51.100.1"], None),
    ],
)
def test_who_asks_is_who_a_trusted_proxy_says(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    expected = None if client is None else ip_address(client)
    assert client_of(peer, forwarded, trusted=PROXIES) == expected


async def served(aiohttp_client: AiohttpClient, gate: Gate) -> Client:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="in")

    async def fail(_: web.Request) -> web.Response:
        raise KeyError

    app = web.Application(middlewares=[problems])
    app.add_routes([web.get("/api/v1/x", answer), web.get("/api/v1/fail", fail), web.get("/metrics", answer)])
    app.add_routes([web.get("/health/live", answer)])
    homeserver = web.Application()
    homeserver.add_routes([web.get("/app/v1/x", answer)])
    app.add_subapp("/_matrix/", homeserver)
    gate.guard(app)
    return await aiohttp_client(app)


async def status(client: Client, path: str, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(path, headers=given) as response:
        return response.status


async def test_nobody_is_kept_out_while_no_address_is_named(aiohttp_client: AiohttpClient) -> None:
    client = await served(aiohttp_client, Gate())
    assert await status(client, "/api/v1/x") == 200


@pytest.mark.parametrize("path", ["/api/v1/x", "/api/v1/nothing", "/metrics", "/docs"])
async def test_addresses_that_are_not_named_are_kept_out(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await served(aiohttp_client, Gate(allowed=["192.0.2.0/24"]))
    async with client.get(path, headers={"X-Forwarded-For": "192.0.2.7"}) as response:
        problem = await response.json()
    assert (response.status, problem["type"]) == (403, "urn:festimo:problem:forbidden")
    assert "web.allowed_ips" in problem["detail"]


@pytest.mark.parametrize("path", ["/health/live", "/_matrix/app/v1/x"])
async def test_the_homeserver_and_probes_pass(aiohttp_client: AiohttpClient, path: str) -> None:
    client = await served(aiohttp_client, Gate(allowed=["192.0.2.0/24"]))
    assert await status(client, path) == 200


async def test_a_trusted_proxy_speaks_for_whom_it_lets_in(aiohttp_client: AiohttpClient) -> None:
    client = await served(aiohttp_client, Gate(allowed=["192.0.2.0/24"], trusted=["127.0.0.1"]))
    assert await status(client, "/api/v1/x", X_Forwarded_For="192.0.2.7") == 200
    assert await status(client, "/api/v1/x", X_Forwarded_For="198.51.100.1") == 403
    assert await status(client, "/api/v1/x", X_Forwarded_For="192.0.2.7, 198.51.100.1") == 403
    assert await status(client, "/api/v1/x") == 403  # the proxy itself is not named


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_pages_of_a_named_site_may_ask(aiohttp_client: AiohttpClient) -> None:
    client = await served(aiohttp_client, Gate(origins=[SITE]))
    async with client.options("/api/v1/x", headers=PREFLIGHT | {"Origin": SITE}) as response:
        told = response.headers
        assert response.status == 204
    assert told["Access-Control-Allow-Origin"] == SITE
    assert "Authorization" in told["Access-Control-Allow-Headers"]
    assert "DELETE" in told["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in told
    for path, expected in (("/api/v1/x", 200), ("/api/v1/nothing", 404), ("/api/v1/fail", 500)):
        async with client.get(path, headers={"Origin": SITE}) as response:
            assert response.status == expected
            assert response.headers["Access-Control-Allow-Origin"] == SITE  # they can read the problem, too
            assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        ([], SITE),
        ([SITE], "https://evil.example"),
        ([SITE], f"{SITE}.evil.example"),
        ([SITE], f"{SITE}:8443"),
        ([SITE], "http://festipin.example"),
        ([SITE], "null"),
    ],
)
async def test_pages_of_any_other_site_may_not(
    aiohttp_client: AiohttpClient, origins: list[str], origin: str
) -> None:
    client = await served(aiohttp_client, Gate(origins=origins))
    async with client.options("/api/v1/x", headers=PREFLIGHT | {"Origin": origin}) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers
    async with client.get("/api/v1/x", headers={"Origin": origin}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_an_address_that_is_kept_out_makes_no_preflight(aiohttp_client: AiohttpClient) -> None:
    client = await served(aiohttp_client, Gate(allowed=["192.0.2.0/24"], origins=[SITE]))
    async with client.options("/api/v1/x", headers=PREFLIGHT | {"Origin": SITE}) as response:
        assert response.status == 403
