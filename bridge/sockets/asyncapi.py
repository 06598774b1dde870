"""What the AsyncAPI document says of the WebSockets: made of the frames that are taken and of the models that tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.sockets.api import PATHS, PROTOCOL, SCOPES, Asked
from bridge.sockets.commands import COMMANDS
from bridge.sockets.endings import ALL as ENDINGS
from bridge.sockets.frames import FRAMES, NOTICES
from bridge.sockets.protocol import Error
from bridge.sockets.scope import Kind
from bridge.sockets.signals import PRESENCE_SCOPE, TYPING_SCOPE
from bridge.sockets.vendors import TOLD
from bridge.sockets.views import CursorFrame, PresenceFrame, TypingIndicator, Welcome
from bridge.web.asyncapi import Json, Message, Part, named, those
from bridge.web.openapi import Untitled

SERVER = "websockets"


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


def part() -> Part:
    told = {message.name: message for channel in _CHANNELS.values() for message in (*_ALWAYS, *channel.tells)}
    return Part(
        servers={
            SERVER: {
                "host": "{host}",
                "protocol": "wss",
                "description": "The bridge: where its REST API is, too. docs/websockets.md tells more.",
                "variables": {"host": {"default": "localhost", "description": "the bridge's public name"}},
            }
        },
        channels={channel.name: _channel(kind, channel) for kind, channel in _CHANNELS.items()},
        operations={
            operation: value
            for channel in _CHANNELS.values()
            for operation, value in _operations(channel).items()
        },
        messages=(*told.values(), *_TAKEN, *_ACKS, _ERROR),
    )


def _channel(kind: Kind, channel: Channel) -> Json:
    messages = (*_ALWAYS, *channel.tells, *_TAKEN, *_ACKS, _ERROR)
    return {
        "address": PATHS[kind].replace("{id}", f"{{{channel.parameter}}}"),
        "description": f"Tells {channel.about}.",
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "parameters": {channel.parameter: {"description": f"the id of {channel.of}"}},
        "messages": named(messages),
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
    here = {"$ref": f"#/channels/{channel.name}"}
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("api_key", "token")]
    return {
        f"{channel.name}.tell": {
            "action": "send",
            "channel": here,
            "summary": f"Tells {channel.about}",
            "security": security,
            "messages": those(channel.name, (*_ALWAYS, *channel.tells)),
        },
        f"{channel.name}.take": {
            "action": "receive",
            "channel": here,
            "summary": "Takes frames, and answers each by its `id`",
            "security": security,
            "messages": those(channel.name, _TAKEN),
            "reply": {"channel": here, "messages": those(channel.name, (*_ACKS, _ERROR))},
        },
    }
