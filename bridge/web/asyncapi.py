"""The AsyncAPI 3.0 document, put together of what each way of telling things says of itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bridge.web.openapi import REF, SECURITY, VERSION, Untitled, set_limits

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """`name`: of it in the document; `kind`: its `type`, None where that may be any; `payload`: its model or
    schema; `scope`: what a key needs for it; `more`: what else is to be said of it."""

    name: str
    kind: str | None
    payload: type[BaseModel] | Json
    summary: str
    mode: JsonSchemaMode = "serialization"
    scope: str | None = None
    more: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One way: by their names its server, channels and operations, and schemas of which there is no model."""

    servers: Json
    channels: Json
    operations: Json
    messages: Sequence[Message]
    schemas: Json = field(default_factory=dict)


def document(parts: Iterable[Part], *, title: str, about: str, limits: Mapping[str, int]) -> Json:
    """`limits`: what the operator has set, by the names that `bridge.web.fields` gives them."""
    parts = list(parts)
    messages = [message for part in parts for message in part.messages]
    models = {
        (message.payload, message.mode): None for message in messages if isinstance(message.payload, type)
    }
    references, definitions = models_json_schema(list(models), ref_template=REF, schema_generator=Untitled)
    schemas = definitions["$defs"] | {name: one for part in parts for name, one in part.schemas.items()}
    made: Json = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": VERSION, "description": about},
        "defaultContentType": "application/json",
        "servers": {name: one for part in parts for name, one in part.servers.items()},
        "channels": {name: one for part in parts for name, one in part.channels.items()},
        "operations": {name: one for part in parts for name, one in part.operations.items()},
        "components": {
            "messages": {message.name: _message(message, references) for message in messages},
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {name: SECURITY[name] for name in ("api_key", "token")},
        },
    }
    set_limits(made, limits)
    return made


def named(messages: Iterable[Message]) -> Json:
    """The `messages` of a channel."""
    return {message.name: {"$ref": f"#/components/messages/{message.name}"} for message in messages}


def those(channel: str, messages: Iterable[Message]) -> list[Json]:
    """The `messages` of an operation."""
    return [{"$ref": f"#/channels/{channel}/messages/{message.name}"} for message in messages]


def _message(message: Message, references: Mapping[Any, Json]) -> Json:
    payload = message.payload
    schema = references[payload, message.mode] if isinstance(payload, type) else payload
    if message.kind is not None:
        of_kind = {"type": "object", "properties": {"type": {"const": message.kind}}}
        schema = {"allOf": [schema, of_kind]}
    made: Json = {"name": message.kind or message.name, "summary": message.summary, "payload": schema}
    return made | message.more if message.scope is None else made | message.more | {"x-scope": message.scope}
