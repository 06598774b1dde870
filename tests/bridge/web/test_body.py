import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pytest_aiohttp.plugin import AiohttpClient

from bridge.web.body import MAX_JSON_DEPTH, MalformedJson, decode_utf8, read_body, read_json
from bridge.web.problems import problems
from bridge.web.server import serve

LIMIT = 1000
SECONDS = 0.2

Client = TestClient[web.Request, web.Application]


def application() -> web.Application:
    async def measure(request: web.Request) -> web.Response:
        return web.json_response(len(await read_body(request, limit=LIMIT, seconds=SECONDS)))

    app = web.Application(middlewares=[problems])
    app.add_routes([web.post("/api/measure", measure)])
    return app


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    return await aiohttp_client(application())


async def chunks(*, count: int, size: int = 100) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_of_just_the_limit_is_read(client: Client) -> None:
    for data in (b"x" * LIMIT, chunks(count=10)):
        async with client.post("/api/measure", data=data) as response:
            assert (response.status, await response.json()) == (200, LIMIT)


async def test_one_byte_more_is_refused_however_it_is_sent(client: Client) -> None:
    for data in (b"x" * (LIMIT + 1), chunks(count=LIMIT + 1, size=1)):
        async with client.post("/api/measure", data=data) as response:
            assert response.status == 413


async def raw(*parts: bytes) -> bytes:
    """What the server answers to these bytes, each part on its own, after which nothing comes."""
    server = await serve(application(), host="127.0.0.1", port=0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(SECONDS / 4)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
        await writer.wait_closed()
        return answer
    finally:
        await server.stop()


HEAD = b"POST /api/measure HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


async def test_a_body_that_never_ends_is_given_up() -> None:
    answer = await raw(HEAD + b"Content-Length: 10\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_not_encoded_as_its_headers_say_is_refused() -> None:
    answer = await raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_broken_chunks_are_given_up() -> None:
    answer = await raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n")
    # aiohttp tells a handler that already reads nothing of it: then the time limit ends the wait.
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_the_log_does_not_quote_bytes_that_could_not_be_parsed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nsecret\r\n")
    await raw(b"GET /?token=secret HTTP/9.9 secret\r\n\r\n")
    assert "secret" not in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_was_written_is_read(value: object) -> None:
    assert read_json(json.dumps(value)) == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_json(text)
    except MalformedJson:
        return


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        assert decode_utf8(body).encode() == body
    except MalformedJson:
        return


def test_nesting_ends_at_the_limit() -> None:
    deepest = MAX_JSON_DEPTH - 1
    read_json("[" * deepest + "1" + "]" * deepest)
    with pytest.raises(MalformedJson):
        read_json("[" * MAX_JSON_DEPTH + "1" + "]" * MAX_JSON_DEPTH)


def test_a_refusal_never_repeats_the_body() -> None:
    for text in ('{"a": secret}', '{"secret": 1, "secret": 2}', '"secret\\ud800"', '["secret'):
        with pytest.raises(MalformedJson) as refusal:
            read_json(text)
        assert "secret" not in refusal.value.detail
