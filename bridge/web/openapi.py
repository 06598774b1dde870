"""The OpenAPI 3.1 document, made of the operations that are served."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from bridge.web import idempotency
from bridge.web.fields import LIMIT
from bridge.web.operations import JSON, Operation, Says
from bridge.web.problems import CONTENT_TYPE, STATUS_BY_CODE

Json = dict[str, Any]
AnyOperation = Operation[Any, Any]

VERSION = "1"
REF = "#/components/schemas/{model}"

_ALWAYS = ("forbidden", "internal_error", "unavailable")
_WITH_PARAMETERS = ("malformed_request", "invalid_input")
_WITH_BODY = (
    "malformed_json",
    "malformed_request",
    "body_too_slow",
    "body_too_large",
    "unsupported_media_type",
    "invalid_input",
)
_REFUSED_BY: dict[Literal["api_key", "signature"], str] = {
    "api_key": "unauthorized",
    "signature": "signature_refused",
}
_PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "stable; tell problems apart by this"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "for a person: what is wrong and what to do"},
        "field": {"type": "string", "description": "the field at fault, where it is one"},
        "errors": {
            "type": "array",
            "description": "every field at fault",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
                "additionalProperties": False,
            },
        },
        "incident": {"type": "string", "description": "what the operator finds a fault of ours by"},
    },
    "additionalProperties": False,
}
_RETRY_AFTER: Json = {
    "description": "seconds until it is worth while to ask again",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9]+$"},
}
SECURITY: Json = {
    "api_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "For programs: `Authorization: Bearer festimo_<key id>_<secret>`, made by `festimo api-key"
        " create`, for everything or for the scopes it names",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "For people and staff: a token of the tenant's sign-in service; see docs/auth.md",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks, with `webhook-id` and `webhook-timestamp`; see docs/events.md",
    },
    "webhook_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "What we sign with the webhook's own secret, per Standard Webhooks; see docs/webhooks.md",
    },
}


class Untitled(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(
    operations: Iterable[AnyOperation],
    *,
    limits: Mapping[str, int],
    webhooks: Mapping[str, Json],
    headers: Mapping[str, Json],
) -> Json:
    """`limits`: what the operator has set, by the names that `bridge.web.fields` gives them. `webhooks`: path items of
    what we send, with these `headers`."""
    operations = list(operations)
    schemas = _schemas(operations)
    paths: defaultdict[str, Json] = defaultdict(dict)
    by_name = {operation.name: operation for operation in operations}
    for operation in operations:
        paths[operation.path][operation.method.lower()] = _operation(operation, by_name, schemas)
    made: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Festimo Bridge",
            "version": VERSION,
            "description": "One end-to-end encrypted Matrix room per party and vendor, and this way into it.",
        },
        "paths": dict(paths),
        "webhooks": dict(webhooks),
        "components": {
            "schemas": {**schemas.components, "Problem": _PROBLEM},
            "parameters": dict(headers),
            "securitySchemes": SECURITY,
        },
    }
    set_limits(made, limits)
    return made


class _Schemas:
    def __init__(self, references: Mapping[Any, Json], components: Json) -> None:
        self._references = references
        self.components = components

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        return self._references[model, mode]


def _schemas(operations: Sequence[AnyOperation]) -> _Schemas:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for operation in operations:
        if operation.takes_body:
            wanted[operation.body, "validation"] = None
        for says in operation.answers.values():
            wanted[says.model, "serialization"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=REF, schema_generator=Untitled)
    return _Schemas(references, dict(sorted(definitions.get("$defs", {}).items())))


def _operation(operation: AnyOperation, by_name: Mapping[str, AnyOperation], schemas: _Schemas) -> Json:
    made: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _security(operation),
    }
    if operation.security == "api_key":
        made["x-roles"] = sorted(operation.roles)
        made["x-scope"] = operation.scope
    if operation.description:
        made["description"] = operation.description
    parameters = list(_parameters(operation))
    if parameters:
        made["parameters"] = parameters
    if operation.takes_body:
        schema = schemas.of(operation.body, "validation")
        content = {content_type: {"schema": schema} for content_type in operation.content_types}
        made["requestBody"] = {"required": True, "content": content}
    made["responses"] = {
        str(status.value): _success(operation, says, by_name, schemas)
        for status, says in operation.answers.items()
    } | _problems(operation)
    return made


def _security(operation: AnyOperation) -> list[Json]:
    if operation.security == "api_key" and operation.roles > {"service"}:
        return [{"api_key": []}, {"token": []}]
    return [{operation.security: []}]


def _parameters(operation: AnyOperation) -> Iterable[Json]:
    schema = operation.params.model_json_schema(schema_generator=Untitled)
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        in_path = name in operation.path_parameters
        parameter: Json = {"name": name, "in": "path" if in_path else "query", "required": name in required}
        value = _without_null(value)
        if "description" in value:
            parameter["description"] = value.pop("description")
        yield {**parameter, "schema": value}
    if operation.may_be_repeated:
        yield {
            "name": idempotency.HEADER,
            "in": "header",
            "required": False,
            "description": "Any text of your own, such as a UUID: the same request under the same key has its effect"
            " once and gets the same answer, for 24 hours at least.",
            "schema": {"type": "string", "pattern": idempotency.PATTERN},
        }


def _without_null(value: Json) -> Json:
    """A parameter that may be left out has no null in its place."""
    value = {key: part for key, part in value.items() if (key, part) != ("default", None)}
    choices = [choice for choice in value.pop("anyOf", ()) if choice != {"type": "null"}]
    return {**choices[0], **value} if choices else value


def _success(
    operation: AnyOperation, says: Says, by_name: Mapping[str, AnyOperation], schemas: _Schemas
) -> Json:
    headers = {
        name: {"description": meaning, "required": True, "schema": {"type": "string"}}
        for name, meaning in says.headers.items()
    }
    if operation.may_be_repeated:
        headers["Idempotency-Replayed"] = {
            "description": "The request was answered before, and this is that answer.",
            "schema": {"type": "string", "enum": ["true"]},
        }
    made: Json = {
        "description": says.meaning,
        "content": {JSON: {"schema": schemas.of(says.model, "serialization")}}
        | {other: {"schema": {"type": "string"}} for other in says.others},
    }
    if headers:
        made["headers"] = headers
    if operation.links:
        made["links"] = {
            name: {"operationId": by_name[name].name, "parameters": dict(parameters)}
            for name, parameters in operation.links.items()
        }
    return made


def _problems(operation: AnyOperation) -> Json:
    codes = [*operation.refusals, _REFUSED_BY[operation.security], *_ALWAYS]
    codes += ("rate_limited",) if operation.security == "api_key" else ()
    codes += _WITH_PARAMETERS if operation.security == "api_key" else ()
    codes += _WITH_BODY if operation.takes_body else ()
    codes += ("idempotency_key_reused",) if operation.may_be_repeated else ()
    by_status: defaultdict[int, set[str]] = defaultdict(set)
    for code in codes:
        by_status[STATUS_BY_CODE.get(code, HTTPStatus.CONFLICT)].add(code)
    described = {status: _problem(sorted(found)) for status, found in sorted(by_status.items())}
    if HTTPStatus.TOO_MANY_REQUESTS in described:
        described[HTTPStatus.TOO_MANY_REQUESTS]["headers"] = {"Retry-After": _RETRY_AFTER}
    return {str(int(status)): described[status] for status in described}


def _problem(codes: Sequence[str]) -> Json:
    types = [f"urn:festimo:problem:{code}" for code in codes]
    schema = {"$ref": REF.format(model="Problem"), "properties": {"type": {"enum": types}}}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {CONTENT_TYPE: {"schema": schema}},
    }


def set_limits(value: object, limits: Mapping[str, int]) -> None:
    if isinstance(value, dict):
        limit = value.pop(LIMIT, None)
        if limit in limits:
            value["maxLength"] = limits[limit]
        for part in value.values():
            set_limits(part, limits)
    elif isinstance(value, list):
        for part in value:
            set_limits(part, limits)
