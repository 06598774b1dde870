"""An issuer's public keys: fetched when needed, kept while they can be had no more. Decides nothing about a token."""

import asyncio
import json
import warnings
from collections.abc import Mapping
from datetime import timedelta

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.tokens.errors import KeysUnusable
from bridge.tokens.ports import KeySource

FRESH = timedelta(hours=1)
"""After this long they are fetched anew: a key that the issuer took back is good for no longer."""
PAUSE = timedelta(seconds=10)
"""Between two attempts, whatever unknown keys tokens name."""
MOST_KEYS = 100

_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    "RSA": RSAKey,
    "EC": ECKey,
    "OKP": OKPKey,
}
_CURVES = ("P-256", "P-384", "P-521", "Ed25519", "Ed448")

log = structlog.get_logger(__name__)


class PublicKeys:
    """Of one tenant's issuer. Fetches, so nothing may ask it inside a transaction."""

    def __init__(self, source: KeySource, clock: Clock, *, tenant_id: TenantId) -> None:
        self._source = source
        self._clock = clock
        self._tenant_id = tenant_id
        self._keys: Mapping[str, Key] = {}
        self._fetched_at: int | None = None
        self._tried_at: int | None = None
        self._fetching = asyncio.Lock()

    async def get(self, key_id: str) -> Key | None:
        """The key of this id. One that is known is not waited for where somebody fetches already."""
        if key_id not in self._keys or (self._are_old() and not self._fetching.locked()):
            await self._refresh()
        return self._keys.get(key_id)

    def _are_old(self) -> bool:
        return not _within(FRESH, self._fetched_at, self._clock.now())

    async def _refresh(self) -> None:
        async with self._fetching:
            if _within(PAUSE, self._tried_at, self._clock.now()):
                return
            self._tried_at = self._clock.now()
            try:
                self._keys = read_keys(await self._source.fetch())
            except KeysUnusable as error:
                log.warning(
                    "token_keys_unusable", tenant=self._tenant_id, why=str(error), kept=len(self._keys)
                )
                return
            self._fetched_at = self._clock.now()
            log.info("token_keys_fetched", tenant=self._tenant_id, number=len(self._keys))


def read_keys(text: bytes) -> dict[str, Key]:
    """By their id: those of a JSON Web Key Set that verify signatures of a kind that we believe."""
    try:
        document = json.loads(text)
        listed = document["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysUnusable("they are no JSON Web Key Set") from None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise KeysUnusable(f"they are no list of at most {MOST_KEYS} keys")
    found: dict[str, Key] = {}
    for one in listed:
        key = _key(one) if isinstance(one, dict) else None
        # Of two with one id the first: whoever can add a key takes nobody's place.
        if key is not None:
            found.setdefault(one["kid"], key)
    return found


def _key(described: Mapping[str, object]) -> Key | None:
    """None for one that is not for us: for encryption, symmetric, weak, private, without an id."""
    kind, key_id = described.get("kty"), described.get("kid")
    if not (isinstance(kind, str) and isinstance(key_id, str)) or kind not in _KINDS or "d" in described:
        return None
    if kind != "RSA" and described.get("crv") not in _CURVES:
        return None
    if described.get("use", "sig") != "sig":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", SecurityWarning)  # of a weak one
        try:
            return _KINDS[kind].import_key(dict(described))  # type: ignore[arg-type] # it is checked there
        except (JoseError, SecurityWarning, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
            return None


def _within(span: timedelta, since: int | None, now: int) -> bool:
    # A clock that was set back makes nothing wait.
    return since is not None and 0 <= now - since < span // timedelta(milliseconds=1)
