"""What is sent: JSON of ids, the same at each attempt; and the schema by which it is documented."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.core.ids import TenantId
from bridge.feed.kinds import KINDS
from bridge.vendors.events import VendorEvent
from bridge.web.fields import rfc3339
from bridge.webhooks.model import TEST, Happened

Json = dict[str, Any]

TYPE = "application/json"
ID: Json = {"type": "string", "minLength": 1}
_MEANINGS = {
    "webhook-id": "the event's id: the same however often it is sent; take each once",
    "webhook-timestamp": "when this attempt was made, in seconds since the epoch",
    "webhook-signature": "Standard Webhooks, `v1`; two of them, with a space between, while the secret is rotated",
}
HEADERS: Mapping[str, Json] = {
    name: {"name": name, "in": "header", "required": True, "description": meaning, "schema": ID}
    for name, meaning in _MEANINGS.items()
}
"""By name, as parameters of the OpenAPI document."""
_ANSWERS = {
    "2XX": "It is taken. What the body says is not read.",
    "410": "Nobody wants it any more: the webhook is disabled.",
    "default": "It is tried again on the schedule of docs/webhooks.md. Redirects are not followed.",
}


def body_of(tenant_id: TenantId, one: Happened) -> str:
    data = dict(one.about)
    if one.conversation_id is not None:
        data["conversation_id"] = one.conversation_id
    return json.dumps(
        {
            "type": one.event,
            "id": one.event_id,
            "timestamp": rfc3339(one.occurred_at),
            "tenant_id": tenant_id,
            "sequence": one.number,
            "data": data,
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


def known_events() -> Mapping[str, frozenset[str]]:
    """Each event, and the ids that come with it."""
    known: dict[str, frozenset[str]] = {}
    for kind, keeps in _told():
        known[kind] = known.get(kind, keeps) & keeps
    return known


def data_schema(ids: list[str]) -> Json:
    """Of what comes with an event, by whatever way programs are told of it."""
    return {"type": "object", "properties": dict.fromkeys(ids, ID), "required": ids}


def document() -> Json:
    """The part `webhooks` of the OpenAPI document."""
    described = {event: sorted(ids) for event, ids in sorted(known_events().items())}
    return {event: _webhook(event, ids) for event, ids in (described | {TEST: []}).items()}


def _told() -> Iterator[tuple[str, frozenset[str]]]:
    for event, kind in KINDS.items():
        if kind.private:
            continue
        ids = set(kind.keeps)
        if not issubclass(event, VendorEvent):
            ids.add("conversation_id")
        for name in kind.events:
            yield name, frozenset(ids)


def _webhook(event: str, ids: list[str]) -> Json:
    return {
        "post": {
            "operationId": f"webhook.{event}",
            "tags": ["webhooks"],
            "summary": f"`{event}` happened",
            "security": [{"webhook_signature": []}],
            "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS],
            "requestBody": {"required": True, "content": {TYPE: {"schema": _schema(event, ids)}}},
            "responses": {status: {"description": meaning} for status, meaning in _ANSWERS.items()},
        }
    }


def _schema(event: str, ids: list[str]) -> Json:
    properties: Json = {
        "type": {"const": event},
        "id": {**ID, "description": "`webhook-id`"},
        "timestamp": {"type": "string", "format": "date-time", "description": "when it happened"},
        "tenant_id": ID,
        "sequence": {
            "type": "integer",
            "minimum": 0,
            "description": "counts what happened in the conversation (or to the vendor): 1, 2, 3 ..., also what this"
            " webhook is not told; 0 of a test",
        },
        "data": data_schema(ids),
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
