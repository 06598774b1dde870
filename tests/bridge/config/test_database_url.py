"""A PostgreSQL address whose password was not escaped is refused before any part of it can be shown."""

import pytest
from pydantic import SecretStr, ValidationError

from bridge.config import Database


@pytest.mark.parametrize(
    "password",
    [
        # As base64 gives it.
        "ab/cd+ef==",
        # Everything that ends a part of a URL early.
        "a#b",
        "a?b",
    ],
)
def test_an_unescaped_password_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Database(url=SecretStr(f"postgresql://festimo:{password}@127.0.0.1/festimo"))
    assert "%2F" in str(refused.value)
    assert password not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://festimo:ab%2Fcd%40ef@127.0.0.1:5432/festimo",
        "postgres://festimo@/festimo?host=%2Frun%2Fpostgresql",
        "postgresql:///festimo?host=/run/postgresql",
    ],
)
def test_usual_addresses_are_taken(url: str) -> None:
    assert Database(url=SecretStr(url)).url.get_secret_value() == url
