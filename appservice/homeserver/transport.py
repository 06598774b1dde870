"""One request to the homeserver, and what its answer means: nothing of what is asked.

One attempt each: whether to try again is decided by who called, who has the outbox to do it with.
"""

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlencode

import aiohttp
from mautrix.api import Method
from yarl import URL

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
"""Of every request, in s: Synapse asks other servers for keys for 10 s, and may be slow to make a room."""


class HomeserverRefused(Exception):
    """The homeserver understood the request and refuses it: the same request will be refused again."""

    def __init__(self, status: int, errcode: str, message: str) -> None:
        super().__init__(f"{status} {errcode}")  # the message may quote what was sent
        self.status = status
        self.errcode = errcode
        self.message = message


class HomeserverUnavailable(Exception):
    """No answer, or one that says to come later.

    `retry_after`: ms the homeserver asked for, if it did; `errcode`: its code for what is wrong, if it gave one;
    `status_behind`: what a third party told the homeserver, where it passes that on.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: int | None = None,
        errcode: str | None = None,
        status_behind: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.errcode = errcode
        self.status_behind = status_behind


class Api:
    """Sends requests with one token, or none. mautrix' own sender takes longer to log a request than to make it."""

    def __init__(self, url: str, token: str | None, *, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.session = session
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self.date: str | None = None
        """The `Date` header of the last answer."""

    async def request(
        self,
        method: Method,
        path: Any,
        body: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        if body is None and method is not Method.GET:
            body = b"{}"
        url = URL(f"{self.url}/{str(path).lstrip('/')}?{urlencode(query or {})}", encoded=True)
        try:
            async with self.session.request(
                method.value, url, data=body, headers={**self._headers, **(headers or {})}
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HomeserverUnavailable(f"no answer from the homeserver ({type(error).__name__})") from error
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if response.status == 429 or response.status >= 500 or not isinstance(answer, dict | list):
            raise HomeserverUnavailable(
                f"the homeserver answered {response.status}",
                retry_after=_retry_after(response, answer),
                errcode=str(answer["errcode"]) if isinstance(answer, dict) and "errcode" in answer else None,
                status_behind=answer.get("status") if isinstance(answer, dict) else None,
            )
        self.date = response.headers.get("Date")
        if response.status >= 400:
            told = answer if isinstance(answer, dict) else {}
            raise HomeserverRefused(
                response.status, str(told.get("errcode", "M_UNKNOWN")), str(told.get("error", ""))
            )
        return answer


def _retry_after(response: aiohttp.ClientResponse, answer: Any) -> int | None:
    """In ms, from the `Retry-After` header (seconds) or the older `retry_after_ms` field."""
    header = response.headers.get("Retry-After", "")
    if header.isdecimal():
        return int(header) * 1000
    field = answer.get("retry_after_ms") if isinstance(answer, dict) else None
    return field if isinstance(field, int) else None


def shaped(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """An answer without what it must hold comes from something in between: no answer of the homeserver."""

    @functools.wraps(call)
    async def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise HomeserverUnavailable(f"an answer without {error}, perhaps of a proxy") from error

    return checked


def as_json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
