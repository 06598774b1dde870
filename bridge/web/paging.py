"""Pages by cursor: where in a list to go on. A cursor is encrypted and bound to its list: nobody makes or moves one."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BeforeValidator, Field, StringConstraints

from bridge.core.errors import Refusal

MOST = 100

_NONCE = 12


class InvalidCursor(Refusal):
    code = "invalid_cursor"


class Cursors:
    def __init__(self, master_key: bytes) -> None:
        key = hmac.new(master_key, b"festimo: cursors of the REST API", hashlib.sha256).digest()
        self._key = AESGCM(key)

    def at(self, place: Sequence[int | str], *, of: Sequence[str | None]) -> str:
        """`place`: the sort key of an entry; `of`: what makes the list this one: its name, tenant, filters."""
        nonce = secrets.token_bytes(_NONCE)
        return _text(nonce + self._key.encrypt(nonce, json.dumps(place).encode(), _list(of)))

    def place(self, cursor: str, *, of: Sequence[str | None], field: str) -> list[int | str]:
        """The place that `at` was given. Raise `InvalidCursor`, naming the `field` it came in."""
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            if _text(sealed) != cursor:  # other texts decode to the same bytes
                raise ValueError
            place: list[int | str] = json.loads(
                self._key.decrypt(sealed[:_NONCE], sealed[_NONCE:], _list(of))
            )
        except (InvalidTag, ValueError):
            raise InvalidCursor(
                "This cursor is not one of this list: it was altered, or given for another list or other filters."
                " Leave it out to begin anew.",
                field=field,
            ) from None
        return place


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _list(of: Sequence[str | None]) -> bytes:
    return json.dumps(list(of)).encode()


def _whole_number(text: object) -> int:
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"Must be a whole number from 1 to {MOST}")
    return int(text)


Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,400}$")]
Limit = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole_number)]
