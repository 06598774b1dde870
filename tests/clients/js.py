"""A client on the SDK of Element Web (matrix-js-sdk): one Node process each, driven by stdin and stdout."""

import asyncio
import itertools
import json
import os
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from tests.clients.npm import js_modules, program

ANSWER_LIMIT = 60.0  # seconds; commands that wait have shorter limits of their own
STOP_LIMIT = 5.0
COMPILED = "node_modules/.compiled"
"""To read and compile the SDK takes longer than a client takes to sign in."""
LINE_LIMIT = 16 * 1024 * 1024  # bytes of one answer: a whole timeline may be in it


class JsClientError(RuntimeError):
    """The client refused a command or has died; the text ends with what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Shield:
    """What Element shows beside a message: colour 0 none, 1 grey, 2 red; reason is an EventShieldReason."""

    colour: int
    reason: int | None


@dataclass(frozen=True, slots=True)
class JsEntry:
    """One message-like event as Element would show it. `failure` is the reason why it cannot be decrypted."""

    event_id: str
    sender: str
    type: str
    body: str
    content: dict[str, Any]
    encrypted: bool
    failure: str | None
    shield: Shield | None
    replaced_by: str | None
    redacted: bool

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        shield = answer["shield"]
        return cls(**{**answer, "shield": Shield(**shield) if shield else None})


class JsClient:
    """`async with await JsClient.login(...) as client:` is one device; the process ends with the block."""

    def __init__(self) -> None:
        self.user_id = ""
        self.device_id = ""
        self.access_token = ""
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()

    @classmethod
    async def login(
        cls,
        url: str,
        user_id: str,
        password: str,
        *,
        device_name: str = "Element",
        signed_devices_only: bool = False,
        cross_sign: bool = True,
        threads: bool = False,
    ) -> Self:
        """Start the process and sign in on a new device, signed by its owner unless `cross_sign` is false.

        `threads`: as in Element, what stands in a thread is apart from the rest, and is read apart.

        `signed_devices_only` is MSC4153: devices their owners did not sign are not read and get no keys.
        """
        client = cls()
        try:
            await client.start()
            device = await client.call(
                "login",
                url=url,
                user_id=user_id,
                password=password,
                device_name=device_name,
                signed_devices_only=signed_devices_only,
                cross_sign=cross_sign,
                threads=threads,
            )
        except BaseException:
            await client.stop()
            raise
        client.user_id, client.device_id = device["user_id"], device["device_id"]
        client.access_token = device["access_token"]
        return client

    @classmethod
    async def recover(
        cls, url: str, user_id: str, *, device_id: str, as_token: str, recovery_key: str
    ) -> tuple[Self, dict[str, Any]]:
        """A user of an application service, on an existing device, who knows only the recovery key.

        Also return what the SDK says of the backup: `trusted`, `matchesDecryptionKey`, `imported`, `total`, and of
        `privateKeysInSecretStorage`.
        """
        client = cls()
        try:
            await client.start()
            told = await client.call(
                "recover",
                url=url,
                user_id=user_id,
                device_id=device_id,
                access_token=as_token,
                recovery_key=recovery_key,
            )
        except BaseException:
            await client.stop()
            raise
        client.user_id, client.device_id, client.access_token = user_id, device_id, as_token
        return client, told

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the process. It ends when its stdin does, so also when this process is killed."""
        folder = await asyncio.to_thread(js_modules)
        self._process = await asyncio.create_subprocess_exec(
            program("node"),
            "client.mjs",
            cwd=folder,
            env=os.environ | {"NODE_COMPILE_CACHE": str(folder / COMPILED)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._stderr,
            limit=LINE_LIMIT,
        )
        self._reader = asyncio.create_task(self._read(self._process), name="answers of a JavaScript client")

    async def stop(self) -> None:
        """End the process; the device stays signed in."""
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                async with asyncio.timeout(STOP_LIMIT):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reader is not None:
            await self._reader
        self._stderr.close()

    async def call(self, command: str, **arguments: Any) -> Any:
        """Run one command of client.mjs and return its answer. Raises JsClientError."""
        if self._process is None or self._process.stdin is None or self._process.returncode is not None:
            raise JsClientError(f"{command}: the client does not run.{self.log()}")
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "command": command, **arguments}) + "\n"
        try:
            self._process.stdin.write(line.encode())
            await self._process.stdin.drain()
            async with asyncio.timeout(ANSWER_LIMIT):
                return await self._waiting[number]
        except TimeoutError:
            raise JsClientError(f"{command}: no answer within {ANSWER_LIMIT:g} s.{self.log()}") from None
        except (ConnectionError, _RefusedError) as error:
            raise JsClientError(f"{command}: {error}{self.log()}") from None
        finally:
            self._waiting.pop(number, None)

    async def create_room(self, *, invite: list[str], name: str | None = None, encrypted: bool = True) -> str:
        answer = await self.call("create_room", invite=invite, name=name, encrypted=encrypted)
        return str(answer["room_id"])

    async def wait_for_invite(self, room_id: str, timeout: float = 20.0) -> None:  # noqa: ASYNC109
        await self.call("wait_for_room", room_id=room_id, membership="invite", timeout=timeout)

    async def join(self, room_id: str) -> None:
        await self.call("join", room_id=room_id)

    async def leave(self, room_id: str) -> None:
        await self.call("leave", room_id=room_id)

    async def send_text(self, room_id: str, text: str) -> str:
        """Send a plain text message, encrypted if the room is. Returns the event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def send(self, room_id: str, kind: str, content: dict[str, Any]) -> str:
        answer = await self.call("send", room_id=room_id, type=kind, content=content)
        return str(answer["event_id"])

    async def timeline(self, room_id: str) -> list[JsEntry]:
        """Messages, reactions and the like in the order shown; no state."""
        return [JsEntry.of(entry) for entry in await self.call("timeline", room_id=room_id)]

    async def wait_for_text(self, room_id: str, body: str, timeout: float = 20.0) -> JsEntry:  # noqa: ASYNC109
        """The first message with this body, once it is there and decrypted."""
        return JsEntry.of(await self.call("wait_for_text", room_id=room_id, body=body, timeout=timeout))

    async def wait_for_event(self, room_id: str, event_id: str, timeout: float = 20.0) -> JsEntry:  # noqa: ASYNC109
        """This event, once it is decrypted or has failed to be (`failure` says why)."""
        answer = await self.call("wait_for_event", room_id=room_id, event_id=event_id, timeout=timeout)
        return JsEntry.of(answer)

    async def only_signed_devices(self, value: bool) -> None:
        """Switch MSC4153 on or off for what is decrypted from now on."""
        await self.call("isolation", signed_devices_only=value)

    async def log_out(self) -> None:
        """Delete the device on the server."""
        await self.call("logout")

    def log(self) -> str:
        """The last of what the process wrote to stderr, for failure messages."""
        self._stderr.seek(0)
        return "\n" + self._stderr.read().decode("utf-8", "replace")[-4000:]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            answer = json.loads(line)
            waiting = self._waiting.get(answer["id"])
            if waiting is None or waiting.done():
                continue
            if "error" in answer:
                waiting.set_exception(_RefusedError(answer["error"]))
            else:
                waiting.set_result(answer["ok"])
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_RefusedError("the process has ended"))


class _RefusedError(Exception):
    """What the process answered instead of a result."""
