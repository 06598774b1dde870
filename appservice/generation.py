"""Whether this database is an older copy of itself: it and the bot's account data count together, and never back.

A copy knows a smaller number than the homeserver. The number moves at each start and every minute, so only a copy
that is put back within the minute in which it was made goes unnoticed.
"""

import asyncio

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.own_account import OwnAccount
from bridge.storage.database import Database, DatabaseError, Transaction

TYPE = "io.festimo.generation"
EVERY = 60.0
"""Seconds."""

SELECT = "SELECT number, confirmed FROM generations WHERE user_id = $1"
PUT = """
INSERT INTO generations (user_id, number, confirmed) VALUES ($1, $2, 0)
ON CONFLICT (user_id) DO UPDATE SET number = excluded.number, confirmed = 0
"""
MARK = "UPDATE generations SET number = number + $1, confirmed = 1"
AHEAD = 1_000_000_000
"""A number that the homeserver has never heard of."""
CONFIRM = "UPDATE generations SET confirmed = 1 WHERE user_id = $1 AND number = $2"

log = structlog.get_logger(__name__)


async def mark_restored(tx: Transaction) -> None:
    """Have a database that was restored just now be taken for that, however fresh the copy: it may have been made a
    moment before something was encrypted."""
    await tx.execute(MARK, AHEAD)


class Generation:
    def __init__(self, database: Database, homeserver: Homeserver, *, bot: str) -> None:
        self._database = database
        self._account = OwnAccount(homeserver, bot)
        self._bot = bot

    async def is_restored(self) -> bool:
        """Whether database and homeserver have gone apart: either may have been put back to what it was before."""
        ours, confirmed = await self._ours()
        theirs = await self._theirs()
        if ours == 0 or theirs == ours or (not confirmed and theirs == ours - 1):
            return False
        log.error("database_or_homeserver_restored", generation=ours, homeserver=theirs)
        return True

    async def advance(self) -> None:
        """Count on, from whichever is ahead."""
        number = max((await self._ours())[0], await self._theirs()) + 1
        async with self._database.transaction() as tx:
            await tx.execute(PUT, self._bot, number)
        await self._account.put_data(TYPE, {"number": number})
        async with self._database.transaction() as tx:
            await tx.execute(CONFIRM, self._bot, number)

    async def run(self) -> None:
        """Count on every minute, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.advance()
            except (HomeserverUnavailable, HomeserverRefused, DatabaseError) as trouble:
                log.warning("generation_not_advanced", reason=type(trouble).__qualname__)

    async def _ours(self) -> tuple[int, bool]:
        row = await self._database.fetch_one(SELECT, self._bot)
        return (0, True) if row is None else (row["number"], bool(row["confirmed"]))

    async def _theirs(self) -> int:
        number = (await self._account.data(TYPE) or {}).get("number")
        return number if isinstance(number, int) and 0 <= number < 2**53 else 0
