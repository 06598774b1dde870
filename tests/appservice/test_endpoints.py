"""Who may call us, and what callers hear who may not or who ask for something else. Always JSON."""

import asyncio

import pytest

from tests.appservice.delivering import NAMES, TENANT, TOKEN, Delivering, event
from tests.databases import one_database

# Nothing here depends on the kind of database.
pytestmark = one_database

TRANSACTION = "/_matrix/app/v1/transactions/1"

ENDPOINTS = [
    ("PUT", TRANSACTION),
    ("POST", "/_matrix/app/v1/ping"),
    ("GET", "/_matrix/app/v1/users/@festimo_bot:example.org"),
    ("GET", "/_matrix/app/v1/rooms/%23festimo_x:example.org"),
    ("GET", "/_matrix/app/v1/thirdparty/protocol/irc"),
]

NO_TOKEN = {
    "no header": {},
    "another scheme": {"Authorization": f"Basic {TOKEN}"},
    "no token": {"Authorization": "Bearer"},
    "an empty token": {"Authorization": "Bearer "},
    "an empty header": {"Authorization": ""},
}

WRONG_TOKEN = {
    "another": "Bearer other",
    "a prefix": f"Bearer {TOKEN[:-1]}",
    "a longer one": f"Bearer {TOKEN}x",
    "other case": f"Bearer {TOKEN.upper()}",
    "in two spaces": f"Bearer  {TOKEN}",
    "UTF-8": "Bearer тóкен",
    "of thousands of characters": "Bearer " + "x" * 7_000,
}


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("headers", NO_TOKEN.values(), ids=NO_TOKEN)
async def test_without_a_token_401(
    homeserver: Delivering, method: str, path: str, headers: dict[str, str]
) -> None:
    status, answer = await homeserver.request(method, path, headers=headers)
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("authorization", WRONG_TOKEN.values(), ids=WRONG_TOKEN)
async def test_with_a_wrong_token_403_and_nothing_is_taken(
    homeserver: Delivering, authorization: str
) -> None:
    status, answer = await homeserver.request(
        "PUT", TRANSACTION, body=b'{"events": [1]}', headers={"Authorization": authorization}
    )
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert await homeserver.rows() == []


async def test_a_token_of_bytes_that_are_no_utf_8_is_a_wrong_one(homeserver: Delivering) -> None:
    server = homeserver.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        b"PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nHost: us\r\nConnection: close\r\n"
        b"Authorization: Bearer \xff\xe9\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b'"M_FORBIDDEN"' in answer


async def test_a_token_in_the_query_counts_for_nothing(homeserver: Delivering) -> None:
    status, _ = await homeserver.request("PUT", f"{TRANSACTION}?access_token={TOKEN}", headers={})
    assert status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(homeserver: Delivering, scheme: str) -> None:
    status, _ = await homeserver.request(
        "POST", "/_matrix/app/v1/ping", headers={"Authorization": f"{scheme} {TOKEN}"}
    )
    assert status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/app/v1/nothing",
        "/_matrix/app/v1/transactions",
        "/_matrix/app/v1/transactions/1/2",
        "/_matrix/app/v2/ping",
        "/_matrix/app/unstable/fi.mau.msc2659/ping",
        "/_matrix/client/v3/sync",
        "/_matrix/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_an_unknown_path_is_unrecognized(homeserver: Delivering, method: str, path: str) -> None:
    status, answer = await homeserver.request(method, path)
    assert (status, answer["errcode"]) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_a_wrong_method_is_unrecognized(homeserver: Delivering, method: str, path: str) -> None:
    status, answer = await homeserver.request("DELETE", path)
    assert (status, answer["errcode"]) == (405, "M_UNRECOGNIZED")


async def test_a_ping_is_answered(homeserver: Delivering) -> None:
    assert await homeserver.request("POST", "/_matrix/app/v1/ping", body=b'{"transaction_id": "1"}') == (
        200,
        {},
    )


async def test_the_bot_exists_and_nobody_else_is_made_on_being_asked_for(homeserver: Delivering) -> None:
    ghost = NAMES.ghost(TENANT, "anna")  # type: ignore[arg-type]
    assert await homeserver.request("GET", f"/_matrix/app/v1/users/{NAMES.bot}") == (200, {})
    assert await homeserver.request("GET", f"/_matrix/app/v1/users/%40{NAMES.bot[1:]}") == (200, {})
    for nobody in (ghost, "@festimo_x:example.org", "@anna:example.org", "%20"):
        status, answer = await homeserver.request("GET", f"/_matrix/app/v1/users/{nobody}")
        assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    "path", ["rooms/%23festimo_x:example.org", "rooms/x", "thirdparty/user", "thirdparty/"]
)
async def test_what_we_do_not_have_is_not_found(homeserver: Delivering, path: str) -> None:
    status, answer = await homeserver.request("GET", f"/_matrix/app/v1/{path}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


async def test_a_fault_of_ours_is_json_too(homeserver: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(body: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("appservice.transactions.parse", broken)
    status, _ = await homeserver.request("PUT", TRANSACTION, body=b"{}")
    assert status >= 500
    monkeypatch.undo()
    assert await homeserver.deliver(event()) == 200
