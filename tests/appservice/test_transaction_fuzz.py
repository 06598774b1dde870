"""Whatever is sent to the transaction endpoint: never a 5xx, always JSON, what is an event is kept, what is none is a
dead letter, and the database stays usable. `FESTIMO_FUZZ=100` makes a hundred times as many requests, other ones.
"""

import asyncio
import contextlib
import http.client
import io
import json
import math
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_aiohttp.plugin import AiohttpClient

from bridge.storage.database import Database
from tests.appservice.delivering import TOKEN, Delivering, delivering, event
from tests.databases import one_database
from tests.examples import LONGER, examples

# Where the database only ever sees sealed bytes and ids.
pytestmark = [
    one_database,
    pytest.mark.timeout(60 * examples(1)),
]

# One server serves all examples of a test.
fuzz = settings(
    max_examples=examples(120),
    deadline=None,
    derandomize=not LONGER,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

KEYS = ("event_id", "room_id", "sender", "type")
PATIENCE = 0.3
"""Seconds for an answer to a request that may be waited for in vain, as it promises more than it sends."""
PATH = "/_matrix/app/v1/transactions/1"


@pytest.fixture
async def homeserver(aiohttp_client: AiohttpClient, database: Database) -> AsyncIterator[Delivering]:
    async with delivering(aiohttp_client, database) as homeserver:
        await homeserver.know_room()
        yield homeserver


# What JSON can hold

texts = st.text(st.characters(exclude_categories=[]), max_size=20)
numbers = st.sampled_from(
    [0, -1, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, math.inf, -math.inf, math.nan]
)
scalars = st.none() | st.booleans() | numbers | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
deep = st.builds(
    lambda depth, kind: kind[0] * depth + b"0" * (kind is OBJECT) + kind[1] * depth,
    st.integers(1, 3_000) | st.sampled_from([10_000, 100_000]),
    st.sampled_from([ARRAY := (b"[", b"]"), OBJECT := (b'{"a":', b"}")]),
)
"""Bytes."""

# What an event may have beside what it must have, and what makes it none

odd_keys = st.dictionaries(
    st.sampled_from(["state_key", "unsigned", "origin_server_ts", "redacts", "age", "prev_content"]) | texts,
    values,
    max_size=4,
).map(lambda keys: {name: value for name, value in keys.items() if name not in (*KEYS, "content")})
contents = st.dictionaries(
    st.sampled_from(["membership", "algorithm", "session_id", "ciphertext", "m.relates_to"]) | texts,
    values,
    max_size=4,
)
types = st.sampled_from(["m.room.encrypted", "m.room.member", "m.room.message", "x"])
odd_events = st.builds(
    lambda keys, content, event_type: event(content=content, type=event_type) | keys,
    odd_keys,
    contents,
    types,
)


def _is_text(value: object) -> bool:
    """Of those that a database can hold. Written from the specification, not from the code."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    return not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value) and len(value.encode()) <= 255


def _is_none(value: Any) -> bool:
    return not (
        isinstance(value, dict)
        and all(_is_text(value.get(key)) for key in KEYS)
        and isinstance(value.get("content"), dict)
    )


no_events = st.one_of(
    values.filter(_is_none),
    st.builds(lambda key: {n: v for n, v in event("$bad").items() if n != key}, st.sampled_from(KEYS)),
    st.builds(
        lambda key, value: event("$bad") | {key: value},
        st.sampled_from((*KEYS, "content")),
        values | st.sampled_from(["", "\0", "\ud800", "x" * 256, "é" * 128]),
    ).filter(_is_none),
)


@fuzz
@given(elements=st.lists(st.tuples(st.booleans(), odd_events, no_events), max_size=6))
async def test_events_are_kept_and_nothing_but_what_is_none_becomes_a_dead_letter(
    homeserver: Delivering, elements: list[tuple[bool, dict[str, Any], object]]
) -> None:
    await homeserver.forget()
    sent: list[object] = []
    wanted: list[str] = []
    unwanted: list[str] = []
    for number, (good, odd, none) in enumerate(elements):
        if good:
            sent.append(odd | {"event_id": f"${number}"})
            wanted.append(f"matrix:${number}")
        else:
            sent.append(none)
            unwanted.append(json.dumps(none))
    assert await homeserver.deliver(*sent) == 200
    assert await homeserver.waiting() == wanted
    assert sorted(body.decode() for body in await homeserver.dead_bodies()) == sorted(set(unwanted))


@fuzz
@given(body=st.binary(max_size=300) | deep | values.map(lambda value: json.dumps(value).encode()))
async def test_any_body_is_answered_200_and_kept_as_it_came_unless_it_is_a_transaction(
    homeserver: Delivering, body: bytes
) -> None:
    await homeserver.forget()
    assert await homeserver.put(body) == 200
    assert await homeserver.waiting() == []
    assert await homeserver.dead_bodies() in ([body], []), "all of it, or nothing was in it"
    await _still_works(homeserver)


@fuzz
@given(before=st.integers(0, 60), inside=deep, key=st.sampled_from(["content", "unsigned", "events"]))
async def test_events_beside_a_deep_one_are_not_lost(
    homeserver: Delivering, before: int, inside: bytes, key: str
) -> None:
    """What is too deep to be read takes the transaction with it, whole, into one dead letter: nothing is gone."""
    await homeserver.forget()
    good = json.dumps(event("$good")).encode()
    bad = json.dumps(event("$deep")).encode()[:-1] + b', "%s": %s}' % (key.encode(), inside)
    body = b'{"events": [' + b", ".join([good, b" " * before + bad]) + b"]}"
    assert await homeserver.put(body) == 200
    dead = await homeserver.dead_bodies()
    assert "matrix:$good" in await homeserver.waiting() or dead == [body]
    await _still_works(homeserver)


@fuzz
@given(txn_id=texts.filter(lambda text: text.isprintable() and text.strip("./") != ""))
async def test_any_transaction_id_is_taken(homeserver: Delivering, txn_id: str) -> None:
    assert await homeserver.put(b'{"events": []}', txn_id=quote(txn_id, safe="")) == 200


ENCODED = {
    "gzip": b"\x1f\x8b\x08\x00garbage",
    "deflate": b"garbage",
    "br": b"\xff",
    "zstd": b"\xff",
    "x": b"\xff",
}


@pytest.mark.parametrize("encoding", ENCODED)
async def test_a_body_that_is_not_in_its_encoding_is_no_fault_of_ours(
    homeserver: Delivering, encoding: str
) -> None:
    request = (
        f"PUT {PATH} HTTP/1.1\r\nHost: us\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Encoding: {encoding}\r\nContent-Length: {len(ENCODED[encoding])}\r\n\r\n"
    )
    answer = await _raw(homeserver, request.encode() + ENCODED[encoding])
    assert answer is not None
    assert answer.status in (200, 400)
    await _still_works(homeserver)


# Requests as nobody who means well makes them

TOKENS = st.sampled_from([b"Bearer " + TOKEN.encode()] * 6 + [b"", b"Bearer", b"Basic x", b"Bearer \xff"])
visible = st.characters(min_codepoint=33, max_codepoint=126)
HEADERS = st.tuples(
    st.sampled_from(
        [
            b"Content-Type",
            b"Content-Encoding",
            b"Content-Length",
            b"Transfer-Encoding",
            b"Expect",
            b"Upgrade",
            b"Connection",
            b"Host",
            b"Range",
            b"Accept",
            b"Cookie",
            b"X-Odd",
        ]
    ),
    st.sampled_from(
        [
            b"",
            b"gzip",
            b"deflate",
            b"br",
            b"zstd",
            b"identity",
            b"chunked",
            b"0",
            b"-1",
            b"99999999999999999999",
            b"100-continue",
            b"200-ok",
            b"websocket",
            b"close, upgrade",
            b"bytes=5-1",
            b"application/json; charset=utf-7",
            b"text/html; charset=none",
            b"multipart/form-data",
            b"\xe9\xff",
        ]
    )
    | st.text(visible, max_size=30).map(str.encode),
)
METHODS = st.sampled_from(
    [b"PUT"] * 6
    + [b"GET", b"POST", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"ODD", b"put"]
)
PATHS = st.sampled_from(
    [PATH.encode()] * 6
    + [
        b"/_matrix/app/v1/transactions/",
        b"/_matrix/app/v1/transactions/%2F",
        b"/_matrix/app/v1/transactions/%00",
        b"/_matrix/app/v1/transactions/%ff%fe",
        b"/_matrix/app/v1/transactions/..%2f..",
        b"/_matrix/app/v1/transactions/1/2",
        b"/_matrix/app/v1/transactions/" + b"x" * 7_000,
        b"/_matrix/app/v1/transactions/1?access_token=x&access_token=%ff",
        b"//_matrix/app/v1/transactions/1",
        b"/_matrix/app/v1/users/%40%00",
        b"/_matrix/app/v1/rooms/%ED%A0%80",
        b"/_matrix/app/v1/thirdparty/../../x",
        b"/_matrix/app/unstable/transactions/1",
        b"/transactions/1",
        b"/_matrix",
        b"*",
        b"http://elsewhere.test/_matrix/app/v1/transactions/1",
        b"/%",
        b"/?%",
    ]
) | st.text(visible, max_size=30).map(lambda text: b"/_matrix/app/v1/" + text.encode())


@fuzz
@given(
    method=METHODS,
    path=PATHS,
    token=TOKENS,
    headers=st.lists(HEADERS, max_size=3),
    body=st.sampled_from([b"", b'{"events": []}', b"0\r\n\r\n", b"5\r\nabc", b"\x1f\x8b\x08\x00garbage"])
    | st.binary(),
    length=st.sampled_from([0, 0, 0, 0, -1, 7]),
)
async def test_any_request_is_answered_below_500_and_if_it_is_http_in_json(
    homeserver: Delivering,
    method: bytes,
    path: bytes,
    token: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    length: int,
) -> None:
    """`length`: by how many bytes the request lies about its own."""
    lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: us", b"Connection: close"]
    lines += [b"Authorization: " + token] if token else []
    if not any(name in (b"Content-Length", b"Transfer-Encoding") for name, _ in headers):
        lines.append(b"Content-Length: %d" % max(0, len(body) + length))
    lines += [name + b": " + value for name, value in headers]
    answer = await _raw(homeserver, b"\r\n".join(lines) + b"\r\n\r\n" + body)
    if not headers and length <= 0:
        assert answer is not None, "nothing is wrong with its form"
    if answer is not None:
        assert answer.status < 500
        content = answer.read()
        ours = path.startswith(b"/_matrix/") and method != b"CONNECT"
        # What is no HTTP, or expects what HTTP does not have, is refused before anybody of ours hears of it.
        if ours and answer.status not in (400, 417) and method != b"HEAD" and content:
            assert answer.headers.get_content_type() == "application/json"
            assert isinstance(json.loads(content), dict)
    await _still_works(homeserver)


async def _raw(homeserver: Delivering, request: bytes) -> http.client.HTTPResponse | None:
    """The answer to these bytes; None where the connection was closed, or waits for more, without one."""
    server = homeserver.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request)
    raw = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while chunk := await reader.read(65_536):
                raw += chunk
    writer.close()
    raw = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    if not raw:
        return None
    method = request.partition(b" ")[0].decode()
    answer = http.client.HTTPResponse(_Socket(raw), method=method)  # type: ignore[arg-type] # enough of one
    answer.begin()
    return answer


class _Socket:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


async def _still_works(homeserver: Delivering) -> None:
    await homeserver.forget()
    assert await homeserver.deliver(event("$still")) == 200
    assert await homeserver.waiting() == ["matrix:$still"]
