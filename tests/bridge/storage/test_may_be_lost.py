"""What a power cut may undo: stored for everybody at its commit, and nobody else's commit is any less durable."""

import pytest

from bridge.storage.database import Database, open_database
from tests.servers.postgres import PostgresServer

TELL = """
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN INSERT INTO told VALUES (NEW.name, current_setting(''synchronous_commit'')); RETURN NULL; END'
"""
AT_COMMIT = """
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION tell()
"""


async def store(database: Database, name: str, *, may_be_lost: bool) -> None:
    async with database.transaction() as tx:
        tx.may_be_lost = may_be_lost
        await tx.execute("INSERT INTO things VALUES ($1)", name)


@pytest.mark.usefixtures("database_url")  # one of its own, as it makes a table
async def test_it_is_stored_on_either_database(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("CREATE TABLE things (name TEXT)")
    await store(database, "a note", may_be_lost=True)
    assert await database.fetch_value("SELECT name FROM things") == "a note"


async def test_only_its_own_commit_waits_for_no_disk(
    postgres_server: PostgresServer, postgres_template: str
) -> None:
    url = postgres_server.create_database("may_be_lost", template=postgres_template)
    database = await open_database(url)
    async with database.transaction() as tx:
        for statement in (
            "CREATE TABLE things (name TEXT)",
            "CREATE TABLE told (name TEXT, setting TEXT)",
            TELL,
            AT_COMMIT,
        ):
            await tx.execute(statement)
    for name, may_be_lost in (("before", False), ("a note", True), ("after", False)):
        await store(database, name, may_be_lost=may_be_lost)
    rows = await database.fetch("SELECT name, setting FROM told")
    await database.close()
    assert {row["name"]: row["setting"] for row in rows} == {"before": "on", "a note": "off", "after": "on"}
