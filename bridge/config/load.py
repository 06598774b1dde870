"""Reads the file and reports everything that is wrong with it at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretBytes, ValidationError, ValidationInfo, field_validator

from bridge.config import platform as platform_section
from bridge.config.appservice import Appservice
from bridge.config.bus import Bus
from bridge.config.conversation import Conversation
from bridge.config.database import Database
from bridge.config.encryption import Encryption
from bridge.config.feed import Feed
from bridge.config.homeserver import Homeserver
from bridge.config.messages import Messages
from bridge.config.platform import Platform
from bridge.config.problems import ConfigError, ConfigProblem, problems_of
from bridge.config.quotes import Quotes
from bridge.config.rate_limits import RateLimits
from bridge.config.search import Search
from bridge.config.section import MAKE_KEY, Section, is_loopback
from bridge.config.storage import Storage
from bridge.config.web import Web
from bridge.config.webhooks import Webhooks


class Config(Section):
    homeserver: Homeserver = Field(description="the homeserver whose rooms the conversations live in")
    appservice: Appservice = Field(description="how the homeserver and we know each other")
    database: Database = Field(default_factory=Database, description="where everything is kept")
    storage: Storage = Field(description="how content lies at rest")
    encryption: Encryption = Field(description="our own keys, and whom room keys are given to")
    conversation: Conversation = Field(
        default_factory=Conversation, description="what there is one conversation for"
    )
    messages: Messages = Field(default_factory=Messages, description="limits of a message")
    quotes: Quotes = Field(default_factory=Quotes, description="how hosts answer quotes in the conversation")
    search: Search = Field(default_factory=Search, description="how messages are found by their words")
    feed: Feed = Field(default_factory=Feed, description="what happened, for those who come back")
    rate_limits: RateLimits = Field(
        default_factory=RateLimits, description="how much one caller may ask of us"
    )
    platform: Platform = Field(description="who sends us events")
    bus: Bus = Field(
        default_factory=Bus, description="the bus over which events come and go, if there is one"
    )
    webhooks: Webhooks = Field(default_factory=Webhooks, description="where what happened may be sent")
    web: Web = Field(
        default_factory=Web, validate_default=True, description="who reaches the API, and how it is protected"
    )

    @field_validator("encryption")
    @classmethod
    def _keys_differ(cls, encryption: Encryption, info: ValidationInfo) -> Encryption:
        storage = info.data.get("storage")
        master_key: SecretBytes | None = storage.master_key if isinstance(storage, Storage) else None
        if master_key in (encryption.identity_secret, encryption.pickle_key):
            raise ValueError(f"holds the same key as `storage.master_key`. Make another with {MAKE_KEY}")
        return encryption

    @field_validator("web")
    @classmethod
    def _protected(cls, web: Web, info: ValidationInfo) -> Web:
        appservice = info.data.get("appservice")
        if not isinstance(appservice, Appservice):
            return web
        if web.tls_certificate is None:
            if not web.behind_proxy and not is_loopback(appservice.listen_host):
                raise ValueError(
                    "says nothing of TLS, but `appservice.listen` can be reached from other machines. Set"
                    " `tls_certificate` and `tls_key`, or `behind_proxy: true` where nobody reaches it but a proxy that"
                    " ends TLS (or a container's published port on 127.0.0.1)"
                )
        elif not appservice.url.startswith("https://"):
            raise ValueError(
                "has TLS, so the homeserver reaches us by https only. Set `appservice.url` to https://..., with the"
                " name that is in the certificate"
            )
        return web


def load(path: Path | str) -> Config:
    """The checked configuration in a YAML file; `ConfigError` names all its problems, and no secret value."""
    source = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        fix = "Copy config.example.yaml there, fill it in, and make it readable"
        raise ConfigError(source, (ConfigProblem("", f"cannot be read: {reason}. {fix}"),)) from None
    except UnicodeDecodeError:
        raise ConfigError(source, (ConfigProblem("", "is not UTF-8 text. Save it as UTF-8"),)) from None
    raw, problems = _read_yaml(text)
    if raw is None and problems:
        raise ConfigError(source, tuple(problems))
    return _check({} if raw is None else raw, problems, source=source)


def _check(raw: object, problems: list[ConfigProblem], *, source: str) -> Config:
    if not isinstance(raw, dict):
        raise ConfigError(
            source, (ConfigProblem("", "must hold sections with keys, like config.example.yaml"),)
        )
    # An absent or emptied section is checked as an empty one, so that each missing key is named.
    sections = raw | {name: {} for name in Config.model_fields if raw.get(name) is None}
    problems = [*problems, *platform_section.conflicts(sections["platform"])]
    try:
        config = Config.model_validate(sections)
    except ValidationError as error:
        problems = [*problems_of(error, Config), *problems]
    if problems:
        # `from None`: the original error knows the values.
        raise ConfigError(source, tuple(problems)) from None
    return config


class _Loader(yaml.SafeLoader):
    """Notes a key that stands twice, where YAML's own loader silently keeps the last one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[ConfigProblem] = []


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if isinstance(key_node, yaml.ScalarNode):
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in seen:
                loader.problems.append(ConfigProblem(key, f"stands twice (again in line {line}). Keep one"))
            seen.add(key)
    yield from loader.construct_yaml_map(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _read_yaml(text: str) -> tuple[object, list[ConfigProblem]]:
    try:
        loader = _Loader(text)
        return loader.get_single_data(), loader.problems
    except yaml.MarkedYAMLError as error:
        # Only the place: PyYAML's own words repeat the text around it, and there may be a secret there.
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        detail = f"is not valid YAML{place}. Check indentation, and quote values with special characters"
    except (yaml.YAMLError, ValueError, RecursionError):
        detail = "is not valid YAML. Check for control characters and impossible dates"
    return None, [ConfigProblem("", detail)]
