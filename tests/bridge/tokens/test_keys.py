"""An issuer's keys: fetched when needed, seldom enough, and kept when they cannot be had."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey
from pytest_aiohttp.plugin import AiohttpServer

from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.tokens import sources
from bridge.tokens.errors import KeysUnusable
from bridge.tokens.keys import FRESH, MOST_KEYS, PAUSE, PublicKeys, read_keys
from bridge.tokens.sources import OnDisk, Published
from tests.bridge.tokens.sign_in import SignIn, new_key, part

TENANT = TenantId("festipin")
HOUR_MS, PAUSE_MS = FRESH.seconds * 1000, PAUSE.seconds * 1000


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def sign_in(clock: FrozenClock) -> SignIn:
    return SignIn(TENANT, clock)


@pytest.fixture
def keys(sign_in: SignIn, clock: FrozenClock) -> PublicKeys:
    return PublicKeys(sign_in, clock, tenant_id=TENANT)


async def test_they_are_fetched_once_for_many_tokens(keys: PublicKeys, sign_in: SignIn) -> None:
    assert all(await asyncio.gather(*(keys.get("k1") for _ in range(20))))
    assert sign_in.fetched == 1


async def test_a_new_key_is_found(keys: PublicKeys, sign_in: SignIn, clock: FrozenClock) -> None:
    await keys.get("k1")
    sign_in.keys.append(new_key("k2"))
    clock.advance(PAUSE_MS)
    assert await keys.get("k2") is not None
    assert await keys.get("k1") is not None
    assert sign_in.fetched == 2


async def test_made_up_keys_make_nobody_fetch_all_the_time(
    keys: PublicKeys, sign_in: SignIn, clock: FrozenClock
) -> None:
    for number in range(50):
        assert await keys.get(f"made-up-{number}") is None
    assert sign_in.fetched == 1
    clock.advance(PAUSE_MS)
    assert await keys.get("made-up") is None
    assert sign_in.fetched == 2


async def test_a_key_that_was_taken_back_is_good_for_an_hour_at_most(
    keys: PublicKeys, sign_in: SignIn, clock: FrozenClock
) -> None:
    await keys.get("k1")
    sign_in.keys = [new_key("k2")]
    clock.advance(HOUR_MS - 1)
    assert await keys.get("k1") is not None
    clock.advance(1)
    assert await keys.get("k1") is None


async def test_the_old_ones_stay_while_they_cannot_be_fetched(
    keys: PublicKeys, sign_in: SignIn, clock: FrozenClock
) -> None:
    await keys.get("k1")
    sign_in.down = True
    for _ in range(3):
        clock.advance(HOUR_MS)
        assert await keys.get("k1") is not None
    assert sign_in.fetched == 4
    for _ in range(5):  # nor is a dead address asked at each token
        assert await keys.get("k1") is not None
    assert sign_in.fetched == 4
    sign_in.down, sign_in.keys = False, [new_key("k2")]
    clock.advance(PAUSE_MS)
    assert await keys.get("k2") is not None
    assert await keys.get("k1") is None


async def test_a_start_without_them_mends_itself(
    keys: PublicKeys, sign_in: SignIn, clock: FrozenClock
) -> None:
    sign_in.down = True
    assert await keys.get("k1") is None
    sign_in.down = False
    assert await keys.get("k1") is None
    clock.advance(PAUSE_MS)
    assert await keys.get("k1") is not None


async def test_whose_key_is_known_does_not_wait_for_a_slow_address(
    clock: FrozenClock, sign_in: SignIn
) -> None:
    class Slow:
        def __init__(self) -> None:
            self.go = asyncio.Event()
            self.go.set()

        async def fetch(self) -> bytes:
            await self.go.wait()
            return await sign_in.fetch()

    slow = Slow()
    keys = PublicKeys(slow, clock, tenant_id=TENANT)
    await keys.get("k1")
    clock.advance(HOUR_MS)
    slow.go.clear()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(keys.get("k1"))
        await asyncio.sleep(0)
        assert await keys.get("k1") is not None
        assert not first.done()
        slow.go.set()


async def test_a_clock_that_was_set_back_makes_nobody_wait(
    keys: PublicKeys, sign_in: SignIn, clock: FrozenClock
) -> None:
    await keys.get("k1")
    clock.advance(-10 * HOUR_MS)
    sign_in.keys.append(new_key("k2"))
    assert await keys.get("k2") is not None


# Which of the published ones


def described(key: Any, **more: object) -> dict[str, object]:
    return {**key.as_dict(private=False), **more}


def rsa(bits: int) -> dict[str, object]:
    """By hand: joserfc makes no weak one."""
    numbers = generate_private_key(65537, bits).public_key().public_numbers()
    modulus = numbers.n.to_bytes(bits // 8, "big")
    return {"kty": "RSA", "kid": "rsa", "n": part(modulus), "e": "AQAB"}


EC = new_key("ec")
NOT_FOR_US: dict[str, object] = {
    "for encryption": described(EC, use="enc"),
    "symmetric": OctKey.generate_key(256, {"kid": "oct"}).as_dict(),
    "weak": rsa(1024),
    "private": EC.as_dict(private=True),
    "without an id": {name: value for name, value in described(EC).items() if name != "kid"},
    "with an id that is no text": described(EC) | {"kid": 5},
    "of no kind": described(EC) | {"kty": "XYZ"},
    "of a kind that is a list": described(EC) | {"kty": ["EC"]},
    "of a curve for Bitcoin": described(ECKey.generate_key("secp256k1", {"kid": "k"})),
    "of a curve for exchanges": described(OKPKey.generate_key("X25519", {"kid": "x"})),
    "half": {name: value for name, value in described(EC).items() if name != "y"},
    "not on its curve": described(EC) | {"x": "AAAA"},
    "no object": "ec",
}


@pytest.mark.parametrize("one", NOT_FOR_US.values(), ids=NOT_FOR_US.keys())
def test_a_key_that_is_not_for_us_is_left_out(one: object) -> None:
    good = described(new_key("good"))
    assert list(read_keys(json.dumps({"keys": [one, good]}).encode())) == ["good"]


def test_a_strong_one_of_the_same_kind_is_taken() -> None:
    assert list(read_keys(json.dumps({"keys": [rsa(2048)]}).encode())) == ["rsa"]


def test_of_two_with_one_id_the_first_is_it() -> None:
    first, second = new_key("same"), new_key("same")
    read = read_keys(json.dumps({"keys": [described(first), described(second)]}).encode())
    assert read["same"].as_dict(private=False) == first.as_dict(private=False)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'"keys"',
        b"\xff",
        b"[" * 5000,
        b'{"keys": [' + b"1," * MOST_KEYS + b"1]}",
    ],
    ids=lambda text: str(text[:12]),
)
def test_what_is_no_key_set_is_not_taken_for_an_empty_one(text: bytes) -> None:
    with pytest.raises(KeysUnusable):
        read_keys(text)


# Where they come from


async def serving(aiohttp_server: AiohttpServer, answer: web.Response) -> Published:
    app = web.Application()

    async def serve(_: web.Request) -> web.Response:
        return answer

    async def serve_elsewhere(_: web.Request) -> web.Response:
        return web.Response(body=b'{"keys": []}')

    app.add_routes([web.get("/jwks.json", serve), web.get("/elsewhere", serve_elsewhere)])
    server = await aiohttp_server(app)
    return Published(str(server.make_url("/jwks.json")))


async def test_they_are_read_from_their_address(aiohttp_server: AiohttpServer, sign_in: SignIn) -> None:
    published = await sign_in.fetch()
    source = await serving(aiohttp_server, web.Response(body=published))
    assert await source.fetch() == published


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (404, b"{}", {}),
        (500, b"{}", {}),
        (302, b"", {"Location": "/elsewhere"}),
        (200, b"x" * (sources.LARGEST + 1), {}),
        (200, b"{}", {"Content-Encoding": "gzip"}),
    ],
)
async def test_an_address_that_answers_otherwise_is_of_no_use(
    aiohttp_server: AiohttpServer, status: int, body: bytes, headers: dict[str, str]
) -> None:
    source = await serving(aiohttp_server, web.Response(status=status, body=body, headers=headers))
    with pytest.raises(KeysUnusable):
        await source.fetch()


async def test_an_address_that_does_not_answer_is_of_no_use(unused_tcp_port: int) -> None:
    with pytest.raises(KeysUnusable, match="cannot be read"):
        await Published(f"http://127.0.0.1:{unused_tcp_port}/jwks.json").fetch()


async def test_they_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    with pytest.raises(KeysUnusable, match="No such file"):
        await OnDisk(file).fetch()
    file.write_bytes(b"{}")
    assert await OnDisk(file).fetch() == b"{}"
