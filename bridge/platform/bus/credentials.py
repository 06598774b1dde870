"""A file of NATS credentials, as `nsc` writes it: who we are to the bus, and the key to show it with.

Read here, as the client's own way to read it needs a package that has no wheels.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PART = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s+(\S+)\s+-+END")
SEED_OF_A_USER = bytes([(18 << 3) | (20 << 3) >> 5, (20 << 3 & 31) << 3])
"""What the key begins with: "SU" in base 32."""


class CredentialsUnusable(Exception):
    """There is a file, and what it holds is none."""


@dataclass(frozen=True, slots=True)
class Credentials:
    jwt: bytes
    key: Ed25519PrivateKey

    @classmethod
    def read(cls, path: str) -> "Credentials":
        """Raise `CredentialsUnusable`, or `OSError` where it cannot be read."""
        parts: dict[bytes, bytes] = dict(_PART.findall(Path(path).read_bytes()))
        try:
            return cls(parts[b"NATS USER JWT"], _key(parts[b"USER NKEY SEED"]))
        except (KeyError, ValueError) as error:
            raise CredentialsUnusable from error

    def shown(self) -> bytes:
        return self.jwt

    def signed(self, challenge: str) -> bytes:
        return base64.b64encode(self.key.sign(challenge.encode()))


def _key(seed: bytes) -> Ed25519PrivateKey:
    raw = base64.b32decode(seed + b"=" * (-len(seed) % 8))
    told, check = raw[:-2], raw[-2:]
    if binascii.crc_hqx(told, 0).to_bytes(2, "little") != check or told[:2] != SEED_OF_A_USER:
        raise ValueError("no key of a user")
    return Ed25519PrivateKey.from_private_bytes(told[2:])
