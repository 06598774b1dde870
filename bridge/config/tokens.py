"""Whose tokens let a tenant's people in: its sign-in service (OpenID Connect, or anything that signs JWTs)."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from bridge.config.section import Section, is_loopback

_VISIBLE = re.compile(r"[!-~]{1,500}")


def _visible(value: str) -> str:
    if not _VISIBLE.fullmatch(value):
        raise ValueError("may hold visible ASCII characters only, 500 at most, exactly as in the tokens")
    return value


def _keys_url(value: str) -> str:
    hint = "must be like https://id.example.org/jwks.json; plain http is for 127.0.0.1 only"
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(hint) from None
    if not _VISIBLE.fullmatch(value) or not parts.hostname or not port_is_valid or "@" in parts.netloc:
        raise ValueError(hint)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError(hint)
    return value


Visible = Annotated[str, AfterValidator(_visible)]


class Tokens(Section):
    issuer: Visible = Field(description="who signs them: `iss` of every token")
    audience: Visible = Field(description="for whom they are made: `aud` of a token, or one of it")
    jwks_url: Annotated[str, AfterValidator(_keys_url)] | None = Field(
        default=None, description="https address of the issuer's public keys (JWKS)"
    )
    jwks_file: str | None = Field(
        default=None, validate_default=True, description="or a file that holds them; read again every hour"
    )
    role_claim: Visible = Field(
        default="role", description="the claim that is host, vendor or admin; a.b for b inside of a"
    )
    participant_claim: Visible = Field(
        default="sub", description="the claim that is the participant's id, as events and the API name people"
    )

    @field_validator("jwks_file")
    @classmethod
    def _one_place(cls, jwks_file: str | None, info: ValidationInfo) -> str | None:
        if "jwks_url" in info.data and (jwks_file is None) == (info.data["jwks_url"] is None):
            raise ValueError("give the public keys in one place: either `jwks_url` or `jwks_file`")
        return jwks_file
