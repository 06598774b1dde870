"""A database that takes and gives nothing: for parts that are asked to answer, not to work."""

from bridge.storage.database import Database, DatabaseUnavailable, Row, Transaction, Value


class ClosedDatabase(Database):
    async def fetch(self, sql: str, *args: Value) -> list[Row]:
        raise DatabaseUnavailable("nothing is read here")

    async def close(self) -> None:
        return None

    async def _begin(self) -> Transaction:
        raise DatabaseUnavailable("nothing is stored here")
