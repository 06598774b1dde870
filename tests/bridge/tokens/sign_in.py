"""A tenant's sign-in service: makes real tokens with real keys, and publishes the public ones."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.tokens.errors import KeysUnusable
from bridge.tokens.model import Issuer

HOUR = 60 * 60


def new_key(key_id: str = "k1", curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": key_id})


class SignIn:
    """A `KeySource`. `down`: its address answers nothing of use; `fetched`: how often it was asked."""

    def __init__(self, tenant_id: TenantId, clock: Clock) -> None:
        self.issuer = Issuer(
            tenant_id=tenant_id,
            issuer=f"https://id.{tenant_id}.example",
            audience="festimo",
            role_claim="role",
            participant_claim="sub",
        )
        self.keys: list[Key] = [new_key()]
        self.down = False
        self.before_fetch: Callable[[], Awaitable[None]] | None = None
        self.fetched = 0
        self._clock = clock

    async def fetch(self) -> bytes:
        self.fetched += 1
        if self.before_fetch is not None:
            await self.before_fetch()
        if self.down:
            raise KeysUnusable("it is down")
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()

    @property
    def seconds(self) -> int:
        return self._clock.now() // 1000

    def claims(self, subject: str = "u-anna", role: object = "host", **more: object) -> dict[str, object]:
        return {
            "iss": self.issuer.issuer,
            "aud": self.issuer.audience,
            "sub": subject,
            "role": role,
            "iat": self.seconds,
            "exp": self.seconds + HOUR,
            **more,
        }

    def token(self, subject: str = "u-anna", role: object = "host", **more: object) -> str:
        return self.signed(self.claims(subject, role, **more))

    def signed(
        self,
        claims: object,
        *,
        key: Key | None = None,
        algorithm: str = "ES256",
        **header: object,
    ) -> str:
        """`header`: on top of the usual; None leaves one out."""
        key = key or self.keys[0]
        head = {"alg": algorithm, "typ": "JWT", "kid": key.kid} | header
        return sign(claims, key, {name: value for name, value in head.items() if value is not None})


def sign(claims: object, key: Key, header: dict[str, Any]) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing_input = f"{part(json.dumps(header).encode())}.{part(payload)}"
    # Not by `jws.serialize_compact`, which refuses much of what a forger would do.
    signature = jws.JWSRegistry.algorithms[header["alg"]].sign(signing_input.encode(), key)
    return f"{signing_input}.{part(signature)}"


def unsigned(claims: object, header: dict[str, Any]) -> str:
    return f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}."


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
