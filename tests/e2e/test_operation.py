"""For whoever runs it: health, metrics and logs of the bridge as a process, and nothing of what people say in any."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import hdrs
from prometheus_client.parser import text_string_to_metric_families
from vodozemac import GroupSession

from appservice.embedded.client import Client
from bridge.core.ids import new_id
from bridge.demo.stand import TENANT, Stand, stand
from tests.bridge.commands.process import Process, ended, festimo, listens_at
from tests.clients.people import People
from tests.e2e.test_first_path import eventually, party, person

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = f"Kanarienvogel{secrets.token_hex(4)}"
MOST_TEXT = 10_000
CHECKS = ("leader", "database", "homeserver", "key_backup", "one_time_keys", "undecryptable", "backlog")


@dataclass(slots=True, kw_only=True)
class Operation:
    """A bridge in operation at the most talkative log level, one conversation, and the errors it answered."""

    ground: Stand
    bridge: Process
    data: Path
    key: str
    conversation: str
    room: str
    vendor: Client
    errors: list[str] = field(default_factory=list)

    async def call(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and answer, as JSON where it is; errors are kept."""
        url = f"{listens_at(self.ground.config)}{path}"
        async with self.ground.session.request(method, url, data=body, headers=headers) as response:
            text = await response.text()
            if response.status >= 400:
                self.errors.append(f"{method}: {dict(response.headers)} {text}")
            is_json = "json" in response.headers[hdrs.CONTENT_TYPE]
            return response.status, json.loads(text) if is_json else text

    async def api(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        return await self.call(method, f"/api/v1/{path}", body=sent, headers=headers)

    async def event(self, event_type: str, data: dict[str, Any]) -> tuple[int, Any]:
        """Signed by the platform."""
        status, answer = await self.ground.platform.post(
            self.ground.platform.event(event_type, data, event_id=new_id())
        )
        if status >= 400:
            self.errors.append(f"{event_type}: {answer}")
        return status, answer

    async def transaction(self, body: bytes, *, token: str | None = None) -> tuple[int, Any]:
        """As the homeserver sends it."""
        token = token or self.ground.config.appservice.hs_token.get_secret_value()
        return await self.call(
            "PUT",
            f"/_matrix/app/v1/transactions/{new_id()}",
            body=body,
            headers={"Authorization": f"Bearer {token}"},
        )

    async def texts(self) -> set[str]:
        """What the conversation holds."""
        status, page = await self.api("GET", f"conversations/{self.conversation}/messages")
        assert status == 200
        return {message["content"] for message in page["messages"]}

    async def metric(self, name: str, **labels: str) -> float:
        """0 where it has not been counted yet."""
        status, text = await self.call("GET", "/metrics")
        assert status == 200
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return next((s.value for s in samples if s.name == name and s.labels == labels), 0)


ANNA = person("anna", "Anna")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Operation]:
    folder = tmp_path_factory.mktemp("operation")
    data, key_folder = folder / "data", folder / "key"
    for made in (data, key_folder):
        made.mkdir()
    settings = {"database": {"url": f"sqlite:///{data / 'bridge.db'}"}}
    async with (
        stand(folder, settings=settings) as ground,
        festimo(folder, "run", "-c", ground.config_path, "--log-level", "debug") as bridge,
        People(ground.synapse, folder) as people,
    ):
        await bridge.until_ready(ground.config)
        named = ("--tenant", TENANT, "--name", "tests", "-c", ground.config_path)
        key = await ended(key_folder, "api-key", "create", *named)
        assert key.code == 0, key.err
        chef = await people.person("Chef")
        vendor = await people.nio(chef)
        working = Operation(
            ground=ground,
            bridge=bridge,
            data=data,
            key=key.out.strip(),
            conversation="",
            room="",
            vendor=vendor,
        )
        both = {"party": party(ANNA), "vendor": person("chef", "Sweet Bites", chef)}
        status, opened = await working.api("POST", "conversations", both)
        assert status == 201, opened
        working.conversation = opened["conversation_id"]
        await vendor.sync_until(lambda: bool(vendor.invites()))
        (working.room,) = vendor.invites()
        await vendor.join(working.room)
        yield working
        stopped = await bridge.stop()
        assert stopped.code == 0


async def test_health_tells_when_the_homeserver_is_away(operation: Operation) -> None:
    ground, bridge = operation.ground, operation.bridge
    assert await bridge.until_ready(ground.config) == {
        "status": "ready",
        "checks": dict.fromkeys(CHECKS, "ok"),
    }
    await ground.synapse.stop()
    answer = await bridge.until_ready(ground.config, 503)
    assert answer["status"] == "not ready"
    assert answer["checks"]["database"] == "ok"
    assert "/sync fails" in answer["checks"]["homeserver"]
    assert await operation.call("GET", "/health/live") == (200, {"status": "live"})
    # What comes in meanwhile is taken, and waits.
    said = {"sender_id": "anna", "text": "While you were away"}
    status, _ = await operation.api("POST", f"conversations/{operation.conversation}/messages", said)
    assert status == 201
    assert await operation.metric("festimo_items_kept", queue="outbox", state="waiting") >= 1
    await ground.synapse.start()
    await bridge.until_ready(ground.config)
    await operation.vendor.wait_for_text(operation.room, said["text"])
    await nothing_waits(operation, "outbox")


async def nothing_waits(operation: Operation, queue: str) -> None:
    async def look() -> bool | None:
        return await operation.metric("festimo_items_kept", queue=queue, state="waiting") == 0 or None

    assert await eventually(look)


async def test_metrics_tell_what_was_done_and_what_is_kept(operation: Operation) -> None:
    topics = ("platform.event", "matrix.event", "matrix.ConversationOpened", "matrix.MessagePosted")

    async def done() -> dict[str, float]:
        return {
            topic: await operation.metric("festimo_items_total", topic=topic, outcome="done")
            for topic in topics
        }

    async def kept(state: str) -> float:
        return await operation.metric("festimo_items_kept", queue="inbox", state=state)

    before, dead, parked = await done(), await kept("dead"), await kept("parked")
    chef = person("other-chef", "Chez Nous")
    await operation.event("vendor.selected", {"party": party(ANNA), "vendor": chef})
    await operation.vendor.send_text(operation.room, "Counted")

    async def all_more() -> bool | None:
        now = await done()
        return all(now[topic] > before[topic] for topic in topics) or None

    assert await eventually(all_more)
    assert await operation.metric("festimo_item_seconds_count", topic="platform.event") >= 1

    session = GroupSession()
    nobody_has_its_key = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "session_id": session.session_id,
        "ciphertext": session.encrypt(CANARY.encode()).to_base64(),
    }
    await operation.transaction(encrypted(operation, nobody_has_its_key))
    await operation.transaction(b'{"events": [17]}')

    async def set_aside() -> bool | None:
        return (await kept("parked"), await kept("dead")) == (parked + 1, dead + 1) or None

    assert await eventually(set_aside)
    _, ready = await operation.call("GET", "/health/ready")
    assert "1 dead (oldest " in ready["checks"].pop("backlog")
    assert ready == {"status": "ready", "checks": {name: "ok" for name in CHECKS if name != "backlog"}}


def encrypted(operation: Operation, content: Mapping[str, Any], *, type_: str = "m.room.encrypted") -> bytes:
    event = {
        "event_id": f"${secrets.token_urlsafe(32)}",
        "room_id": operation.room,
        "sender": operation.vendor.user_id,
        "type": type_,
        "origin_server_ts": 1,
        "content": content,
    }
    return json.dumps({"events": [event]}).encode()


async def test_what_people_say_is_in_no_log_no_file_and_no_error(operation: Operation) -> None:
    said = {f"{CANARY} by {way}" for way in ("event", "API", "Matrix")}
    await say_in_every_way(operation)
    await be_refused_in_every_way(operation)

    async def all_said() -> bool | None:
        return said <= await operation.texts() or None

    assert await eventually(all_said)  # so they are kept, and the search below means something
    assert any(f"{CANARY} by booking" in text for text in await operation.texts())
    await operation.vendor.wait_for_text(operation.room, f"{CANARY} by API")

    await nothing_waits(operation, "inbox")

    told = operation.bridge.printed
    assert told.logged
    assert [form for form in disguises(CANARY) if form in (told.out + told.err).encode()] == []
    assert len(operation.errors) >= 14
    assert [error for error in operation.errors if CANARY in error] == []
    assert traces(operation.data, CANARY) == []
    assert traces(operation.ground.synapse.folder, CANARY) == []
    # Names are no secret: the same search finds them.
    assert traces(operation.data, "Sweet Bites")
    assert traces(operation.ground.synapse.folder, "Sweet Bites")


async def say_in_every_way(operation: Operation) -> None:
    pair = {"party_id": "party-1", "vendor_id": "chef"}
    status, _ = await operation.event(
        "message.send", {**pair, "sender_id": "anna", "text": f"{CANARY} by event"}
    )
    assert status == 202
    booking = {
        "id": "b1",
        "service": f"{CANARY} by booking",
        "starts_at": "2027-06-12T14:00:00+02:00",
    }
    chef = person("chef", "Sweet Bites") | {"mxid": operation.vendor.user_id}
    status, _ = await operation.event(
        "booking.confirmed", {"party": party(ANNA), "vendor": chef, "booking": booking}
    )
    assert status == 202
    status, _ = await operation.api(
        "POST",
        f"conversations/{operation.conversation}/messages",
        {"sender_id": "anna", "text": f"{CANARY} by API"},
    )
    assert status == 201
    await operation.vendor.send_text(operation.room, f"{CANARY} by Matrix")


async def be_refused_in_every_way(operation: Operation) -> None:
    chef = person("chef", CANARY)
    # title and names beside something wrong, then themselves wrong
    await refused_event(operation, {"party": party(ANNA, title=CANARY), "vendor": chef | {"colour": CANARY}})
    await refused_event(operation, {"party": party(ANNA, title=CANARY * 1000), "vendor": chef})
    await refused_event(operation, {"party": party(person("anna", CANARY * 1000)), "vendor": chef})
    await refused_event(operation, {"party": party(ANNA), "vendor": {"id": "chef", "name": [CANARY]}})
    await refused_event(operation, {"party": CANARY, "vendor": CANARY})
    # signed by nobody
    body = operation.ground.platform.event("vendor.selected", {"vendor": chef}, event_id=new_id())
    headers = {"Content-Type": "application/cloudevents+json", "webhook-id": CANARY}
    assert (await operation.call("POST", "/api/v1/events", body=body, headers=headers))[0] == 401
    # signed, but not JSON
    status, answer = await operation.ground.platform.post(f'{{"{CANARY}": {CANARY}'.encode())
    assert status == 400
    operation.errors.append(str(answer))
    # by the API
    messages = f"conversations/{operation.conversation}/messages"
    for path, said, expected in (
        (messages, {"sender_id": "anna", "text": CANARY * MOST_TEXT}, 422),
        (messages, {"sender_id": "anna", "text": [CANARY]}, 422),
        (messages, {"sender_id": "nobody", "text": CANARY}, 409),
        (messages, CANARY, 422),
        (f"conversations/{CANARY}/messages", {"sender_id": "anna", "text": CANARY}, 404),
        ("conversations", {"party": party(ANNA, title=CANARY), "vendor": CANARY}, 422),
    ):
        status, answer = await operation.api("POST", path, said)
        assert status == expected, (path[:30], answer)
    for path, expected in (
        (f"messages/{CANARY}", 404),
        (CANARY, 404),
        (f"conversations?cursor={CANARY}", 422),
    ):
        assert (await operation.api("GET", path))[0] == expected
    # by what claims to be the homeserver, and by the homeserver itself
    plain = encrypted(operation, {"msgtype": "m.text", "body": CANARY}, type_="m.room.message")
    assert (await operation.transaction(plain, token=CANARY))[0] == 403
    assert (await operation.transaction(plain))[0] == 200
    assert (await operation.transaction(f'{{"events": ["{CANARY}"]}}'.encode()))[0] == 200
    assert (await operation.transaction(CANARY.encode()))[0] == 200


async def refused_event(operation: Operation, data: dict[str, Any]) -> None:
    status, answer = await operation.event("vendor.selected", data)
    assert status == 422, answer


def disguises(word: str) -> Iterator[bytes]:
    """The word as it stands, and as it stands in hexadecimal or base64, wherever in it."""
    plain = word.encode()
    yield plain
    yield plain.hex().encode()
    yield word.encode("utf-16-le")
    for before in range(3):
        # the first and the last group hold something of their neighbours
        yield base64.b64encode(b"\0" * before + plain)[4:-4]


def traces(folder: Path, word: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    forms = [*disguises(word)]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


async def test_each_log_line_is_one_json_object(operation: Operation) -> None:
    """After all of the above: an outage, dead letters, refusals."""
    lines = operation.bridge.printed.err.splitlines()
    assert {"running", "unparsable_event"} <= {json.loads(line)["event"] for line in lines}
    for line in lines:
        fact = json.loads(line)
        assert isinstance(fact["event"], str)
        assert fact["level"] in ("debug", "info", "warning", "error", "critical")
        assert fact["timestamp"].endswith("Z")
    assert operation.bridge.printed.out == ""


async def test_garbage_instead_of_http_is_not_logged(operation: Operation) -> None:
    appservice = operation.ground.config.appservice
    reader, writer = await asyncio.open_connection(appservice.listen_host, appservice.listen_port)
    writer.write(f"{CANARY} {CANARY}\r\n{CANARY}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.")
    assert CANARY not in operation.bridge.printed.err
