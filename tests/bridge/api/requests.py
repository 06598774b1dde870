"""What the tests ask for."""

import io
import json
from typing import Any

from tests.bridge.api.client import Answer, Api
from tests.bridge.platform.sender import encode, host, party, sign, vendor, vendor_selected

CONVERSATIONS = "/api/v1/conversations"
EVENTS = "/api/v1/events"
CONTEXT: dict[str, Any] = {
    "subject": "The wedding cake",
    "description": "Three tiers,\nno nuts",
    "category": "food",
    "tags": ["cake", "urgent"],
    "priority": "high",
    "metadata": {"guests": 80, "vegan": True, "note": None},
    "booking_ids": ["b-1", "b-2"],
    "event_id": "evt-9",
    "lead_id": "lead-9",
    "service_type": "catering",
}
"""All that a conversation may be about."""


def pair(party_id: str = "p-1", vendor_id: str = "v-1") -> dict[str, Any]:
    return {"party": party() | {"id": party_id}, "vendor": vendor(vendor_id)}


async def opened(api: Api, party_id: str = "p-1", vendor_id: str = "v-1") -> str:
    """The id of the conversation."""
    answer = await api.post(CONVERSATIONS, pair(party_id, vendor_id))
    assert answer.status in (200, 201), answer.json
    return str(answer.json["conversation_id"])


def group(*people: dict[str, Any]) -> dict[str, Any]:
    return {"title": "Surprise!", "owner": host() | {"role": "host"}, "participants": list(people)}


async def group_opened(api: Api, *people: dict[str, Any]) -> str:
    """The id of a conversation that Anna owns."""
    answer = await api.post(f"{CONVERSATIONS}/groups", group(*people))
    assert answer.status == 201, answer.json
    return str(answer.json["conversation_id"])


async def sent_with(api: Api, method: str, path: str, body: object, params: dict[str, str]) -> Answer:
    """As `Api.send`, with parameters in the query."""
    data = io.BytesIO(json.dumps(body).encode())
    headers = {"Content-Type": "application/json"}
    return await api.request(method, path, data=data, params=params, headers=headers)


def messages_of(conversation_id: str) -> str:
    return f"{CONVERSATIONS}/{conversation_id}/messages"


async def said(api: Api, conversation_id: str, text: str = "Hello", **headers: str) -> Answer:
    return await api.post(messages_of(conversation_id), {"sender_id": host()["id"], "text": text}, **headers)


SOON = "2027-01-15T09:00:00Z"
"""An hour after the world's clock begins."""


async def scheduled(
    api: Api, conversation_id: str, text: str = "Later", send_at: str = SOON, **more: Any
) -> Answer:
    body = {"sender_id": host()["id"], "text": text, "send_at": send_at} | more
    return await api.post(messages_of(conversation_id), body)


def poll(*answers: str, **more: Any) -> dict[str, Any]:
    """What Anna asks."""
    asked = {"question": "Which menu?", "answers": list(answers or ("Vegan", "Meat"))} | more
    return {"sender_id": host()["id"], "message_type": "poll", "poll": asked}


async def asked(api: Api, conversation_id: str) -> Answer:
    return await api.post(messages_of(conversation_id), poll())


def quote(**more: Any) -> dict[str, Any]:
    """What Sweet Bites offers, for 3,840 euros."""
    items = [{"description": "Menu", "quantity": 80, "unit_price": 4_000}]
    offered = {"title": "Catering", "items": items, "tax": 64_000, "currency": "EUR"}
    return {"sender_id": "v-1"} | offered | more


async def quoted(api: Api, conversation_id: str, **more: Any) -> Answer:
    return await api.post(f"{CONVERSATIONS}/{conversation_id}/quotes", quote(**more))


async def event_sent(api: Api, secret: str, event: dict[str, Any] | None = None) -> Answer:
    body = encode(vendor_selected() if event is None else event)
    headers = {name.replace("-", "_"): value for name, value in sign(body, secret=secret).items()}
    return await api.post(EVENTS, body, **headers)
