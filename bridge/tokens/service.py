"""Tell whose token it is, end tokens before their time. Looked up each time: a revocation counts at once."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key
from prometheus_client import Counter

from bridge.core.caller import Caller
from bridge.core.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.tokens import rules
from bridge.tokens.errors import NotBelieved
from bridge.tokens.keys import PublicKeys
from bridge.tokens.model import Issuer, Revocation
from bridge.tokens.store import RevocationStore

REFUSED = Counter("festimo_tokens_refused", "People's tokens that were not believed", ["reason"])
LONGEST = 8 * 1024
"""Characters of a token."""

log = structlog.get_logger(__name__)


class _Registry(jws.JWSRegistry):
    """Knows the algorithms of `rules` and no other, however a token may call for one."""

    max_header_length = LONGEST

    def get_alg(self, name: str) -> Any:
        if name not in rules.ALGORITHMS:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)  # RFC 7515: what is not understood is ignored


class Tokens:
    def __init__(
        self,
        database: Database,
        store: RevocationStore,
        clock: Clock,
        *,
        issuers: Mapping[Issuer, PublicKeys],
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._issuers = dict(issuers)
        self._told: list[Callable[[Revocation], None]] = []

    async def caller_of(self, text: str) -> Caller | None:
        """The person whom it stands for; None, whatever is wrong with it. May fetch keys: never in a transaction."""
        if text.count(".") != 2:
            return None  # no token, but perhaps a key
        try:
            return await self._believed(text)
        except NotBelieved as refused:
            REFUSED.labels(refused.reason).inc()
            log.debug("token_refused", reason=refused.reason)
            return None

    async def still_holds(self, caller: Caller) -> bool:
        """Whether a token of this caller would let them in once more: it has not expired and was not revoked."""
        shown = caller.credential
        if shown is None or shown.kind != "token":
            return False
        if rules.has_expired(shown, now=self._clock.now()):
            return False
        return not rules.is_revoked(shown, await self._store.of(self._database, caller.tenant_id, shown))

    async def revoke(self, tx: Transaction, revocation: Revocation) -> int:
        """Return when (epoch ms). Once it is committed, whoever `on_revoked` named is told."""
        now = self._clock.now()
        await self._store.put(tx, revocation, at=now)
        await self._store.forget(tx, before=rules.forgotten_before(now))
        tx.after_commit(lambda: self._tell(revocation))
        return now

    def on_revoked(self, tell: Callable[[Revocation], None]) -> None:
        """Have `tell` called after each revocation that was made in this process; it is to return at once.

        Of those that other processes make, `still_holds` tells whoever asks.
        """
        self._told.append(tell)

    def _tell(self, revocation: Revocation) -> None:
        for tell in self._told:
            tell(revocation)

    async def _believed(self, text: str) -> Caller:
        if len(text) > LONGEST:
            raise NotBelieved("malformed")
        try:
            token = jws.extract_compact(text.encode(), registry=_REGISTRY)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise NotBelieved("malformed") from None
        header: object = token.headers()
        if not isinstance(header, dict):  # a text that holds "alg" comes through, too
            raise NotBelieved("malformed")
        key_id = rules.check_header(header)
        claims = rules.read_object(token.payload)
        issuer = rules.issuer_of(claims, self._issuers)
        key = await self._issuers[issuer].get(key_id)
        if key is None:
            raise NotBelieved("key_unknown")
        _check_signature(token, key)
        caller = rules.caller_of(claims, issuer, now=self._clock.now())
        assert caller.credential is not None
        if rules.is_revoked(
            caller.credential, await self._store.of(self._database, caller.tenant_id, caller.credential)
        ):
            raise NotBelieved("revoked")
        return caller


def _check_signature(token: jws.CompactSignature, key: Key) -> None:
    try:
        good = jws.validate_compact(token, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError):
        good = False
    if not good:
        raise NotBelieved("signature")
