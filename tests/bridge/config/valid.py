"""A configuration without a fault, and ways to change it."""

import base64
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import Config, ConfigError, load

ABSENT = object()


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


PEOPLE = {
    "issuer": "https://id.example.org",
    "audience": "festimo",
    "jwks_url": "https://id.example.org/jwks.json",
}

TOKENS, TOKENS_KEY = "platform/tenants/0/tokens", "platform.tenants[0].tokens"

TOKENS_1 = "platform.tenants[1].tokens"

VALID: dict[str, Any] = {
    "homeserver": {"url": "https://matrix.example.org/", "server_name": "example.org"},
    "appservice": {"as_token": "a" * 64, "hs_token": "h" * 64, "sender_localpart": "festimo_as_x7"},
    "storage": {"master_key": key("m")},
    "encryption": {"identity_secret": key("i"), "pickle_key": key("p")},
    "platform": {
        "tenants": [
            {
                "id": "festipin",
                "webhook_secrets": ["whsec_" + key("1"), "whsec_" + key("2")],
                "tokens": PEOPLE,
            },
            {"id": "other", "webhook_secrets": ["whsec_" + key("3")]},
        ]
    },
}


def loaded(path: Path, config: object) -> Config:
    path.write_text(yaml.safe_dump(config))
    return load(path)


def problems(path: Path, config: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as error:
        loaded(path, config)
    found = {problem.key: problem.detail for problem in error.value.problems}
    assert len(found) == len(error.value.problems), "a key is reported twice"
    return found


def changed(place: str, value: object) -> dict[str, Any]:
    config = copy.deepcopy(VALID)
    *parents, last = place.split("/")
    target: Any = config
    for part in parents:
        target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
    if value is ABSENT:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return config
