"""Who asks: what the Authorization header holds. Says the same to everybody it does not know."""

import re
from collections.abc import Mapping
from typing import Protocol

from aiohttp import hdrs

from bridge.core.caller import Caller, CallerRole
from bridge.core.errors import Refusal

_BEARER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


class Unauthorized(Refusal):
    code = "unauthorized"


class Forbidden(Refusal):
    code = "forbidden"


class Door(Protocol):
    """One kind of credential."""

    async def caller_of(self, token: str) -> Caller | None:
        """Whom it stands for; None for anything that is none of this kind, or no valid one."""
        ...

    async def still_holds(self, caller: Caller) -> bool:
        """Whether this door would let the caller in once more, by what they showed then."""
        ...


class Credentials:
    """All kinds. A connection that stays open asks `still_holds` from time to time, and ends when it no longer does."""

    def __init__(self, *doors: Door) -> None:
        self._doors = doors

    async def caller_of(self, token: str) -> Caller | None:
        for door in self._doors:
            caller = await door.caller_of(token)
            if caller is not None:
                return caller
        return None

    async def still_holds(self, caller: Caller) -> bool:
        for door in self._doors:
            if await door.still_holds(caller):
                return True
        return False


def bearer_token(headers: Mapping[str, str]) -> str | None:
    match = _BEARER.fullmatch(headers.get(hdrs.AUTHORIZATION, ""))
    return match[1] if match else None


def unauthorized() -> Unauthorized:
    return Unauthorized(
        "No valid API key or token came with the request. Send `Authorization: Bearer ...`: a key, made by"
        " `festimo api-key create`, or a person's token."
    )


def forbidden(role: CallerRole) -> Forbidden:
    return Forbidden(f"This is not for a caller of the role {role}. Nothing was changed.")


def check_scope(caller: Caller, scope: str) -> None:
    if not caller.may_use(scope):
        raise Forbidden(f"This key has not the scope {scope}. Nothing was changed. Use a key that has it.")
