"""The AsyncAPI document is one, by AsyncAPI's own schema, which comes with the JavaScript client's packages."""

import json

from jsonschema import Draft7Validator

from bridge.platform.rest import asyncapi
from tests.clients.npm import js_modules


def test_it_is_what_asyncapi_says_that_one_is() -> None:
    official = js_modules() / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
    validator = Draft7Validator(json.loads(official.read_text(encoding="utf-8")))
    document = asyncapi()
    validator.validate(document)
    assert not validator.is_valid(document | {"channels": {"vendor": {"address": 5}}})
