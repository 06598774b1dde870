"""Holds every frame, either way, against the AsyncAPI document."""

from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from bridge.platform.rest import asyncapi
from tests.bridge.api.world import MAX_TEXT_LENGTH

DOCUMENT = asyncapi(max_text_length=MAX_TEXT_LENGTH)
_NAME = "urn:asyncapi"
_REGISTRY: Registry[Any] = Registry().with_resource(_NAME, DRAFT202012.create_resource(DOCUMENT))


def check_told(path: str, frame: dict[str, Any]) -> None:
    """Fails unless the document says that this socket tells such a frame."""
    names = [
        reference["$ref"].rpartition("/")[2]
        for kind in ("messages", "reply")
        for reference in _of_operation(path, "tell" if kind == "messages" else "take", kind)
    ]
    fitting = [
        name
        for name in names
        if DOCUMENT["components"]["messages"][name]["name"] == frame["type"] and frame.keys() <= _fields(name)
    ]
    assert fitting, f"{path} tells no such frame: {frame['type']} of {sorted(frame)}"
    assert any(validator(name).is_valid(frame) for name in fitting), frame


def check_taken(frame: dict[str, Any], answer: dict[str, Any]) -> None:
    """Fails unless the document lets clients send what was acknowledged, and says that it is so acknowledged."""
    if answer["type"] == "ack":
        validator(f"client.{frame['type']}").validate(frame)
        validator(f"{frame['type']}.ack").validate(answer)
        assert answer.keys() == _fields(f"{frame['type']}.ack")


def _of_operation(path: str, which: str, kind: str) -> list[dict[str, str]]:
    (channel,) = (
        name
        for name, one in DOCUMENT["channels"].items()
        if one["address"].rpartition("/")[0] == path.rpartition("/")[0]
    )
    operation = DOCUMENT["operations"][f"{channel}.{which}"]
    found: list[dict[str, str]] = (operation if kind == "messages" else operation["reply"])["messages"]
    return found


@lru_cache
def _fields(name: str) -> frozenset[str]:
    reference, _ = DOCUMENT["components"]["messages"][name]["payload"]["allOf"]
    model = reference["$ref"].rpartition("/")[2]
    return frozenset(DOCUMENT["components"]["schemas"][model]["properties"])


@lru_cache
def validator(name: str) -> Draft202012Validator:
    """Of what a message of this name in the document says."""
    reference = {"$ref": f"{_NAME}#/components/messages/{name}/payload"}
    return Draft202012Validator(reference, registry=_REGISTRY)
