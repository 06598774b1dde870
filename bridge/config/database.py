"""Where everything is kept."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.section import Section

_SQLITE = "sqlite:///"
_POSTGRESQL = ("postgresql://", "postgres://")


def _database_url(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value.isprintable() or value != value.strip():
        raise ValueError("may not hold control characters, nor begin or end with a space")
    if value.startswith(_POSTGRESQL) and not _reads(value):
        raise ValueError(
            "cannot be taken apart. In the password, write / as %2F, @ as %40, : as %3A, # as %23 and % as %25"
        )
    if value.startswith((_SQLITE, *_POSTGRESQL)) and value not in (_SQLITE, *_POSTGRESQL):
        return secret
    raise ValueError("must be like sqlite:///festimo.db or postgresql://user:password@host/database")


def _reads(url: str) -> bool:
    """A password with unescaped characters would end up in the host, the port or the path, and in error messages."""
    try:
        parts = urlsplit(url)
        return (parts.port or 0) >= 0 and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        return False


class Database(Section):
    # A secret, because a PostgreSQL address holds a password.
    url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        default=SecretStr("sqlite:///festimo.db"), description="SQLite file or PostgreSQL database"
    )
