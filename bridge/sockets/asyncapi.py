"""The AsyncAPI 3.0 document, made of the frames that are taken and of the models that frames are told by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bridge.sockets.api import PATHS, PROTOCOL, SCOPES, Asked
from bridge.sockets.commands import COMMANDS
from bridge.sockets.endings import ALL as ENDINGS
from bridge.sockets.frames import FRAMES, NOTICES
from bridge.sockets.protocol import Error
from bridge.sockets.scope import Kind
from bridge.sockets.signals import PRESENCE_SCOPE, TYPING_SCOPE
from bridge.sockets.vendors import TOLD
from bridge.sockets.views import CursorFrame, PresenceFrame, TypingIndicator, Welcome
from bridge.web.openapi import REF, SECURITY, VERSION, Untitled, set_limits

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A type of frame. `name`: of it in the document; `kind`: its `type`; `scope`: what a key needs for it."""

    name: str
    kind: str
    model: type[BaseModel]
    summary: str
    mode: JsonSchemaMode = "serialization"
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """`of`: what its parameter is the id of."""

    name: str
    parameter: str
    of: str
    about: str
    tells: Sequence[Message]


_ALWAYS = (
    Message("welcome", "welcome", Welcome, "the first frame"),
    Message("cursor", "cursor", CursorFrame, "nothing concerned you for long: your cursor, fresh"),
)
_HAPPENED = {kind: Message(kind, one.name, one.model, one.when) for kind, one in FRAMES.items()}
_NOTICED = [
    Message(f"{one.name}.notice", one.name, one.model, one.when)
    for one in {one.name: one for one in NOTICES.values()}.values()
]
_SIGNALS = (
    Message(
        "typing.indicator",
        "typing.indicator",
        TypingIndicator,
        "somebody else types, or has ended to: by sending it, by stopping, after 10 seconds",
        scope=TYPING_SCOPE,
    ),
    Message(
        "presence.changed",
        "presence.changed",
        PresenceFrame,
        "a participant is there, is away or has gone",
        scope=PRESENCE_SCOPE,
    ),
)
_TAKEN = [
    Message(
        f"client.{one.name}",
        one.name,
        one.frame,
        " ".join((one.frame.__doc__ or "").split()),
        mode="validation",
        scope=None if one.does is None else one.does.scope,
    )
    for one in COMMANDS
]
_ACKS = [
    Message(f"{one.name}.ack", "ack", one.ack, f"the answer to `{one.name}` with the same `id`")
    for one in COMMANDS
]
_ERROR = Message(
    "error", "error", Error, "your frame of the same `id` was not taken, and nothing was changed"
)


def _happened(of: Kind) -> list[Message]:
    return [message for kind, message in _HAPPENED.items() if kind not in TOLD or of in TOLD[kind]]


_CHANNELS: Mapping[Kind, Channel] = {
    "party": Channel(
        "communication",
        "party_id",
        "a party, or of one conversation: a direct inquiry and support have no party, and groups may have none",
        "what happens in a party's conversations, or in one conversation, and to their vendors",
        [*_happened("party"), *_SIGNALS],
    ),
    "vendor": Channel(
        "vendor",
        "vendor_id",
        "a vendor",
        "what happens in a vendor's conversations, groups and support among them, and to the vendor",
        [*_happened("vendor"), *_SIGNALS],
    ),
    "user": Channel(
        "notifications",
        "user_id",
        "a person",
        "which of a person's conversations look different now, without what was said, and which vendors are there",
        _NOTICED,
    ),
}


def document(*, limits: Mapping[str, int]) -> Json:
    """`limits`: what the operator has set, by the names that `bridge.web.fields` gives them."""
    told = {message.name: message for channel in _CHANNELS.values() for message in (*_ALWAYS, *channel.tells)}
    messages = [*told.values(), *_TAKEN, *_ACKS, _ERROR]
    references, definitions = models_json_schema(
        list({(message.model, message.mode): None for message in messages}),
        ref_template=REF,
        schema_generator=Untitled,
    )
    made: Json = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Festimo Bridge: WebSockets",
            "version": VERSION,
            "description": "What happens in one's conversations, as it happens, and on from where one was. Each frame"
            " is a JSON object; `type` tells them apart. docs/websockets.md tells more.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(kind, channel) for kind, channel in _CHANNELS.items()},
        "operations": {
            operation: value
            for channel in _CHANNELS.values()
            for operation, value in _operations(channel).items()
        },
        "components": {
            "messages": {message.name: _message(message, references) for message in messages},
            "schemas": dict(sorted(definitions["$defs"].items())),
            "securitySchemes": {name: SECURITY[name] for name in ("api_key", "token")},
        },
    }
    set_limits(made, limits)
    return made


def _channel(kind: Kind, channel: Channel) -> Json:
    messages = (*_ALWAYS, *channel.tells, *_TAKEN, *_ACKS, _ERROR)
    return {
        "address": PATHS[kind].replace("{id}", f"{{{channel.parameter}}}"),
        "description": f"Tells {channel.about}.",
        "parameters": {channel.parameter: {"description": f"the id of {channel.of}"}},
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"} for message in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": Asked.model_json_schema(schema_generator=Untitled),
                "headers": {
                    "type": "object",
                    "properties": {
                        "Authorization": {
                            "type": "string",
                            "description": "`Bearer ...`: an API key or a token",
                        },
                        "Sec-WebSocket-Protocol": {
                            "type": "string",
                            "description": f"where no Authorization can be set: `{PROTOCOL}, bearer.<token>`",
                        },
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-scopes": list(SCOPES),
        "x-close-codes": {str(ending.code): ending.reason for ending in ENDINGS},
    }


def _operations(channel: Channel) -> Json:
    """Ours, as AsyncAPI has it: we send what happens, and receive what clients ask."""

    def those(messages: Iterable[Message]) -> list[Json]:
        return [{"$ref": f"#/channels/{channel.name}/messages/{message.name}"} for message in messages]

    here = {"$ref": f"#/channels/{channel.name}"}
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("api_key", "token")]
    return {
        f"{channel.name}.tell": {
            "action": "send",
            "channel": here,
            "summary": f"Tells {channel.about}",
            "security": security,
            "messages": those((*_ALWAYS, *channel.tells)),
        },
        f"{channel.name}.take": {
            "action": "receive",
            "channel": here,
            "summary": "Takes frames, and answers each by its `id`",
            "security": security,
            "messages": those(_TAKEN),
            "reply": {"channel": here, "messages": those((*_ACKS, _ERROR))},
        },
    }


def _message(message: Message, references: Mapping[Any, Json]) -> Json:
    made: Json = {
        "name": message.kind,
        "summary": message.summary,
        "payload": {
            "allOf": [
                references[message.model, message.mode],
                {"type": "object", "properties": {"type": {"const": message.kind}}},
            ]
        },
    }
    return made if message.scope is None else {**made, "x-scope": message.scope}
