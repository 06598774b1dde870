"""What is on a real bus, in and out, is what the AsyncAPI document says: the same as by HTTP and by webhooks."""

import json

from bridge.platform.bus import asyncapi as documented
from bridge.platform.bus.service import stream_of
from bridge.platform.events import MODEL_BY_TYPE, Unknown
from bridge.platform.rest import openapi
from bridge.webhooks.payload import known_events
from tests.bridge.api.world import MAX_TEXT_LENGTH
from tests.bridge.platform.bus.rig import Rig, until
from tests.bridge.platform.sender import (
    booking_told,
    event,
    host,
    message_send,
    payment_received,
    plan_completed,
    review_created,
    user_deleted,
    user_updated,
    vendor,
    vendor_selected,
    vendor_status,
    vendor_updated,
)
from tests.bridge.sockets.documented import DOCUMENT, validator
from tests.databases import one_database

pytestmark = one_database

EVENTS = (
    plan_completed(),
    vendor_selected(),
    *(booking_told(kind) for kind in ("requested", "confirmed", "changed", "completed", "cancelled")),
    payment_received(),
    message_send("8 pm?"),
    event("lead.created", {"lead_id": "l-1", "title": "A cake", "host": host(), "vendor": vendor()}),
    vendor_updated(business_name="Sweeter Bites"),
    vendor_status("away"),
    review_created(party_id="p-1"),
    user_updated(name="Anna Berg"),
    user_deleted(),
    event("party.moved", {"to": ["anywhere", 5]}),
)

SCHEMAS = DOCUMENT["components"]["schemas"]


def messages(channel: str) -> set[str]:
    return set(DOCUMENT["channels"][channel]["messages"])


async def test_what_is_taken_is_documented(rig: Rig) -> None:
    """Every type that there is; the stream has what was published, the inbox what became of it."""
    numbered = [one | {"id": f"evt-{number}"} for number, one in enumerate(EVENTS)]
    async with rig.connected():
        await rig.tell(*numbered)
        await rig.taken()
    stream = stream_of(rig.settings.events_subject)
    seen = set()
    for number in range(1, len(numbered) + 1):
        message = await rig.bus.get_msg(stream, number)
        assert message.subject == address(documented.IN, rig.settings.events_subject, tenant_id="festipin")
        said = json.loads(message.data or b"")
        name = f"event.{said['type']}" if said["type"] in MODEL_BY_TYPE else "event.unknown"
        validator(name).validate(said)
        assert not any(validator(other).is_valid(said) for other in messages(documented.IN) - {name})
        seen.add(name)
    assert seen == messages(documented.IN)
    await rig.platform.apply()
    assert await rig.platform.failures() == ["unknown event type party.moved"]


async def test_what_is_documented_otherwise_is_not_taken(rig: Rig) -> None:
    wrong = vendor_selected() | {"data": {"party": "p-1"}}
    async with rig.connected():
        await rig.tell(wrong)
        await rig.taken()
    assert not any(validator(name).is_valid(wrong) for name in messages(documented.IN))
    (failure,) = await rig.platform.failures()
    assert failure.startswith("invalid_input: data.")


async def test_what_is_told_is_documented(rig: Rig) -> None:
    numbered = [one | {"id": f"evt-{number}"} for number, one in enumerate(EVENTS[:-2])]
    async with rig.connected():
        await rig.tell(*numbered)
        await rig.taken()
        await rig.platform.apply()
        entries = await rig.entries()

        async def all_are_there() -> bool:
            return len(await rig.published()) == len(entries)

        await until(all_are_there)
    told = await rig.published()
    kinds = {one["type"] for one in told}
    assert {"conversation.created", "message.sent", "booking.updated", "vendor.rated"} <= kinds
    for one in told:
        subject = one.pop("on")
        of_kind = {"tenant_id": "festipin", "type": one["type"]}
        assert subject == address(documented.OUT, rig.settings.feed_subject, **of_kind)
        validator(f"feed.{one['type']}").validate(one)
        assert set(one) == set(SCHEMAS["FeedEvent"]["properties"])
        assert set(one["data"]) == ids(one["type"])
    first = await rig.bus.get_msg(stream_of(rig.settings.feed_subject), 1)
    (header,) = SCHEMAS["FeedHeaders"]["required"]
    assert (first.headers or {})[header] == told[0]["id"]


def address(channel: str, subject: str, **parameters: str) -> str:
    """As documented, under this subject in place of the default."""
    made: str = DOCUMENT["channels"][channel]["address"].format(**parameters)
    default = {documented.IN: "festimo.events", documented.OUT: "festimo.feed"}[channel]
    assert made.startswith(f"{default}.")
    return subject + made.removeprefix(default)


def ids(event_type: str) -> set[str]:
    """What the document names in its `data`; more would be no error."""
    schema, _ = DOCUMENT["components"]["messages"][f"feed.{event_type}"]["payload"]["allOf"]
    return set(schema["properties"]["data"]["properties"])


def test_the_bus_takes_what_http_takes_and_tells_what_webhooks_tell() -> None:
    by_http = openapi(max_text_length=MAX_TEXT_LENGTH)
    schemas = by_http["components"]["schemas"]
    for model in (*MODEL_BY_TYPE.values(), Unknown):
        assert SCHEMAS[model.__name__] == schemas[model.__name__]
    assert messages(documented.OUT) == {f"feed.{one}" for one in known_events()}
    for one in known_events():
        body = by_http["webhooks"][one]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert ids(one) == set(body["properties"]["data"]["properties"])
