"""How the homeserver and we know each other; `registration.yaml` is made from this section."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import BaseUrl, Listen, Section, Token, refuse_placeholder, split_listen

_LOCALPART = re.compile(r"[a-z0-9._=/+-]{1,200}")
_APPSERVICE_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a table of what such an address is reached by

_MAKE_LOCALPART = "`echo festimo_as_$(openssl rand -hex 6)`"


def _localpart(value: str) -> str:
    refuse_placeholder(value, make=_MAKE_LOCALPART)
    if not _LOCALPART.fullmatch(value):
        raise ValueError(
            "may hold a-z, 0-9 and . _ = / + - only, 200 characters at most, without `@` and `:server`"
        )
    return value


def _appservice_id(value: str) -> str:
    if not _APPSERVICE_ID.fullmatch(value):
        raise ValueError("may hold letters, digits and . _ ~ - only, 64 characters at most")
    return value


def _default_url(valid: dict[str, Any]) -> str:
    host, port = split_listen(valid["listen"])
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


Localpart = Annotated[str, AfterValidator(_localpart)]


class Appservice(Section):
    id: Annotated[str, AfterValidator(_appservice_id)] = Field(
        default="festimo", description="the id in the homeserver's registration"
    )
    listen: Listen = Field(default="127.0.0.1:29400", description="host:port we listen on")
    url: BaseUrl = Field(
        default_factory=_default_url,
        description="where the homeserver reaches us; http://<listen> unless set",
    )
    as_token: Token = Field(description="we show it to the homeserver")
    hs_token: Token = Field(description="the homeserver shows it to us")
    bot_localpart: Localpart = Field(default="festimo_bot", description="user name of the bot, Festimo")
    ghost_prefix: Localpart = Field(
        default="festimo_", description="what the user names of people without Matrix begin with"
    )
    sender_localpart: Localpart = Field(
        description="a random user name for the registration itself; nobody ever speaks as it"
    )

    @property
    def listen_host(self) -> str:
        return split_listen(self.listen)[0]

    @property
    def listen_port(self) -> int:
        return split_listen(self.listen)[1]

    @field_validator("hs_token")
    @classmethod
    def _tokens_differ(cls, hs_token: SecretStr, info: ValidationInfo) -> SecretStr:
        if hs_token == info.data.get("as_token"):
            raise ValueError("is the same as `as_token`. Each side needs a token of its own")
        return hs_token

    @field_validator("sender_localpart")
    @classmethod
    def _sender_is_not_the_bot(cls, sender_localpart: str, info: ValidationInfo) -> str:
        # Synapse answers 500 to /sync for the sender, and the bot needs /sync.
        if sender_localpart == info.data.get("bot_localpart"):
            raise ValueError(f"must not be the bot. Make another with {_MAKE_LOCALPART}")
        return sender_localpart
