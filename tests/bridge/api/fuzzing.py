"""Hooks of schemathesis: who it is, and the rules that JSON Schema has no words for. It loads this file by itself."""

import os
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import requests
import schemathesis
from hypothesis import strategies as st

from bridge.web.idempotency import PATTERN
from tests.bridge.api.requests import SOON
from tests.bridge.platform.sender import NEW, sign

CURSORS = {"cursor", "before", "after"}
CURSOR = re.compile(r"[A-Za-z0-9_-]{1,400}")
PLACES = ("before", "before_message_id", "after")
CONVERSATIONS = ("conversation_id", "conversationId", "channelId")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
NAME_A_READER = (
    "/api/v1/conversations/unread",
    "/api/v1/bookmarks",
    "/api/v1/messages/{message_id}/bookmark",
)
NAME_SOMEBODY = ("/read", "/typing", "/presence")
"""Paths of what a program does for somebody, and has to say for whom."""
NAME_NO_SENDER = ("/api/v1/quick-replies", "/api/v1/scheduled-messages", "/api/v1/leads")
SAID = {"text", "quick_reply_id", "emoji", "poll", "location", "answers", "items", "revision"}
"""Fields of what somebody says, and a program has to say who."""
AnyCase: TypeAlias = "schemathesis.Case[Any]"
given: set[tuple[str, str]] = set()


class Credentials(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = request.path_url.partition("?")[0]
        if request.method == "POST" and path in ("/api/v1/events", "/api/v1/events/batch"):
            body = request.body or b""
            assert isinstance(body, str | bytes)
            request.headers.update(sign(body.encode() if isinstance(body, str) else body, secret=NEW))
        else:
            request.headers["Authorization"] = f"Bearer {os.environ['FESTIMO_KEY']}"
        return request


schemathesis.auth.set_from_requests(Credentials())  # type: ignore[attr-defined] # it is a registry too
# Years that every zone can tell.
schemathesis.openapi.format(
    "date-time",
    st.integers(0, 250_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat()),
)


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: AnyCase, __: dict[str, Any]) -> None:
    """Cursors are made by us, for one list: nobody can think one up. An Idempotency-Key is new for each request."""
    query: dict[str, Any] = case.query or {}
    for name in CURSORS & set(query):
        value = query[name]
        if isinstance(value, str) and CURSOR.fullmatch(value) and (_list(case), value) not in given:
            del query[name]
    if isinstance(case.body, dict) and isinstance(case.body.get("cursor"), str):
        del case.body["cursor"]
    for one_of in (PLACES, CONVERSATIONS if case.path == "/api/v1/messages" else ()):
        for name in [name for name in one_of if name in query][1:]:
            del query[name]
    if case.path == "/api/v1/messages" and case.method == "GET" and not query.keys() & set(CONVERSATIONS):
        case.query = query | {"conversationId": "unknown"}
    if {"before", "after"} <= query.keys():
        del query["after"]
    if "before_message_id" in query and {"before", "after"} & query.keys():
        del query["before_message_id"]
    if case.method == "DELETE" and query.get("for") == "me":
        query.setdefault("sender_id", "u-anna")
    if case.path in NAME_A_READER or "has_unread" in query:
        query.setdefault("participant_id", "u-anna")
        case.query = query
    if case.path.endswith("/reactions/{emoji}"):
        query.setdefault("sender_id", "u-anna")
        case.query = query
    if (
        case.path.endswith(NAME_SOMEBODY)
        and isinstance(case.body, dict)
        and case.body.get("participant_id") is None
    ):
        case.body["participant_id"] = "u-anna"
    if case.path.endswith("/search"):
        _name_a_word(query, case.body)
    if case.path.endswith("/rate") and isinstance(case.body, dict):
        case.body["host_id"] = case.body.get("host_id") or "u-anna"
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if isinstance(key, str) and re.fullmatch(PATTERN, key):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    if not case.path.startswith(NAME_NO_SENDER):
        _name_sender(case.body, forwarded=case.path.endswith("/forward"))
    _mend(case.body)


@schemathesis.hook
def after_call(_: schemathesis.HookContext, case: AnyCase, response: schemathesis.Response) -> None:
    """Remembers the cursors that were given out: the links bring them back."""
    is_json = any(kind.startswith("application/json") for kind in response.headers["content-type"])
    answer = response.json() if response.status_code == 200 and is_json else None
    if isinstance(answer, dict):
        given.update(
            (_list(case), str(answer[name])) for name in ("next_cursor", *CURSORS) if answer.get(name)
        )


def _list(case: AnyCase) -> str:
    filters = {name: value for name, value in (case.query or {}).items() if name not in CURSORS | {"limit"}}
    return f"{case.formatted_path}?{sorted(filters.items())}"


def _name_a_word(query: dict[str, Any], body: Any) -> None:
    """In what is looked for there is one."""
    for asked, name in ((query, "q"), (body, "words")):
        if isinstance(asked, dict) and isinstance(asked.get(name), str) and asked[name]:
            asked[name] = f"{asked[name][1:]}a"


def _name_sender(body: Any, *, forwarded: bool) -> None:
    """A program says who speaks."""
    if isinstance(body, dict) and (forwarded or SAID & body.keys()) and body.get("sender_id") is None:
        body["sender_id"] = "somebody"


def _mend(body: Any) -> None:
    """No two people of a list have the same id; nothing ends before it starts; what is said later is said soon."""
    if isinstance(body, dict) and isinstance(body.get("send_at"), str) and TIME.match(body["send_at"]):
        body["send_at"] = SOON
    if isinstance(body, dict) and isinstance(body.get("items"), list):
        _mend_offer(body)
    if isinstance(body, dict) and isinstance(body.get("url"), str) and body["url"].startswith("http"):
        body["url"] = "https://hooks.festipin.example/festimo"
    for value in _objects(body):
        for people in (value.get("hosts"), value.get("vendors")):
            seen: set[str] = set()
            for one in people if isinstance(people, list) else ():
                if isinstance(one, dict) and isinstance(one.get("id"), str):
                    one["id"] = f"another-{len(seen)}" if one["id"] in seen else one["id"]
                    seen.add(one["id"])
        if isinstance(value.get("time_zone"), str):
            value["time_zone"] = "Europe/Berlin"
        starts, ends = value.get("starts_at"), value.get("ends_at")
        if isinstance(starts, str) and isinstance(ends, str) and TIME.match(ends):
            value["ends_at"] = starts


def _mend_offer(body: dict[str, Any]) -> None:
    """What is offered comes to something, and not to another sum; and not before it is sent."""
    body.pop("total", None)
    for one in body["items"]:
        if isinstance(one, dict) and _is_whole(one.get("unit_price")):
            one["unit_price"] = int(abs(one["unit_price"])) % 1_000
    if _is_whole(body.get("tax")) and body["tax"] >= 0:
        body["tax"] = int(body["tax"]) % 1_000
    if isinstance(body.get("valid_until"), str) and TIME.match(body["valid_until"]):
        body["valid_until"] = SOON


def _is_whole(value: Any) -> bool:
    """To JSON Schema 12.0 is an integer."""
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _objects(part)
