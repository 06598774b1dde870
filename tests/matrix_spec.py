"""Judges what we emit by the Matrix specification's own schemas, which lie outside of this repository.

They are read from the folder in MATRIX_SPEC_DIR, or from ../shared/matrix-spec beside the repository; without them the
checks skip. Schemas allow nearly any extra key and know no sizes, so canonical JSON, sizes and ids are checked too.
"""

import json
import math
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

BESIDE = Path(__file__).parents[2] / "shared" / "matrix-spec"
LARGEST_EVENT = 65_536
LONGEST_ID = 255
"""Both in bytes. Spec: client-server API, "Size limits"."""
LARGEST_INTEGER = 2**53 - 1
"""Spec: appendices, "Canonical JSON"."""
STATE_WITHOUT_KEY = re.compile(r"/?_matrix/client/v3/rooms/[^/]+/state/[^/]+")
MASQUERADING = {"user_id", "device_id"}
"""Query parameters that an application service may add to every request. Spec: application service API."""


class SpecViolation(AssertionError):
    """What was checked is not as the specification says; the text names the place."""


def folder() -> Path:
    """Skips the test where the schemas are absent."""
    named = os.environ.get("MATRIX_SPEC_DIR")
    found = Path(named) if named else BESIDE
    if not found.is_dir():
        pytest.skip(
            f"2026-11-21: no Matrix specification data in {found}; set MATRIX_SPEC_DIR to have it checked"
        )
    return found


def check_event(event: Mapping[str, Any], *, in_room: bool = True) -> None:
    """A whole event as the client-server API shows it (`in_room`), or to-device: type, sender and content only."""
    check_json(event)
    for key in ("event_id", "room_id", "sender", "type", "state_key"):
        if key in event and len(str(event[key]).encode()) > LONGEST_ID:
            raise SpecViolation(f"{key} of more than {LONGEST_ID} bytes: {event[key]!r:.300}")
    size = len(_canonical({key: value for key, value in event.items() if key != "unsigned"}))
    if size > LARGEST_EVENT:
        raise SpecViolation(f"an event of {size} bytes")
    if in_room:
        core = "state_event" if "state_key" in event else "room_event"
        check_document(event, f"event-schemas/schema/core-event-schema/{core}.yaml")
        for schema in event_schemas(str(event["type"]), event["content"]):
            check_document(event, schema)
    check_content(str(event["type"]), event["content"])


def check_content(event_type: str, content: Mapping[str, Any]) -> None:
    """What will be, or was, the content of an event of this type: encrypted, in a request, in `initial_state`."""
    check_json(content)
    for schema in event_schemas(event_type, content):
        check_document(content, _content_pointer(schema))
    if "file" in content:
        check_document(content["file"], "api/client-server/definitions/encrypted_file.yaml")
    if "m.mentions" in content:
        check_document(content["m.mentions"], "api/client-server/definitions/m.mentions.yaml")


def check_request(
    method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | bytes | None
) -> str:
    """A request of ours to the homeserver. Return its operationId, so that a test can say what it has covered."""
    base, template, found = _operation("client-server", path, method)
    operation = found.get(method.lower())
    if operation is None:
        raise SpecViolation(f"{template} knows no {method}")
    place = f"{base}#/paths/{_escaped(template)}/{method.lower()}"
    parameters = [
        _resolved(base, one) for one in [*found.get("parameters", []), *operation.get("parameters", [])]
    ]
    _check_query(parameters, query, place=f"{method} {template}")
    request_body = _resolved(base, operation.get("requestBody", {}))
    content = request_body.get("content", {})
    if isinstance(body, Mapping):
        if "application/json" not in content:
            raise SpecViolation(f"{method} {template} takes no JSON")
        check_json(body)
        check_document(body, f"{place}/requestBody/content/application~1json/schema")
    elif body is None and request_body.get("required"):
        raise SpecViolation(f"{method} {template} without its body")
    elif body is not None and not content.keys() - {"application/json"}:
        raise SpecViolation(f"{method} {template} takes no bytes")
    if "filter" in query and query["filter"].startswith("{"):
        check_document(json.loads(query["filter"]), "api/client-server/definitions/sync_filter.yaml")
    return str(operation["operationId"])


def check_answer(
    method: str, path: str, status: int, body: Mapping[str, Any], *, api: str = "application-service"
) -> None:
    """An answer of ours. Paths and methods that the API does not have are answered by an error object too."""
    check_json(body)
    try:
        base, template, found = _operation(api, path, method)
        response = found[method.lower()]["responses"][str(status)]
    except (SpecViolation, KeyError):
        if status < 400:
            raise SpecViolation(f"{method} {path} has no answer {status}") from None
        check_document(body, "api/client-server/definitions/errors/error.yaml")
        return
    if "application/json" in response.get("content", {}):
        place = f"{base}#/paths/{_escaped(template)}/{method.lower()}/responses/{status}"
        check_document(body, f"{place}/content/application~1json/schema")


def check_json(value: object) -> None:
    """Canonical JSON: no floats, no integers beyond 53 bits, text that UTF-8 can hold."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            check_json(key)
            check_json(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_json(inner)
    elif isinstance(value, float):
        raise SpecViolation(f"a float: {value if math.isfinite(value) else 'not finite'}")
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise SpecViolation(f"an integer beyond 53 bits: {value}")
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SpecViolation("half a surrogate pair") from None


def examples() -> list[Path]:
    return sorted((folder() / "event-schemas" / "examples").glob("m.*.yaml"))


def read_example(path: Path) -> Any:
    """An official example, its `$ref`s to other examples merged in."""
    return _merged(path.parent, _document(path))


def _merged(beside: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_merged(beside, inner) for inner in value]
    if not isinstance(value, dict):
        return value
    own = {key: _merged(beside, inner) for key, inner in value.items() if key != "$ref"}
    if "$ref" not in value:
        return own
    path = beside / value["$ref"]
    base = _merged(path.parent, _document(path))
    return base | own if isinstance(base, dict) else base


@cache
def _document(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _resource(uri: str) -> Resource[Any]:
    path = Path(unquote(uri.removeprefix("file://")))
    return Resource.from_contents(_document(path), default_specification=DRAFT202012)


@cache
def _registry() -> Registry[Any]:
    return Registry(retrieve=_resource)  # type: ignore[call-arg] # an attrs alias that mypy does not see


@cache
def _validator(place: str) -> Draft202012Validator:
    file, _, pointer = place.partition("#")
    uri = f"file://{quote(str(folder().resolve() / file))}#{quote(pointer)}"
    return Draft202012Validator({"$ref": uri}, registry=_registry())


def check_document(value: object, place: str) -> None:
    """By one schema. `place`: a file below the folder, with a JSON pointer behind `#` for a part of it."""
    errors = sorted(_validator(place).iter_errors(value), key=lambda error: list(map(str, error.path)))
    if errors:
        told = "\n".join(f"  {error.json_path}: {error.message[:300]}" for error in errors[:10])
        raise SpecViolation(f"not as in {place}:\n{told}")


def event_schemas(event_type: str, content: Mapping[str, Any]) -> list[str]:
    """The schema of the type and that of its msgtype, as far as there are any."""
    names = [event_type, f"{event_type}${content.get('msgtype')}"]
    places = [f"event-schemas/schema/{name}.yaml" for name in names]
    return [place for place in places if (folder() / place).is_file()]


def _content_pointer(schema: str) -> str:
    return f"{schema}#/properties/content"


@cache
def _operations(api: str) -> list[tuple[re.Pattern[str], str, str, Any]]:
    """Every path of the API, those with fewer variables first."""
    found = []
    for file in sorted((folder() / "api" / api).glob("*.yaml")):
        if file.name == "third_party_membership.yaml":
            continue  # the path of an ordinary invite once more, for invites by e-mail
        document = _document(file)
        base = document["servers"][0]["variables"]["basePath"]["default"]
        for template, operations in document["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(f"{base}{template.strip()}"))
            place = str(file.relative_to(folder()))
            found.append((re.compile(pattern), place, template, operations))
    return sorted(found, key=lambda one: one[2].count("{"))


def _operation(api: str, path: str, method: str) -> tuple[str, str, Any]:
    """The file, the path's template, and what can be done there; a template may stand in several files."""
    if STATE_WITHOUT_KEY.fullmatch(path):
        path += "/the-empty-key"  # "the trailing slash on this endpoint is optional", and no pattern knows
    found = [
        (place, template, operations)
        for pattern, place, template, operations in _operations(api)
        if pattern.fullmatch("/" + path.lstrip("/"))
    ]
    if not found:
        raise SpecViolation(f"no such path in the {api} API: {path}")
    same = [one for one in found if one[1] == found[0][1]]
    return next((one for one in same if method.lower() in one[2]), found[0])


def _resolved(file: str, node: Any) -> Any:
    """What an OpenAPI reference within its own document stands for."""
    found = node
    if "$ref" in node:
        found = _document(folder() / file)
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
    return found


def _check_query(parameters: list[Any], query: Mapping[str, str], *, place: str) -> None:
    known = {parameter["name"]: parameter for parameter in parameters if parameter.get("in") == "query"}
    for name, parameter in known.items():
        if parameter.get("required") and name not in query:
            raise SpecViolation(f"{place} without its parameter {name}")
    for name, given in query.items():
        if name in MASQUERADING:
            continue
        if name not in known:
            raise SpecViolation(f"{place} has no parameter {name}")
        schema = known[name]["schema"]
        value: object = int(given) if schema.get("type") == "integer" and given.isdecimal() else given
        if not Draft202012Validator(schema).is_valid(value):
            raise SpecViolation(f"{place} takes no {name}={given}")


def _escaped(template: str) -> str:
    return template.replace("~", "~0").replace("/", "~1")


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
