"""Make a key, tell whose key it is, revoke it. A key is looked up each time: revoking it counts at once."""

import hmac
import secrets
from collections.abc import Collection, Iterable

from bridge.api_keys.errors import NameUnusable, ScopeUnknown, TenantUnknown
from bridge.api_keys.model import LONGEST_NAME, SECRET_BYTES, ApiKey, Token, read_token
from bridge.api_keys.store import ApiKeyStore
from bridge.core.caller import Caller, Credential
from bridge.core.clock import Clock
from bridge.core.ids import TenantId
from bridge.storage.database import Database

# Compared with where there is no key, so that the answer takes as long.
_NO_HASH = bytes(32)


class ApiKeys:
    def __init__(
        self,
        database: Database,
        store: ApiKeyStore,
        clock: Clock,
        *,
        tenants: Iterable[TenantId],
        scopes: Iterable[str] = (),
    ) -> None:
        """`tenants`: those of the configuration; a key of any other opens nothing. `scopes`: those that there are."""
        self._database = database
        self._store = store
        self._clock = clock
        self._tenants = frozenset(tenants)
        self.scopes = frozenset(scopes)

    async def create(self, tenant_id: TenantId, *, name: str, scopes: Collection[str] | None = None) -> Token:
        """The only time that the secret can be seen. `scopes`: None for all, those to come included."""
        if tenant_id not in self._tenants:
            raise TenantUnknown(
                f"{tenant_id} is no tenant of the configuration. These are: {', '.join(sorted(self._tenants))}.",
                field="tenant",
            )
        if not (name.isprintable() and 0 < len(name.strip()) <= len(name) <= LONGEST_NAME):
            raise NameUnusable(
                f"A name has 1 to {LONGEST_NAME} printable characters, such as the program's that uses the key.",
                field="name",
            )
        if scopes is not None:
            self._check_scopes(scopes)
        token = Token(key_id=secrets.token_hex(8), secret=secrets.token_hex(SECRET_BYTES))
        key = ApiKey(
            key_id=token.key_id,
            tenant_id=tenant_id,
            name=name,
            secret_hash=token.secret_hash,
            created_at=self._clock.now(),
            revoked_at=None,
            scopes=None if scopes is None else frozenset(scopes),
        )
        async with self._database.transaction() as tx:
            await self._store.insert(tx, key)
        return token

    async def caller_of(self, text: str) -> Caller | None:
        """The program that the key was made for; None, whatever is wrong with it."""
        token = read_token(text)
        if token is None:
            return None
        key = await self._store.get(self._database, token.key_id)
        same = hmac.compare_digest(token.secret_hash, _NO_HASH if key is None else key.secret_hash)
        if key is None or not same or key.revoked_at is not None or key.tenant_id not in self._tenants:
            return None
        return Caller(
            tenant_id=key.tenant_id,
            role="service",
            scopes=key.scopes,
            credential=Credential(kind="api_key", subject=key.key_id),
        )

    async def still_holds(self, caller: Caller) -> bool:
        shown = caller.credential
        if shown is None or shown.kind != "api_key":
            return False
        key = await self._store.get(self._database, shown.subject)
        return key is not None and key.revoked_at is None and key.tenant_id in self._tenants

    def _check_scopes(self, scopes: Collection[str]) -> None:
        known = ", ".join(sorted(self.scopes))
        for scope in scopes:
            if scope not in self.scopes:
                raise ScopeUnknown(f"{scope} is no scope. These are: {known}.", field="scope")
        if not scopes:
            raise ScopeUnknown(
                f"A key without any scope opens nothing. Name at least one of {known}.", field="scope"
            )

    async def all(self) -> list[ApiKey]:
        return await self._store.all(self._database)

    async def revoke(self, key_id: str) -> bool:
        """Return False where there is no such key, or it was revoked before."""
        async with self._database.transaction() as tx:
            return await self._store.revoke(tx, key_id, now=self._clock.now())
