"""Who may open which socket: deny by default, before anything is told."""

import asyncio
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from structlog.testing import capture_logs

from bridge.core.caller import CallerRole
from bridge.core.ids import ConversationId, ParticipantId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened, said
from tests.bridge.api.world import OURS, THEIRS
from tests.bridge.sockets.client import Crowd, LiveWorld
from tests.databases import both_databases

PATHS = ("/ws/communication/p-1", "/ws/vendor/v-1", "/ws/notifications/u-anna")
PROTOCOL = "Sec-WebSocket-Protocol"


async def refused(api: Api, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status and the problem's code."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with api.http.get(path, headers=upgrade | headers) as response:
        problem: dict[str, Any] = await response.json(content_type="application/problem+json")
        return response.status, problem["type"].removeprefix("urn:festimo:problem:")


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_valid_token_nobody_gets_in(world: LiveWorld, api: Api, path: str) -> None:
    await opened(api)
    revoked = str(await world.keys.create(OURS, name="revoked"))
    await world.keys.revoke(revoked.split("_")[1])
    for headers in (
        {},
        bearer("unknown"),
        bearer(revoked),
        {PROTOCOL: "festimo.v1"},
        {PROTOCOL: "festimo.v1, bearer.unknown"},
        {PROTOCOL: f"festimo.v1, bearer.{api.key}, bearer.{api.key}"},
    ):
        assert await refused(api, path, headers) == (401, "unauthorized"), headers
    assert await refused(api, f"{path}?token={api.key}", {}) == (401, "unauthorized")
    assert await refused(api, f"{path}?token={api.key}", bearer(api.key)) == (422, "invalid_input")


# Who, of which role, at which socket: may they? Anna is host of p-1, v-1 its vendor; Ben and v-2 are of p-2.
MATRIX: list[tuple[str, CallerRole, tuple[bool, bool, bool]]] = [
    ("shop", "service", (True, True, True)),
    ("staff", "admin", (True, True, True)),
    ("u-anna", "host", (True, False, True)),
    ("v-1", "vendor", (True, True, False)),
    ("u-ben", "host", (False, False, False)),
    ("v-2", "vendor", (False, False, False)),
    ("v-1", "host", (True, False, False)),  # who says to be a host opens no vendor's socket
    ("nobody", "host", (False, False, False)),
]


@pytest.mark.parametrize(("who", "role", "may"), MATRIX, ids=lambda value: str(value))
async def test_who_may_open_which_socket(
    world: LiveWorld, api: Api, crowd: Crowd, who: str, role: CallerRole, may: tuple[bool, ...]
) -> None:
    await opened(api)
    other = {"party": {"id": "p-2", "title": "Ben", "hosts": [{"id": "u-ben", "name": "Ben"}]}}
    await api.post("/api/v1/conversations", other | {"vendor": {"id": "v-2", "name": "Sugar"}})
    token, stranger = world.person(who, role), world.person(who, role, THEIRS)
    for path, allowed in zip(PATHS, may, strict=True):
        if allowed:
            await crowd.connected(path, token)
        else:
            assert await refused(api, path, bearer(token)) == (404, "not_found"), path
        # Who has the same id elsewhere is somebody else, of whom nothing is said here.
        if not (path.endswith(f"/{who}") and allowed):
            assert await refused(api, path, bearer(stranger)) == (404, "not_found"), path


@both_databases
async def test_a_person_is_told_only_of_what_they_take_part_in(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    ours, others = await opened(api, "p-1", "v-1"), await opened(api, "p-1", "v-2")
    chef = await crowd.connected(PATHS[0], world.person("v-1", "vendor"))
    await said(api, others, "not for v-1")
    await said(api, ours, "for v-1")
    assert (await chef.next("message.sent"))["message"]["content"] == "for v-1"
    answer = await chef.ask(type="conversation.join", conversation_id=others)
    assert answer["code"] == "not_found"
    for sender in ("v-1", "v-2"):
        frame = {"type": "message.send", "id": sender, "conversation_id": others}
        answer = await chef.ask(**frame, message={"text": "Hello", "sender_id": sender})
        assert answer["code"] == ("not_found" if sender == "v-1" else "not_yourself")
    await crowd.world.feed.order()
    chef.drop()
    chef.cursor = None
    # Nor from a cursor of somebody who is told more.
    program = await crowd.connected(PATHS[0])
    chef.cursor = program.cursor
    await said(api, others, "nor this")
    await said(api, ours, "but this")
    await program.next("message.sent")
    await chef.connect()
    while chef.texts("message.sent")[-1] != "but this":
        await chef.read()
    assert chef.texts("message.sent") == ["for v-1", "but this"]


async def test_a_person_speaks_as_themselves_only(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    anna = await crowd.connected(PATHS[0], world.person("u-anna"))
    before = await world.contents()
    answer = await anna.ask(
        type="message.send",
        id="1",
        conversation_id=conversation_id,
        message={"text": "I am the vendor", "sender_id": "v-1"},
    )
    assert (answer["code"], answer["field"]) == ("not_yourself", "sender_id")
    assert await world.contents() == before


async def test_a_browser_shows_its_token_among_the_protocols(api: Api, crowd: Crowd) -> None:
    await opened(api)
    socket = await api.http.ws_connect(PATHS[0], protocols=("festimo.v1", f"bearer.{api.key}"))
    assert socket.protocol == "festimo.v1"
    assert (await socket.receive_json())["type"] == "welcome"
    await socket.close()


async def test_a_token_is_in_no_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await opened(api)
    caplog.set_level("DEBUG")
    with capture_logs() as logs:
        for offered in (f"bearer.{api.key}", f"other, bearer.{api.key}"):
            assert await refused(api, PATHS[0], {PROTOCOL: offered}) == (401, "unauthorized")
    assert str(api.key) not in caplog.text + str(logs)


async def test_it_is_a_websocket(api: Api) -> None:
    await opened(api)
    answer = await api.http.get(PATHS[0], headers=bearer(api.key))
    assert answer.status == 426
    assert (await answer.json(content_type=None))["type"] == "urn:festimo:problem:upgrade_required"


@pytest.mark.parametrize("query", ["cursor=made-up", "cursor=", "after=1", "id=p-2", "cursor=a&cursor=b"])
async def test_a_parameter_that_cannot_be_is_refused(api: Api, query: str) -> None:
    await opened(api)
    status, code = await refused(api, f"{PATHS[0]}?{query}", bearer(api.key))
    assert (status, code) in ((422, "invalid_cursor"), (422, "invalid_input"), (400, "malformed_request"))


async def test_another_tenants_cursor_is_none(api: Api, theirs: Api, crowd: Crowd) -> None:
    await opened(api)
    await opened(theirs)
    client = await crowd.connected(PATHS[0])
    answer = await refused(theirs, f"{PATHS[0]}?cursor={client.cursor}", bearer(theirs.key))
    assert answer == (422, "invalid_cursor")


@pytest.mark.parametrize("path", PATHS)
async def test_a_revoked_key_ends_its_sockets(world: LiveWorld, api: Api, crowd: Crowd, path: str) -> None:
    await opened(api)
    key = str(await world.keys.create(OURS, name="short"))
    client, other = await crowd.connected(path, key), await crowd.connected(path)
    await world.keys.revoke(key.split("_")[1])
    code, reason = await client.ended()
    assert (code, "token" in reason) == (4401, True)
    assert (await other.ask(type="?"))["code"] == "unknown_frame"


async def test_a_revoked_key_has_no_effect_before_it_is_noticed(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    key = str(await world.keys.create(OURS, name="short"))
    client = await crowd.connected(PATHS[0], key)
    await world.keys.revoke(key.split("_")[1])
    before = await world.contents()
    frame = {"id": "1", "conversation_id": conversation_id, "message": {"sender_id": "v-1", "text": "Hello"}}
    await client.socket.send_json({"type": "message.send", **frame})
    assert (await client.ended())[0] == 4401
    assert await world.contents() == before


async def test_a_key_is_good_for_its_scopes_only(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    both = ["conversations:read", "messages:read"]
    for scopes in (["events:read"], both[:1], both[1:]):
        key = str(await world.keys.create(OURS, name="narrow", scopes=scopes))
        for path in PATHS:
            assert await refused(api, path, bearer(key)) == (403, "forbidden"), (scopes, path)
    reader = await crowd.connected(PATHS[0], str(await world.keys.create(OURS, name="reads", scopes=both)))
    before = await world.contents()
    message = {"sender_id": "v-1", "text": "Hello"}
    answer = await reader.ask(type="message.send", id="1", conversation_id=conversation_id, message=message)
    assert (answer["type"], answer["code"]) == ("error", "forbidden")
    assert "messages:write" in answer["detail"]
    assert await world.contents() == before


async def test_a_token_is_renewed_while_the_connection_goes_on(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    conversation_id = await opened(api)
    old, new = world.person("u-anna"), world.person("u-anna")
    client = await crowd.connected(PATHS[0], old)
    for strange in (world.person("v-1", "vendor"), world.person("u-anna", tenant=THEIRS), str(api.key), "?"):
        answer = await client.ask(type="token.renew", id="r", token=strange)
        assert (answer["type"], answer["code"]) == ("error", "unauthorized")
    assert await client.ask(type="token.renew", id="r", token=new) == {"type": "ack", "id": "r"}
    world.take_back(old)
    await asyncio.sleep(0.2)
    await said(api, conversation_id, "still here")
    assert (await client.next("message.sent"))["message"]["content"] == "still here"
    world.take_back(new)
    assert (await client.ended())[0] == 4401


async def test_who_takes_part_no_more_is_told_no_more(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    client = await crowd.connected(PATHS[0], world.person("u-anna"))
    async with world.database.transaction() as tx:
        await tx.execute(
            "DELETE FROM conversation_members WHERE conversation_id = $1 AND participant_id = $2",
            ConversationId(conversation_id),
            ParticipantId("u-anna"),
        )
    await said_by_vendor(api, conversation_id)
    assert (await client.ended())[0] == 4404
    assert client.texts("message.sent") == []


async def said_by_vendor(api: Api, conversation_id: str) -> None:
    body = {"sender_id": "v-1", "text": "between us"}
    answer = await api.post(f"/api/v1/conversations/{conversation_id}/messages", body)
    assert answer.status == 201


async def test_a_handshake_that_fails_says_so(api: Api) -> None:
    with pytest.raises(WSServerHandshakeError) as error:
        await api.http.ws_connect("/ws/communication/unknown", headers=bearer(api.key))
    assert error.value.status == 404
