"""Everything we say to a homeserver, put into rooms and answer is as the Matrix specification describes it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from appservice.encryption.outbound_sessions import Encryptor
from appservice.homeserver import Homeserver
from appservice.registration import registration
from bridge.demo.stand import Stand, stand
from tests import matrix_spec
from tests.clients.people import People
from tests.e2e.scene import Scene
from tests.e2e.test_first_path import eventually
from tests.e2e.test_voices import LONGEST
from tests.matrix_spec import SpecViolation


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Mapping[str, Any] | bytes | None

    @property
    def event_type(self) -> str | None:
        """Of what is sent, into a room or to devices."""
        parts = self.path.split("/")
        if parts[-3:-2] == ["sendToDevice"] or parts[-3:-2] == ["send"]:
            return parts[-2]
        return None


@dataclass(frozen=True, slots=True)
class Heard:
    """All requests of the bridge, and every content before its encryption."""

    requests: list[Request] = field(default_factory=list)
    plain: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        request = cast(Callable[..., Awaitable[Any]], Homeserver.request)
        encrypt = cast(Callable[..., Awaitable[dict[str, Any]]], Encryptor.encrypt)

        async def heard_request(
            homeserver: Homeserver, method: Any, path: Any, content: Any = None, **options: Any
        ) -> Any:
            given = {"user_id": options.get("as_user"), "device_id": options.get("device")}
            query = dict(options.get("query") or {}) | {name: value for name, value in given.items() if value}
            self.requests.append(Request(method.value, str(path), query, content))
            return await request(homeserver, method, path, content, **options)

        async def heard_plain(
            encryptor: Encryptor, room: str, sender: str, kind: str, content: Any, keep: Any
        ) -> Any:
            self.plain.append((kind, content))
            return await encrypt(encryptor, room, sender, kind, content, keep)

        monkeypatch.setattr(Homeserver, "request", heard_request)
        monkeypatch.setattr(Encryptor, "encrypt", heard_plain)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    matrix_spec.folder()
    async with stand(tmp_path / "stand", settings={"messages": {"max_text_length": LONGEST}}) as ready:
        yield ready


async def test_all_we_say_is_as_the_specification_describes_it(
    ground: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    heard.listen(monkeypatch)
    async with People(ground.synapse, tmp_path) as people:
        scene = Scene(ground, people)
        async with scene.running():
            await tell_a_story(scene)
            events = await events_of_ours(scene)

    covered = {check(request) for request in heard.requests}
    for kind, content in heard.plain:
        matrix_spec.check_content(kind, content)
        matrix_spec.check_event({"type": kind, "sender": "@x:y", "content": content}, in_room=False)
    for event in events:
        matrix_spec.check_event(event)

    # What the story must have been about, else the checks above say little.
    assert covered >= {
        "register",
        "pingAppservice",
        "setProfileField",
        "uploadContent",
        "createRoom",
        "inviteUser",
        "joinRoom",
        "leaveRoom",
        "getMembersByRoom",
        "getRoomState",
        "getRoomStateWithKey",
        "setRoomStateWithKey",
        "getRoomIdByAlias",
        "sendMessage",
        "sendToDevice",
        "sync",
        "updateDevice",
        "uploadCrossSigningKeys",
        "uploadKeys",
        "queryKeys",
        "claimKeys",
        "getDevices",
        "getAccountData",
        "setAccountData",
        "getRoomKeysVersionCurrent",
        "postRoomKeysVersion",
        "putRoomKeys",
    }
    assert {content["msgtype"] for _, content in heard.plain} == {"m.text", "m.notice", "m.file"}
    assert {event["type"] for event in events} >= {"m.room.create", "m.room.encrypted", "m.room.member"}
    assert {request.event_type for request in heard.requests} >= {"m.room.encrypted", "m.room_key.withheld"}


async def tell_a_story(scene: Scene) -> None:
    """A host with two devices, one of them unsigned; a vendor without an account; a stranger who invites the bot."""
    anna = await scene.people.person("Anna")
    js = await scene.people.js(anna)
    await scene.people.nio(anna, cross_sign=False)
    await scene.open(js, hosts={"Anna": anna})
    await scene.say("From a ghost.")
    await scene.say("🎂\n" * (LONGEST // 2))
    await scene.say("From an account holder.", sender="Anna")
    await js.wait_for_text(scene.room, await scene.book())
    await js.wait_for_text(scene.room, "From a ghost.")
    await js.wait_for_text(scene.room, "Anna: From an account holder.")
    await js.send_text(scene.room, "From a client.")
    await scene.stored(lambda message: message.text == "From a client.")

    stranger = (await scene.ground.synapse.register_user("stranger", "secret")).access_token
    invite = {"invite": [scene.bridge.names.bot]}
    _, made = await scene.call("POST", "v3/createRoom", stranger, json=invite)

    async def declined() -> bool | None:
        path = f"v3/rooms/{made['room_id']}/state/m.room.member/{scene.bridge.names.bot}"
        _, member = await scene.call("GET", path, stranger)
        return member["membership"] == "leave" or None

    await eventually(declined)


async def events_of_ours(scene: Scene) -> list[dict[str, Any]]:
    """What the bot and the ghosts have put into the room, as the bot sees it: state and timeline."""
    names, token = scene.bridge.names, scene.ground.config.appservice.as_token.get_secret_value()
    room = f"v3/rooms/{scene.room}"
    _, state = await scene.call("GET", f"{room}/state?user_id={names.bot}", token)
    _, page = await scene.call("GET", f"{room}/messages?dir=b&limit=1000&user_id={names.bot}", token)
    found = {event["event_id"]: event for event in [*state, *page["chunk"]]}
    return [event for event in found.values() if names.is_ours(event["sender"])]


def check(request: Request) -> str:
    """Return the operationId."""
    operation = matrix_spec.check_request(request.method, request.path, request.query, request.body)
    body = request.body if isinstance(request.body, Mapping) else {}
    if operation == "sendMessage":
        matrix_spec.check_content(str(request.event_type), body)
    if operation == "setRoomStateWithKey":
        matrix_spec.check_content(request.path.partition("/state/")[2].split("/")[0], body)
    if operation == "sendToDevice":
        for devices in body["messages"].values():
            for content in devices.values():
                matrix_spec.check_content(str(request.event_type), content)
    if operation == "createRoom":
        for event in body["initial_state"]:
            matrix_spec.check_content(event["type"], event["content"])
        matrix_spec.check_content("m.room.power_levels", body["power_level_content_override"])
    return operation


APP = "/_matrix/app/v1"
ANSWERS = [
    # Method, path, with the token, status, what is sent.
    ("PUT", f"{APP}/transactions/1", True, 200, b'{"events": []}'),
    ("PUT", f"{APP}/transactions/2", True, 200, b"[]"),
    ("PUT", f"{APP}/transactions/3", False, 403, b'{"events": []}'),
    ("PUT", f"{APP}/transactions/4", None, 401, b'{"events": []}'),
    ("POST", f"{APP}/ping", True, 200, b'{"transaction_id": "1"}'),
    ("POST", f"{APP}/ping", None, 401, b"{}"),
    ("GET", f"{APP}/users/@festimo_bot:festimo.localhost", True, 200, b""),
    ("GET", f"{APP}/users/@festimo_x:festimo.localhost", True, 404, b""),
    ("GET", f"{APP}/users/@festimo_x:festimo.localhost", None, 401, b""),
    ("GET", f"{APP}/users/@festimo_x:festimo.localhost", False, 403, b""),
    ("GET", f"{APP}/rooms/%23festimo_x:festimo.localhost", True, 404, b""),
    ("GET", f"{APP}/rooms/%23festimo_x:festimo.localhost", None, 401, b""),
    ("GET", f"{APP}/thirdparty/protocol/irc", True, 404, b""),
    ("GET", f"{APP}/nothing", True, 404, b""),
    ("DELETE", f"{APP}/ping", True, 405, b""),
]


async def test_our_answers_are_those_of_an_application_service(ground: Stand) -> None:
    right = ground.config.appservice.hs_token.get_secret_value()
    async with ground.bridge():
        for method, path, token, status, body in ANSWERS:
            headers = {} if token is None else {"Authorization": f"Bearer {right if token else 'wrong'}"}
            url = ground.config.appservice.url + path
            async with ground.session.request(method, url, data=body, headers=headers) as response:
                assert (response.status, response.content_type) == (status, "application/json"), path
                matrix_spec.check_answer(method, path, status, await response.json())


async def test_the_registration_is_as_described(ground: Stand) -> None:
    matrix_spec.check_document(
        registration(ground.config), "api/application-service/definitions/registration.yaml"
    )


def test_the_official_examples_validate() -> None:
    """So that a complaint of these checks is about us and not about them."""
    examples = [(path.name, matrix_spec.read_example(path)) for path in matrix_spec.examples()]
    for name, example in examples:
        for schema in matrix_spec.event_schemas(example["type"], example["content"]):
            matrix_spec.check_document(example, schema)
        if name != "m.tag.yaml":  # account data, in which floats are allowed
            matrix_spec.check_json(example)
    assert len(examples) > 70


EVENT: dict[str, Any] = {
    "event_id": "$1",
    "room_id": "!1",
    "sender": "@a:b",
    "type": "m.room.message",
    "origin_server_ts": 1,
    "content": {"msgtype": "m.text", "body": "x"},
}

WRONG_EVENTS: dict[str, dict[str, Any]] = {
    "no body": {"content": {"msgtype": "m.text"}},
    "a body that is a number": {"content": {"msgtype": "m.text", "body": 1}},
    "a file whose key is missing": {
        "content": {"msgtype": "m.file", "body": "x", "file": {"v": "v2", "url": "mxc://a/b"}}
    },
    "mentions that are a list": {"content": {"msgtype": "m.text", "body": "x", "m.mentions": []}},
    "a float": {"content": {"msgtype": "m.text", "body": "x", "n": 1.0}},
    "an integer of 54 bits": {"content": {"msgtype": "m.text", "body": "x", "n": 2**53}},
    "half a surrogate pair": {"content": {"msgtype": "m.text", "body": "\ud800"}},
    "an event of more than 65,536 bytes": {"content": {"msgtype": "m.text", "body": "x" * 65_500}},
    "a room id of 256 bytes": {"room_id": "!" + "ä" * 128},
    "a sender without @": {"sender": "a:b"},
    "a membership nobody knows": {
        "type": "m.room.member",
        "state_key": "@a:b",
        "content": {"membership": "x"},
    },
    "no time": {"origin_server_ts": None},
}


@pytest.mark.parametrize("wrong", WRONG_EVENTS.values(), ids=WRONG_EVENTS)
def test_the_checks_find_what_is_wrong_with_an_event(wrong: dict[str, Any]) -> None:
    matrix_spec.check_event(EVENT)
    with pytest.raises(SpecViolation):
        matrix_spec.check_event(EVENT | wrong)


V3 = "_matrix/client/v3"
WRONG_REQUESTS: dict[str, tuple[str, str, dict[str, str], dict[str, Any] | None]] = {
    "an unknown path": ("GET", f"{V3}/nothing", {}, None),
    "a wrong method": ("DELETE", f"{V3}/createRoom", {}, None),
    "a parameter nobody knows": ("GET", f"{V3}/sync", {"filler": "x"}, None),
    "a value that is not allowed": ("GET", f"{V3}/sync", {"set_presence": "asleep"}, None),
    "a filter of the wrong shape": ("GET", f"{V3}/sync", {"filter": json.dumps({"room": []})}, None),
    "a missing parameter": ("GET", f"{V3}/rooms/!1/messages", {}, None),
    "a body of the wrong shape": ("POST", f"{V3}/createRoom", {}, {"invite": "@a:b"}),
    "a missing member": ("POST", f"{V3}/rooms/!1/invite", {}, {}),
    "no body": ("POST", f"{V3}/rooms/!1/invite", {}, None),
    "a float": ("POST", f"{V3}/createRoom", {}, {"n": 1.5}),
}


@pytest.mark.parametrize(("method", "path", "query", "body"), WRONG_REQUESTS.values(), ids=WRONG_REQUESTS)
def test_the_checks_find_what_is_wrong_with_a_request(
    method: str, path: str, query: dict[str, str], body: dict[str, Any] | None
) -> None:
    matrix_spec.folder()
    with pytest.raises(SpecViolation):
        matrix_spec.check_request(method, path, query, body)


def test_the_checks_find_what_is_wrong_with_an_answer() -> None:
    matrix_spec.check_answer("GET", f"{APP}/users/@a:b", 404, {"errcode": "M_NOT_FOUND"})
    for status, body in ((404, {}), (404, {"errcode": 5}), (201, {}), (500, {"error": "no code"})):
        with pytest.raises(SpecViolation):
            matrix_spec.check_answer("GET", f"{APP}/users/@a:b", status, body)
