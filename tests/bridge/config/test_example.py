"""`config.example.yaml`."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge.config import Config, ConfigError, load
from tests.bridge.config.valid import key

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"


def keys_of(model: type[BaseModel]) -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        keys.add(name)
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys |= keys_of(inner)
    return keys


def test_the_example_is_refused_until_every_placeholder_is_filled() -> None:
    with pytest.raises(ConfigError) as error:
        load(EXAMPLE)
    assert len(error.value.problems) == EXAMPLE.read_text().count(" CHANGE_ME ")
    assert all("placeholder" in problem.detail for problem in error.value.problems)


FILLED = {
    "as_token: CHANGE_ME": "as_token: " + "a" * 64,
    "hs_token: CHANGE_ME": "hs_token: " + "h" * 64,
    "sender_localpart: CHANGE_ME": "sender_localpart: festimo_as_x7",
    "master_key: CHANGE_ME": "master_key: " + key("m"),
    "identity_secret: CHANGE_ME": "identity_secret: " + key("i"),
    "pickle_key: CHANGE_ME": "pickle_key: " + key("p"),
    "- CHANGE_ME": "- whsec_" + key("w"),
}


def filled_example() -> str:
    text = EXAMPLE.read_text()
    for placeholder, value in FILLED.items():
        assert text.count(placeholder) == 1
        text = text.replace(placeholder, value)
    return text


def test_the_filled_example_is_a_configuration(path: Path) -> None:
    path.write_text(filled_example())
    assert load(path).platform.tenants[0].id == "festipin"


def test_what_the_example_leaves_as_a_comment_is_the_default(path: Path) -> None:
    path.write_text(filled_example())
    left_out = load(path)
    path.write_text(re.sub(r"^  # (?=[a-z_]+: )", "  ", filled_example(), flags=re.MULTILINE))
    assert load(path) == left_out


def test_the_example_names_every_key_and_says_what_it_is() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if re.match(r"  +(- |# )?[a-z_]+:", line)]
    named = {key for line in lines if (key := line.strip(" -#").partition(":")[0])}
    assert named == keys_of(Config) - set(Config.model_fields)
    assert all("  # " in line.strip(" #") for line in lines)


def test_every_key_has_a_description() -> None:
    for name, field in Config.model_fields.items():
        assert field.description, name
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        assert all(inner.description for inner in field.annotation.model_fields.values()), name
