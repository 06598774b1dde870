"""Requests to the homeserver, over real HTTP: whose, with which ids, once, and what its refusals mean."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable

GHOST, DEVICE, ROOM = "@festimo_ann:example.org", "DEVICE", "!room:example.org"
Answer = Callable[[], web.Response]


class Asked:
    """A homeserver that notes what it is asked, and answers as told."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.answer: Answer = lambda: web.json_response({"event_id": "$1"})

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        return self.answer()


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
async def send(asked: Asked, aiohttp_server: AiohttpServer) -> Callable[[], Awaitable[str]]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", asked.handle)
    server = await aiohttp_server(app)

    async def send() -> str:
        async with aiohttp.ClientSession() as session:
            homeserver = Homeserver(str(server.make_url("")), "as-token", session=session)
            return await homeserver.send_encrypted(GHOST, DEVICE, ROOM, "row-1", {"ciphertext": "x"})

    return send


async def test_an_event_names_our_transaction_id_its_user_and_its_device(
    asked: Asked, send: Callable[[], Awaitable[str]]
) -> None:
    """Without the device the homeserver forgets the transaction id when it is restarted."""
    assert await send() == "$1"
    [request] = asked.requests
    assert request.method == "PUT"
    assert request.path == f"/_matrix/client/v3/rooms/{ROOM}/send/m.room.encrypted/row-1"
    assert dict(request.query) == {"user_id": GHOST, "device_id": DEVICE}
    assert request.headers["Authorization"] == "Bearer as-token"


@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        (
            lambda: web.json_response(
                {"errcode": "M_LIMIT_EXCEEDED"}, status=429, headers={"Retry-After": "7"}
            ),
            7000,
        ),
        (lambda: web.json_response({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 90}, status=429), 90),
        (lambda: web.json_response({"errcode": "M_UNKNOWN"}, status=500), None),
        (lambda: web.Response(text="Bad Gateway", status=502), None),
        (lambda: web.Response(text="a page of a proxy", status=200), None),
        (lambda: web.json_response({}), None),
    ],
    ids=["429", "429, old field", "500", "502", "no JSON", "no event id"],
)
async def test_what_may_pass_is_left_to_the_outbox_after_one_attempt(
    asked: Asked, send: Callable[[], Awaitable[str]], answer: Answer, retry_after: int | None
) -> None:
    asked.answer = answer
    with pytest.raises(HomeserverUnavailable) as caught:
        await send()
    assert (caught.value.retry_after, len(asked.requests)) == (retry_after, 1)


async def test_a_refusal_is_told_with_its_code_and_without_its_words(
    asked: Asked, send: Callable[[], Awaitable[str]]
) -> None:
    asked.answer = lambda: web.json_response({"errcode": "M_FORBIDDEN", "error": "said: x"}, status=403)
    with pytest.raises(HomeserverRefused) as caught:
        await send()
    assert (str(caught.value), len(asked.requests)) == ("403 M_FORBIDDEN", 1)
