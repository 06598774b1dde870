"""A private Synapse in a child process for the demo and tests. Of the bridge it knows a registration file."""

import asyncio
import hashlib
import hmac
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from appservice.embedded.settings import (
    LOOPBACK,
    ensure_signing_key,
    homeserver_settings,
    log_settings,
    write_private,
)

START_LIMIT = 60.0  # seconds; 2 to 4 are usual, a first start on a loaded machine takes longer
STOP_LIMIT = 10.0
POLL = 0.05
PORTS = range(20_000, 32_000)
"""Below those that systems give to the near ends of connections: none is taken while a server of ours is off."""
LOG_TAIL = 30  # lines shown when it does not start

_TIED = Path(__file__).with_name("tied.py")


class SynapseError(RuntimeError):
    """Synapse did not start, or refused what it was asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Access:
    """A signed-in account. The token's device has no keys: it is for the admin API and plain requests."""

    user_id: str
    device_id: str
    access_token: str = field(repr=False)


class Synapse:
    """One server, one data folder, one port: `async with Synapse(folder) as synapse:` runs it.

    `registrations` are application service registration files. `database_url` (postgresql://...) replaces
    SQLite. `settings` overrides single keys of homeserver.yaml.
    """

    def __init__(
        self,
        folder: Path,
        *,
        server_name: str = "festimo.localhost",
        registrations: Sequence[Path] = (),
        database_url: str | None = None,
        port: int | None = None,
        log_level: str = "WARNING",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.server_name = server_name
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.log_path = self.folder / "synapse.log"
        self._registrations = tuple(path.resolve() for path in registrations)
        self._database_url = database_url
        self._log_level = log_level
        self._settings = dict(settings or {})
        self._registration_secret = secrets.token_urlsafe(32)
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._write_configuration()
        try:
            await self.start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self, *, limit: float = START_LIMIT) -> None:
        """Return once it answers. Raises SynapseError with the end of its log if it never does."""
        if self._process:
            raise SynapseError(f"Synapse runs already (pid {self._process.pid})")
        _require_free(self.port)  # else another server's answer would be taken for ours
        log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._process = self._spawn()
        try:
            async with asyncio.timeout(limit), aiohttp.ClientSession() as session:
                while not await self._answers(session):
                    if (code := self._process.poll()) is not None:
                        self._process = None
                        raise SynapseError(
                            f"Synapse ended with exit code {code} while starting.{self._tail(log_start)}"
                        )
                    await asyncio.sleep(POLL)
        except TimeoutError:
            await self.kill()
            raise SynapseError(
                f"Synapse did not answer within {limit:g} s on {self.url}.{self._tail(log_start)}"
            ) from None

    async def stop(self) -> None:
        """SIGTERM, so that it finishes what it is at, then SIGKILL. Does nothing when it is not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await self._ended(self._process)
        except TimeoutError:
            await self.kill()
        self._process = None

    async def kill(self) -> None:
        """SIGKILL, as a power cut would: nothing is flushed."""
        if self._process is None:
            return
        self._process.kill()
        await self._ended(self._process)
        self._process = None

    async def restart(self) -> None:
        """Stop if running, then start on the same port with the same data."""
        await self.stop()
        await self.start()

    async def register_user(
        self, localpart: str, password: str, displayname: str | None = None, *, admin: bool = False
    ) -> Access:
        """Make the account (or find it made by an earlier run) and sign in."""
        async with aiohttp.ClientSession(self.url) as session:
            path = "/_synapse/admin/v1/register"
            nonce = (await _json(await session.get(path)))["nonce"]
            body = {
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "displayname": displayname or localpart,
                "admin": admin,
                "inhibit_login": True,
                "mac": _registration_mac(
                    self._registration_secret, nonce, localpart, password, "admin" if admin else "notadmin"
                ),
            }
            await _json(await session.post(path, json=body), accept="M_USER_IN_USE")
        return await self.login(localpart, password)

    async def login(self, localpart: str, password: str) -> Access:
        """Sign in on a device of fixed name, so that many logins leave one device."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": localpart},
            "password": password,
            "device_id": "ADMINISTRATION",
        }
        async with aiohttp.ClientSession(self.url) as session:
            answer = await _json(await session.post("/_matrix/client/v3/login", json=body))
        return Access(answer["user_id"], answer["device_id"], answer["access_token"])

    def _write_configuration(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ensure_signing_key(self.folder / "signing.key")
        settings = homeserver_settings(
            self.folder,
            server_name=self.server_name,
            port=self.port,
            registration_secret=self._registration_secret,
            registrations=self._registrations,
            database_url=self._database_url,
        )
        write_private(self.folder / "homeserver.yaml", settings | self._settings)
        write_private(self.folder / "log.yaml", log_settings(self._log_level))

    def _spawn(self) -> subprocess.Popen[bytes]:
        # -P: neither this folder's synapse.py nor the checkout's synapse/ may be taken for the installed one.
        command = [sys.executable, "-P", str(_TIED), str(os.getpid()), "synapse.app.homeserver", "-c"]
        with self.log_path.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, no outside argument
                [*command, str(self.folder / "homeserver.yaml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
            )

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/health", timeout=aiohttp.ClientTimeout(total=5)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _ended(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:  # noqa: ASYNC110 - a process sets no asyncio event
            await asyncio.sleep(POLL)

    def _tail(self, start: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(start)
            lines = log.read().decode("utf-8", "replace").splitlines()
        return f" The end of {self.log_path.name}:\n" + "\n".join(lines[-LOG_TAIL:])


def free_port() -> int:
    """A loopback port nobody listens on now."""
    for _ in range(len(PORTS)):
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise SynapseError(f"No port of {LOOPBACK} from {PORTS.start} to {PORTS.stop - 1} is free")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise SynapseError(f"Port {port} of {LOOPBACK} cannot be used: {error.strerror}") from error


def _registration_mac(secret: str, *parts: str) -> str:
    """SHA-1 because the admin API asks for it: one field after another, NUL between."""
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()


async def _json(response: aiohttp.ClientResponse, *, accept: str | None = None) -> dict[str, Any]:
    async with response:
        answer: dict[str, Any] = await response.json()
    if response.status != 200 and answer.get("errcode") != accept:
        raise SynapseError(f"{response.method} {response.url.path}: {response.status} {answer}")
    return answer
