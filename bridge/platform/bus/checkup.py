"""What `festimo doctor` looks at of the bus: that it is there, lets us in and keeps what it is given, and keeps up."""

import asyncio
from collections.abc import Sequence
from typing import Any

from nats.aio.client import Client
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ServiceUnavailableError

from bridge.config.bus import Bus as Settings
from bridge.core.checkup import Suspicious
from bridge.core.start import CannotStart, Reason
from bridge.platform.bus.behind import Behind
from bridge.platform.bus.credentials import Credentials, CredentialsUnusable
from bridge.platform.bus.service import stream_of

ANSWER_WITHIN = 5
ALL_WITHIN = 15.0
"""Seconds."""


async def check_bus(settings: Settings, behind: Behind | None, *, now: int) -> str:
    """`behind`: None where the database cannot tell. Makes nothing on the bus."""
    waits = "" if behind is None else f"; {behind.told(now)}"
    found = await _look(settings, waits)
    if behind is not None and behind.is_late(now):
        raise Suspicious(
            found + waits,
            "Is the bridge running? `bus_trouble` and `feed_not_published` in its log say what holds them up.",
        )
    return found + waits


async def _look(settings: Settings, waits: str) -> str:
    client, seen = Client(), list[Exception]()

    async def erred(error: Exception) -> None:
        seen.append(error)

    given: dict[str, Any] = {}
    if settings.credentials_file is not None:
        credentials = _credentials(settings.credentials_file, waits)
        given |= {"user_jwt_cb": credentials.shown, "signature_cb": credentials.signed}
    try:
        async with asyncio.timeout(ALL_WITHIN):
            await client.connect(
                [server.get_secret_value() for server in settings.servers],
                name="festimo-doctor",
                error_cb=erred,
                connect_timeout=ANSWER_WITHIN,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                **given,
            )
            bus = client.jetstream(timeout=ANSWER_WITHIN)
            await bus.account_info()
            subjects = (settings.events_subject, settings.feed_subject)
            missing = [name for name in map(stream_of, subjects) if not await _has(bus, name)]
    except (NatsError, OSError, TimeoutError) as error:
        what, fix = _explained([*seen, error])
        raise _unusable(what + waits, fix) from error
    finally:
        if not client.is_closed:
            await client.close()
    if missing:
        return f"reached, with JetStream; {' and '.join(missing)} will be made by the bridge"
    return "reached, with JetStream and both streams"


async def _has(bus: JetStreamContext, stream: str) -> bool:
    try:
        await bus.stream_info(stream)
    except NotFoundError:
        return False
    return True


def _credentials(path: str, waits: str) -> Credentials:
    fix = "Name a file of NATS credentials there, as `nsc` writes it, that the bridge's user may read."
    try:
        return Credentials.read(path)
    except CredentialsUnusable as error:
        raise _unusable(f"`bus.credentials_file` holds no credentials of a user{waits}", fix) from error
    except OSError as error:
        raise _unusable(f"`bus.credentials_file` cannot be read: {error.strerror}{waits}", fix) from error


def _explained(errors: Sequence[Exception]) -> tuple[str, str]:
    """What it is, and what to do. Never with an address, which may hold a password."""
    if any(_is_about_permission(error) for error in errors):
        return (
            "NATS does not let the bridge in",
            "Correct user and password in `bus.servers`, or `bus.credentials_file`, and what NATS permits them.",
        )
    if isinstance(errors[-1], ServiceUnavailableError):
        return (
            "NATS is there, but without JetStream",
            "Start it with JetStream (`nats-server -js`), and let the bridge's account use it.",
        )
    return (
        f"No server of `bus.servers` answers ({type(errors[0]).__name__})",
        "Check the addresses, and that NATS runs. Nothing is lost meanwhile: the bridge waits for it.",
    )


def _unusable(what: str, fix: str) -> CannotStart:
    return CannotStart(Reason.BUS_UNREACHABLE, f"{what}.", fix)


def _is_about_permission(error: Exception) -> bool:
    told = str(error).lower()
    return isinstance(error, AuthorizationError) or "authorization" in told or "permissions violation" in told
