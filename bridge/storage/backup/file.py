"""The file: frames of compressed JSON, each sealed with a key that comes from the master key and the file's salt.

`magic | salt (16) | check (16)`, then frames of `length (4, big endian) | ciphertext and tag`. The nonce is the frame's
number and whether it is the last, so frames cannot be left out, moved or cut off at the end. `check` tells another
master key from a damaged file. The first frame is the `Header`; the others hold rows.
"""

import base64
import hmac
import json
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.storage.backup.errors import Damaged, OtherSecrets
from bridge.storage.database import Value

MAGIC = b"festimo backup 1\n"
_SALT, _CHECK = 16, 16
_LENGTH = struct.Struct(">I")
_FRAME = 1 << 20
"""Bytes of JSON, roughly, from which on a frame is written."""


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """From the configuration. Of all but the first, the file holds a fingerprint: nobody can try out what it was.

    `former_master_key`: while the master key is changed; it opens files of before.
    """

    master_key: bytes
    pickle_key: bytes
    identity_secret: bytes
    former_master_key: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`taken_at`: epoch ms of the moment that the backup shows. `migrations`: the numbers of those applied."""

    taken_at: int
    migrations: list[int]
    pickle_key: str
    identity_secret: str


@dataclass(frozen=True, slots=True)
class Rows:
    table: str
    columns: list[str]
    rows: list[list[Value]]


class Writer:
    """Rows in, a sealed file out. A file without `close` does not read back."""

    def __init__(self, file: BinaryIO, keys: Secrets, *, taken_at: int, migrations: list[int]) -> None:
        salt = secrets.token_bytes(_SALT)
        self._file = file
        self._frames = _Frames(keys.master_key, salt)
        self._batch = Rows("", [], [])
        self._size = 0
        self.count = 0
        file.write(MAGIC + salt + self._frames.check)
        header = Header(
            taken_at=taken_at,
            migrations=migrations,
            pickle_key=_fingerprint(keys.master_key, keys.pickle_key),
            identity_secret=_fingerprint(keys.master_key, keys.identity_secret),
        )
        self._put(asdict(header))

    def add(self, table: str, columns: list[str], row: list[Value]) -> None:
        if (table, columns) != (self._batch.table, self._batch.columns):
            self._flush()
            self._batch = Rows(table, columns, [])
        self._batch.rows.append(row)
        self._size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
        self.count += 1
        if self._size >= _FRAME:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._put({"count": self.count}, last=True)

    def _flush(self) -> None:
        if self._batch.rows:
            self._put(asdict(self._batch))
        self._batch = Rows(self._batch.table, self._batch.columns, [])
        self._size = 0

    def _put(self, content: dict[str, Any], *, last: bool = False) -> None:
        text = json.dumps(content, default=_written, separators=(",", ":"))
        sealed = self._frames.seal(zlib.compress(text.encode()), last=last)
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)


class Reader:
    """Raises `Damaged` and `OtherSecrets`, from the beginning on."""

    def __init__(self, file: BinaryIO, keys: Secrets) -> None:
        self._file = file
        start = file.read(len(MAGIC) + _SALT + _CHECK)
        if len(start) < len(MAGIC) + _SALT + _CHECK or not start.startswith(MAGIC):
            raise Damaged(
                "This is no backup of the bridge, or its beginning is missing. Nothing was changed."
            )
        salt, check = start[len(MAGIC) : -_CHECK], start[-_CHECK:]
        for master_key in (keys.master_key, keys.former_master_key):
            if master_key is not None:
                self._frames = _Frames(master_key, salt)
                if hmac.compare_digest(check, self._frames.check):
                    break
        else:
            raise OtherSecrets(
                "The backup was sealed with another `storage.master_key` than the one in the configuration."
                " Use the configuration that belongs to it, or name that key as `storage.former_master_key`."
                " Nothing was changed."
            )
        content, _ = self._next()
        self.header = Header(**content)
        for name, secret in (("pickle_key", keys.pickle_key), ("identity_secret", keys.identity_secret)):
            if not hmac.compare_digest(content[name], _fingerprint(master_key, secret)):
                raise OtherSecrets(
                    f"The backup was made with another `encryption.{name}` than the one in the configuration."
                    " Use the configuration that belongs to it. Nothing was changed."
                )

    def rows(self) -> Iterator[Rows]:
        """To be read to the end: only then is it known that nothing is missing."""
        count = 0
        while True:
            content, last = self._next()
            if last:
                if content["count"] != count or self._file.read(1):
                    raise _damaged()
                return
            batch = Rows(**content)
            count += len(batch.rows)
            yield batch

    def _next(self) -> tuple[dict[str, Any], bool]:
        raw = self._file.read(_LENGTH.size)
        if len(raw) < _LENGTH.size:
            raise _damaged()
        (length,) = _LENGTH.unpack(raw)
        compressed, last = self._frames.open(self._file.read(length))
        # What follows is authentic: written by us, with this key.
        content: dict[str, Any] = json.loads(zlib.decompress(compressed), object_hook=_read)
        return content, last


class _Frames:
    def __init__(self, master_key: bytes, salt: bytes) -> None:
        made = HKDF(algorithm=SHA256(), length=32 + _CHECK, salt=salt, info=MAGIC).derive(master_key)
        self._key, self.check = AESGCM(made[:32]), made[32:]
        self._number = 0

    def seal(self, data: bytes, *, last: bool) -> bytes:
        return self._key.encrypt(self._nonce(last=last), data, MAGIC)

    def open(self, sealed: bytes) -> tuple[bytes, bool]:
        """Content, and whether it is the last."""
        number = self._number
        for last in (False, True):
            self._number = number
            try:
                return self._key.decrypt(self._nonce(last=last), sealed, MAGIC), last
            except InvalidTag:
                continue
        raise _damaged()

    def _nonce(self, *, last: bool) -> bytes:
        self._number += 1
        return bytes([last]) + self._number.to_bytes(11, "big")


def _fingerprint(master_key: bytes, secret: bytes) -> str:
    return hmac.digest(master_key, b"festimo backup fingerprint" + secret, "sha256").hex()


def _written(value: object) -> dict[str, str]:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"no way to write {type(value).__name__} into a backup")
    return {"b": base64.b64encode(value).decode()}


def _read(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b"]) if value.keys() == {"b"} else value


def _damaged() -> Damaged:
    return Damaged("The backup is damaged or cut off. Nothing was changed. Take another copy of it.")
