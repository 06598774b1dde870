"""Reads a request's body within limits, and JSON without the corners on which two readers could disagree."""

import asyncio
import json
import math
import re
from collections.abc import Collection, Mapping

from aiohttp import hdrs, web

from bridge.core.errors import Refusal

MAX_BODY_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 64
READ_TIMEOUT_SECONDS = 30.0

_CHARSET = "utf-8"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyTooLarge(Refusal):
    code = "body_too_large"


class BodyTooSlow(Refusal):
    code = "body_too_slow"


class MalformedRequest(Refusal):
    code = "malformed_request"


class UnsupportedMediaType(Refusal):
    code = "unsupported_media_type"


class MalformedJson(Refusal):
    code = "malformed_json"


def require_content_type(request: web.Request, accepted: Collection[str]) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaType("The body is compressed. Send it without Content-Encoding.")
    # Not `request.content_type`, which makes up a type where none was sent.
    sent = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if sent not in accepted:
        raise UnsupportedMediaType(f"The Content-Type must be {' or '.join(accepted)}.")
    if (request.charset or _CHARSET).lower() not in (_CHARSET, "utf8"):
        raise UnsupportedMediaType("The body must be encoded in UTF-8.")


async def read_body(
    request: web.Request, *, limit: int = MAX_BODY_BYTES, seconds: float = READ_TIMEOUT_SECONDS
) -> bytes:
    """The whole body, never holding more than `limit` bytes of it."""
    too_large = f"The body is larger than {limit} bytes. Send less at once."
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(too_large)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise BodyTooLarge(too_large)
    except TimeoutError:
        raise BodyTooSlow(f"The body did not arrive within {seconds:g} seconds. Send it again.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise MalformedRequest("The body broke off or is not encoded as its headers say.") from None
    return bytes(body)


def decode_utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 (at byte {error.start}).") from None


def read_json(text: str) -> object:
    """The value of a JSON text, or `MalformedJson`.

    Stricter than the standard library: a name stands once in an object, numbers are finite, strings are
    Unicode, and nesting ends at `MAX_JSON_DEPTH`.
    """
    try:
        value: object = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedJson(f"The body is not JSON: {error.msg} ({place}).") from None
    except RecursionError:
        raise MalformedJson(_TOO_DEEP) from None
    except ValueError:
        # An integer of more digits than Python converts.
        raise MalformedJson("The body holds a number that is too long.") from None
    _check_shape(value)
    return value


_TOO_DEEP = f"The body is nested deeper than {MAX_JSON_DEPTH} levels."


def _object(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise MalformedJson("An object of the body holds the same name twice.")
    return members


def _no_constant(_: str) -> object:
    raise MalformedJson("The body holds NaN or Infinity, which JSON does not know.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedJson("The body holds a number that is too large.")
    return number


def _check_shape(value: object) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        children: list[object] = []
        for item in level:
            if isinstance(item, dict):
                children += item.keys()
                children += item.values()
            elif isinstance(item, list):
                children += item
            elif isinstance(item, str) and _LONE_SURROGATE.search(item):
                raise MalformedJson("A text of the body holds half a surrogate pair.")
        level = children
        if not level:
            return
    raise MalformedJson(_TOO_DEEP)
