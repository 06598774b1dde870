"""Every statement is one for PostgreSQL: it has the tables and the words, and knows the type of each value.

So what stands above the SQL need not run there (`tests/databases.py`).
"""

import asyncpg

from tests.contracts.statements import filled_in, statements


async def test_postgresql_understands_every_statement(shared_postgres: str) -> None:
    connection = await asyncpg.connect(shared_postgres)
    understood, refused = 0, {}
    for name, sql in statements():
        try:
            await connection.prepare(filled_in(sql))
            understood += 1
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    await connection.close()
    assert refused == {}
    assert understood > 100, "it finds no statements any more"
