"""Whether the database takes writes: only a write tells."""

from bridge.storage.database import Database

WRITE = "UPDATE schema_migrations SET applied_at = applied_at WHERE version = 1"


async def check_writable(database: Database) -> None:
    """Commit something that changes nothing. Raise a `DatabaseError` where that does not succeed."""
    async with database.transaction() as tx:
        await tx.execute(WRITE)
