"""What all sections share: strict, frozen, closed to unknown keys; and the kinds of value they are made of.

Whatever is refused here is told by its key alone: a message never holds the value, which may be a secret.
"""

import base64
import binascii
import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretBytes, SecretStr

KEY_BYTES = 32
MINIMUM_TOKEN_LENGTH = 32

MAKE_TOKEN = "`openssl rand -hex 32`"  # noqa: S105 - a recipe
MAKE_KEY = "`openssl rand -base64 32`"

_PLACEHOLDER = re.compile(r"change[_ -]?me", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_LISTEN = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


def refuse_placeholder(value: str, *, make: str) -> str:
    if _PLACEHOLDER.search(value):
        raise ValueError(f"still holds the placeholder of the example. Make a value of your own with {make}")
    return value


def _token(secret: SecretStr) -> SecretStr:
    value = refuse_placeholder(secret.get_secret_value(), make=MAKE_TOKEN)
    if not _VISIBLE_ASCII.fullmatch(value):
        raise ValueError(
            f"may hold visible ASCII characters only, without spaces. Make one with {MAKE_TOKEN}"
        )
    if len(value) < MINIMUM_TOKEN_LENGTH:
        raise ValueError(f"is shorter than {MINIMUM_TOKEN_LENGTH} characters. Make one with {MAKE_TOKEN}")
    return secret


def _key(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"must be text: {KEY_BYTES} random bytes in base64. Make them with {MAKE_KEY}")
    refuse_placeholder(value, make=MAKE_KEY)
    decoded = decode_base64(value)
    if decoded is None or len(decoded) != KEY_BYTES:
        raise ValueError(f"must be exactly {KEY_BYTES} bytes in base64. Make them with {MAKE_KEY}")
    return decoded


def decode_base64(text: str) -> bytes | None:
    """Standard base64, with or without its padding; None if it is anything else."""
    unpadded = text.rstrip("=")
    try:
        return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _base_url(value: str) -> str:
    hint = "must be like https://matrix.example.org or http://127.0.0.1:8008"
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ValueError(hint)
    if not _VISIBLE_ASCII.fullmatch(value):
        raise ValueError(f"may not hold spaces or non-ASCII characters; it {hint}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"may not hold a user name or password; it {hint}")
    if parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError(f"may not hold a path, query or fragment; it {hint}")
    return value.rstrip("/")


def split_listen(listen: str) -> tuple[str, int]:
    """`host:port` taken apart, an IPv6 address without its brackets."""
    match = _LISTEN.fullmatch(listen)
    port = int(match["port"]) if match else 0
    if match is None or not 1 <= port <= 65535:
        raise ValueError(
            "must be host:port, like 127.0.0.1:29400 or [::1]:29400, with a port from 1 to 65535"
        )
    return match["ipv6"] or match["host"], port


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(value: str) -> str:
    split_listen(value)
    return value


Token = Annotated[SecretStr, AfterValidator(_token)]
Key = Annotated[SecretBytes, BeforeValidator(_key)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Listen = Annotated[str, AfterValidator(_listen)]
