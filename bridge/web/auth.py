"""Who asks: the API key in the Authorization header. Says the same to everybody it does not know."""

import re
from collections.abc import Mapping

from aiohttp import hdrs

from bridge.core.caller import CallerRole
from bridge.core.errors import Refusal

_BEARER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


class Unauthorized(Refusal):
    code = "unauthorized"


class Forbidden(Refusal):
    code = "forbidden"


def bearer_token(headers: Mapping[str, str]) -> str | None:
    match = _BEARER.fullmatch(headers.get(hdrs.AUTHORIZATION, ""))
    return match[1] if match else None


def unauthorized() -> Unauthorized:
    return Unauthorized(
        "No valid API key came with the request. Send `Authorization: Bearer festimo_...`; `festimo api-key create`"
        " makes a key."
    )


def forbidden(role: CallerRole) -> Forbidden:
    return Forbidden(f"This is not for a caller of the role {role}. Nothing was changed.")
