"""A NATS that knows its users by credentials files, as `nsc` makes them: an operator, an account, a user."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
"""What keys begin with in their written form: O, A, U, S."""
UNLIMITED: Mapping[str, object] = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
    "wildcards": True,
}
JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
CREDENTIALS = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


class Key:
    def __init__(self, kind: int) -> None:
        self._secret = os.urandom(32)
        self._key = Ed25519PrivateKey.from_private_bytes(self._secret)
        self._kind = kind

    @property
    def name(self) -> str:
        return _written(bytes([self._kind]) + self._key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        return _written(bytes([SEED | self._kind >> 5, (self._kind & 31) << 3]) + self._secret)

    def says(self, of: "Key", kind: str, claims: Mapping[str, object]) -> str:
        told = {"jti": of.name, "iat": 1_700_000_000, "iss": self.name, "name": kind, "sub": of.name}
        body = told | {"nats": {**claims, "type": kind, "version": 2}}
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        signed = ".".join(_base64(json.dumps(one).encode()) for one in (head, body))
        return f"{signed}.{_base64(self._key.sign(signed.encode()))}"


def with_credentials(folder: Path) -> tuple[Path, Path]:
    """Return a configuration for the server, and the credentials of the one user whom it lets in."""
    operator, account, system, user = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
    preloaded = "\n".join(
        f"  {one.name}: {operator.says(one, 'account', {'limits': limits})}"
        for one, limits in ((account, {**UNLIMITED, **JETSTREAM}), (system, UNLIMITED))
    )
    configuration, credentials = folder / "nats.conf", folder / "user.creds"
    configuration.write_text(
        f"operator: {operator.says(operator, 'operator', {})}\n"
        f"system_account: {system.name}\nresolver: MEMORY\nresolver_preload: {{\n{preloaded}\n}}\n"
    )
    jwt = account.says(user, "user", dict.fromkeys(("subs", "data", "payload"), -1))
    credentials.write_text(CREDENTIALS.format(jwt=jwt, seed=user.seed))
    return configuration, credentials


def _written(raw: bytes) -> str:
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).rstrip(b"=").decode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
