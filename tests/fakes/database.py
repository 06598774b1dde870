"""A real database, with something of the test's own around what is done to it."""

import asyncio
from typing import Any

from bridge.storage.database import Database, Row, Transaction, Value


class WrappedDatabase(Database):
    """What the hooks raise is raised as if the database had failed there."""

    def __init__(self, real: Database) -> None:
        super().__init__()
        self.real = real

    async def before_use(self) -> None:
        """A read, or the beginning of a transaction."""

    async def before_commit(self) -> None:
        """What is raised rolls back."""

    async def after_commit(self) -> None: ...

    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        await self.before_use()
        return await self.real.fetch(sql, *args)

    async def leave(
        self, task: asyncio.Task[Any] | None, transaction: Transaction, error: BaseException | None
    ) -> None:
        if error is None:
            try:
                await self.before_commit()
            except BaseException as failure:
                await super().leave(task, transaction, failure)
                raise
        await super().leave(task, transaction, error)
        if error is None:
            await self.after_commit()

    async def _begin(self) -> Transaction:
        await self.before_use()
        return await self.real._begin()

    async def close(self) -> None:
        await self.real.close()
