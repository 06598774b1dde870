"""Tells the index what messages say, as keyed numbers: who has the database alone learns which messages share a word,
and no word. The key is the tenant's, wrapped like those of the content; it does not change with the master key."""

import hmac
from collections.abc import Iterable

from bridge.core.ids import ConversationId, TenantId
from bridge.search.rules import Words
from bridge.search.store import SearchStore
from bridge.storage.database import Reader, Transaction
from bridge.storage.sealing import Sealer

SCOPE = "search"
_BYTES = 8
"""Of a number: as many as a column of the database holds. Should two stems ever share one, what is found is looked at
once more."""


class BlindIndex:
    """The messages' port."""

    def __init__(self, sealer: Sealer, words: Words, store: SearchStore) -> None:
        self._sealer = sealer
        self._words = words
        self._store = store

    async def put(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        position: int,
        text: str,
        is_new: bool,
    ) -> None:
        if not is_new:
            await self._store.remove(tx, position)
        stems = self._words.stems(text)
        if stems:
            key = await self._sealer.secret(tx, tenant_id, SCOPE)
            await self._store.put(tx, conversation_id, position, _numbers(key, stems))

    async def numbers(
        self, reader: Reader, tenant_id: TenantId, groups: Iterable[Iterable[str]]
    ) -> list[list[int]]:
        """What the stems of each group are in the index; nothing where the tenant has none yet."""
        key = await self._sealer.secret_of(reader, tenant_id, SCOPE)
        return [] if key is None else [_numbers(key, stems) for stems in groups]


def _numbers(key: bytes, stems: Iterable[str]) -> list[int]:
    return [
        # A lone surrogate may come out of a client's JSON.
        int.from_bytes(
            hmac.digest(key, stem.encode(errors="surrogatepass"), "sha256")[:_BYTES], "big", signed=True
        )
        for stem in stems
    ]
