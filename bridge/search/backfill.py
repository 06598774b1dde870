"""Index what was said before there was an index, or another one: newest first, a little at a time, and resumable."""

import asyncio

import structlog

from bridge.core.ids import MessageId
from bridge.messages.store import MessageStore, lock_of
from bridge.search.index import BlindIndex
from bridge.search.rules import Words
from bridge.search.store import SearchStore
from bridge.storage.database import Database, DatabaseError, Transaction
from bridge.storage.sealing import CannotOpen

AT_ONCE = 50
PAUSE = 0.02
TRY_AGAIN = 5.0
"""Seconds. What people do goes first."""

log = structlog.get_logger(__name__)


class Backfill:
    def __init__(
        self, database: Database, messages: MessageStore, index: BlindIndex, words: Words, store: SearchStore
    ) -> None:
        self._database = database
        self._messages = messages
        self._index = index
        self._words = words
        self._store = store

    async def run(self) -> None:
        """To the end."""
        while True:
            pause = PAUSE
            try:
                if not await self.step():
                    return
            except DatabaseError as trouble:
                log.warning("database_trouble", error=type(trouble).__qualname__)
                pause = TRY_AGAIN
            await asyncio.sleep(pause)

    async def step(self) -> bool:
        """Return False once everything is in the index."""
        async with self._database.transaction() as tx:
            state = await self._store.state(tx)
            if state is None or state[0] != self._words.made_of:
                await self._store.begin(tx, self._words.made_of)
                return True
            _, done_from = state
            if done_from <= 0:
                return False
            rows = await self._store.before(tx, done_from, limit=AT_ONCE)
            # Whoever changes one of them does it before or after us.
            if rows:
                await tx.lock(*sorted({lock_of(conversation_id) for *_, conversation_id in rows}))
            for position, message_id, _ in rows:
                await self._put(tx, position, message_id)
            await self._store.go_on(tx, done=done_from, now_from=rows[-1][0] if rows else 0)
            if not rows:
                log.info("search_index_complete")
            return bool(rows)

    async def _put(self, tx: Transaction, position: int, message_id: MessageId) -> None:
        try:
            message = await self._messages.get(tx, message_id)
        except CannotOpen as reason:  # nobody can read it, so nobody looks for it
            log.error("not_indexed", message_id=message_id, reason=str(reason))
            return
        if message is not None:
            await self._index.put(
                tx,
                tenant_id=message.tenant_id,
                conversation_id=message.conversation_id,
                position=position,
                text=message.text,
                is_new=False,
            )
