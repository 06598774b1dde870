"""Every error of ours as a problem document (RFC 9457). Refuses to repeat, or to log, what was submitted.

The Matrix endpoints under /_matrix/ have an error format of their own and pass through untouched.
"""

import json
import secrets
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from pydantic import ValidationError

from bridge.core.errors import Refusal
from bridge.storage.database import DatabaseError, DatabaseUnavailable, TransactionConflict
from bridge.web.pace import RateLimited

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OURS = ("/api/", "/messaging/", "/ws/")
CONTENT_TYPE = "application/problem+json"

INVALID_INPUT = "invalid_input"
INTERNAL_ERROR = "internal_error"
UNAVAILABLE = "unavailable"

# A refusal whose code is not listed is a conflict with the state of things.
STATUS_BY_CODE = {
    "malformed_request": HTTPStatus.BAD_REQUEST,
    "malformed_json": HTTPStatus.BAD_REQUEST,
    "signature_refused": HTTPStatus.UNAUTHORIZED,
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_yourself": HTTPStatus.FORBIDDEN,
    "not_an_owner": HTTPStatus.FORBIDDEN,
    "not_allowed": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "body_too_slow": HTTPStatus.REQUEST_TIMEOUT,
    "event_id_reused": HTTPStatus.CONFLICT,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "upgrade_required": HTTPStatus.UPGRADE_REQUIRED,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    INVALID_INPUT: HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_cursor": HTTPStatus.UNPROCESSABLE_ENTITY,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "text_blank": HTTPStatus.UNPROCESSABLE_ENTITY,
    "text_too_long": HTTPStatus.UNPROCESSABLE_ENTITY,
    "quote_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "poll_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "not_a_reaction": HTTPStatus.UNPROCESSABLE_ENTITY,
    "send_at_past": HTTPStatus.UNPROCESSABLE_ENTITY,
    "send_at_too_far": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_variable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_event": HTTPStatus.UNPROCESSABLE_ENTITY,
    "webhook_url_refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "too_many_connections": HTTPStatus.TOO_MANY_REQUESTS,
    INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
# RFC 9110, 15.5.2: a 401 names what would have been accepted.
_HEADERS_BY_CODE = {
    "signature_refused": {"WWW-Authenticate": "StandardWebhooks"},
    "unauthorized": {"WWW-Authenticate": 'Bearer realm="festimo"'},
    "upgrade_required": {"Upgrade": "websocket", "Connection": "Upgrade"},
}
_CODE_BY_HTTP_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}

# An answer stays readable, whatever was sent.
_MOST_ERRORS = 100
_LONGEST_FIELD = 200
_NO_ROUTE = "unmatched"
_RETRY_AFTER_OUTAGE = "5"  # seconds

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    code: str
    status: int
    detail: str
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    incident: str | None = None
    headers: Mapping[str, str] | None = None

    def response(self) -> web.Response:
        document: dict[str, object] = {
            "type": f"urn:festimo:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            document["field"] = self.field
        if self.errors:
            document["errors"] = [{"field": e.field, "detail": e.detail} for e in self.errors]
        if self.incident is not None:
            document["incident"] = self.incident
        # ASCII only: a field name may hold a lone surrogate, which UTF-8 cannot.
        body = json.dumps(document).encode("ascii")
        return web.Response(status=self.status, body=body, content_type=CONTENT_TYPE, headers=self.headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns whatever a handler of ours raises into a problem document."""
    if not request.path.startswith(OURS):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _from_http(request, error).response()
    except Exception as error:
        return problem_of(error, method=request.method, route=_route(request)).response()


def problem_of(error: Exception, *, method: str, route: str) -> Problem:
    """`method`, `route`: what was asked, for the log, where the fault is ours."""
    match error:
        case Refusal():
            return _from_refusal(error)
        case ValidationError():
            return _from_validation(error)
        case DatabaseUnavailable() | TransactionConflict():
            return _from_outage(error)
        case _:
            return _from_failure(error, method=method, route=route)


def refused(refusal: Refusal) -> web.Response:
    """For what refuses before a handler is reached."""
    return _from_refusal(refusal).response()


def _from_refusal(refusal: Refusal) -> Problem:
    headers = _HEADERS_BY_CODE.get(refusal.code)
    if isinstance(refusal, RateLimited):
        headers = {"Retry-After": str(refusal.retry_after)}
    return Problem(
        code=refusal.code,
        status=STATUS_BY_CODE.get(refusal.code, HTTPStatus.CONFLICT),
        detail=refusal.detail,
        field=refusal.field,
        headers=headers,
    )


def _from_validation(error: ValidationError) -> Problem:
    errors = field_errors(error)
    shown = errors[:_MOST_ERRORS]
    detail = "1 field is not valid" if len(errors) == 1 else f"{len(errors)} fields are not valid"
    detail += "; `errors` says what to correct. Nothing was changed."
    if len(shown) < len(errors):
        detail += f" The first {len(shown)} are listed."
    return Problem(
        code=INVALID_INPUT,
        status=STATUS_BY_CODE[INVALID_INPUT],
        detail=detail,
        field=errors[0].field if len(errors) == 1 else None,
        errors=shown,
    )


def _from_http(request: web.Request, error: web.HTTPException) -> Problem:
    code = _CODE_BY_HTTP_STATUS.get(error.status, "http_error")
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    match error.status:
        case 404:
            detail = "There is nothing at this path. Check it against the API's documentation."
        case 405:
            detail = f"{request.method} is not possible at this path; {headers.get('Allow', 'nothing')} is."
        case _:
            detail = f"The request was refused: {error.reason}."
    return Problem(code=code, status=error.status, detail=detail, headers=headers)


def _from_outage(error: DatabaseError) -> Problem:
    _log.error("request not kept", error=type(error).__qualname__)
    return Problem(
        code=UNAVAILABLE,
        status=STATUS_BY_CODE[UNAVAILABLE],
        detail="The database cannot be used at the moment. Nothing was changed. Send the same again later.",
        headers={"Retry-After": _RETRY_AFTER_OUTAGE},
    )


def _from_failure(error: Exception, *, method: str, route: str) -> Problem:
    incident = secrets.token_hex(8)
    # Neither the path nor the error's own words: either may repeat what was submitted.
    _log.error(
        "request failed",
        incident=incident,
        method=method,
        route=route,
        error=type(error).__qualname__,
        where=_frames(error),
    )
    return Problem(
        code=INTERNAL_ERROR,
        status=STATUS_BY_CODE[INTERNAL_ERROR],
        detail=f"This is a fault of ours. Try again; if it stays, tell the operator incident {incident}.",
        incident=incident,
    )


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else _NO_ROUTE


def _frames(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """Path and reason of everything wrong, without the values."""
    return tuple(
        FieldError(field=_path(found["loc"]), detail=_detail(found["type"], found["msg"]))
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    )


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    path = path.removeprefix(".")
    return path if len(path) <= _LONGEST_FIELD else path[: _LONGEST_FIELD - 1] + "…"


def _detail(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "Missing."
        case "extra_forbidden":
            return "Unknown field. Check its spelling, or leave it out."
        case "value_error":
            message = message.removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."
