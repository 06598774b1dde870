"""The bus over which the platform may tell us things, and hear what happens."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.section import Section, is_loopback

_SUBJECT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def _servers(servers: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for server in servers:
        try:
            parts = urlsplit(server.get_secret_value())
            port_is_valid = parts.port is None or parts.port > 0
        except ValueError:
            port_is_valid = False
        if not port_is_valid or parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise ValueError(
                "holds what is no server's address; each must be like tls://bus.example.org:4222"
            )
        if parts.scheme == "nats" and not is_loopback(parts.hostname):
            raise ValueError(
                "holds a server on another machine without TLS. Write tls:// in place of nats://"
            )
    return servers


def _subject(value: str) -> str:
    if not _SUBJECT.fullmatch(value):
        raise ValueError("must be words of letters, digits, _ and -, with dots between them")
    return value


Subject = Annotated[str, AfterValidator(_subject)]


class Bus(Section):
    # Secrets, because an address may hold a password.
    servers: Annotated[tuple[SecretStr, ...], AfterValidator(_servers)] = Field(
        default=(), strict=False, description="of NATS, with JetStream; no bus without any"
    )
    credentials_file: str | None = Field(default=None, description="a file of NATS credentials")
    events_subject: Subject = Field(
        default="festimo.events", description="events of a tenant come in as <events_subject>.<tenant's id>"
    )
    feed_subject: Subject = Field(
        default="festimo.feed", description="what happened goes out as <feed_subject>.<tenant's id>.<type>"
    )
