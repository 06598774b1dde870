"""What the AsyncAPI document says of the bus: the same events as by HTTP come in, the same as by webhooks go out.

Knows the subjects as they are by default, and nothing of NATS itself: to load that takes a second.
"""

from bridge.config.bus import Bus
from bridge.platform.events import MODEL_BY_TYPE, Unknown
from bridge.web.asyncapi import Json, Message, Part, named, those
from bridge.web.openapi import REF
from bridge.webhooks.payload import ID, data_schema, known_events

CLOUD_EVENT = "application/cloudevents+json"
SERVER = "bus"
IN, OUT = "bus.events", "bus.feed"

_SETTINGS = Bus()
_TENANT = {"tenant_id": {"description": "the id of the tenant"}}
_TAKEN = [
    Message(
        f"event.{kind}",
        kind,
        model,
        f"`{kind}` happened on the platform",
        mode="validation",
        more={"contentType": CLOUD_EVENT},
    )
    for kind, model in MODEL_BY_TYPE.items()
]
_UNKNOWN = Message(
    "event.unknown",
    None,
    Unknown,
    "of a type that this version does not apply: kept as it is",
    mode="validation",
    more={"contentType": CLOUD_EVENT},
)


_EVENT: Json = {
    "type": "object",
    "description": "A CloudEvent 1.0 of what happened.",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {**ID, "description": "the same however often it comes; take each once"},
        "source": {"const": "/festimo"},
        "type": ID,
        "time": {"type": "string", "format": "date-time", "description": "when it happened"},
        "subject": {**ID, "description": "the conversation, or the vendor, within which `sequence` counts"},
        "sequence": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "1, 2, 3 ... of `subject`"},
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    },
}
"""As `outgoing.body_of` makes it."""
_SCHEMAS: Json = {
    "FeedEvent": {**_EVENT, "required": [*_EVENT["properties"]]},
    "FeedHeaders": {
        "type": "object",
        "properties": {"Nats-Msg-Id": {**ID, "description": "the event's `id`"}},
        "required": ["Nats-Msg-Id"],
    },
}
_TOLD = [
    Message(
        f"feed.{event}",
        event,
        {
            "type": "object",
            "properties": {"data": data_schema(sorted(ids))},
            "allOf": [{"$ref": REF.format(model="FeedEvent")}],
        },
        f"`{event}` happened",
        more={"contentType": CLOUD_EVENT, "headers": {"$ref": REF.format(model="FeedHeaders")}},
    )
    for event, ids in sorted(known_events().items())
]


def part() -> Part:
    here = [{"$ref": f"#/servers/{SERVER}"}]
    return Part(
        servers={
            SERVER: {
                "host": "{host}",
                "protocol": "nats",
                "description": "NATS with JetStream, where `bus.servers` is configured. Its own permissions say who may"
                " publish and read what; nothing is signed. docs/events.md tells more.",
                "variables": {
                    "host": {"default": "127.0.0.1:4222", "description": "one of `bus.servers`"},
                },
            }
        },
        channels={
            IN: {
                "address": f"{_SETTINGS.events_subject}.{{tenant_id}}",
                "description": "Takes what happened on the platform, from the stream that keeps this subject"
                " (`bus.events_subject`), in its order.",
                "servers": here,
                "parameters": _TENANT,
                "messages": named((*_TAKEN, _UNKNOWN)),
            },
            OUT: {
                "address": f"{_SETTINGS.feed_subject}.{{tenant_id}}.{{type}}",
                "description": "Tells what happened, by ids: each at least once, into the stream that keeps this"
                " subject (`bus.feed_subject`), in one order.",
                "servers": here,
                "parameters": {
                    **_TENANT,
                    "type": {
                        "description": "of the event; it has dots",
                        "enum": [message.kind for message in _TOLD],
                        "location": "$message.payload#/type",
                    },
                },
                "messages": named(_TOLD),
            },
        },
        operations={
            f"{IN}.take": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{IN}"},
                "summary": "Takes events, each once, however often and by whichever way it comes",
                "messages": those(IN, (*_TAKEN, _UNKNOWN)),
            },
            f"{OUT}.tell": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{OUT}"},
                "summary": "Tells what happened",
                "messages": those(OUT, _TOLD),
            },
        },
        messages=(*_TAKEN, _UNKNOWN, *_TOLD),
        schemas=_SCHEMAS,
    )
