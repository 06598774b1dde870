import asyncio
from itertools import chain

import pytest

from bridge.storage.database import (
    Database,
    DatabaseUnavailable,
    Transaction,
    TransactionBroken,
    TransactionConflict,
    UniqueViolation,
)
from tests.bridge.storage.notes import INSERT_NOTE, INSERT_PAGE, add_note, names, open_notes

COUNT_UP = "UPDATE counters SET value = $1 WHERE name = 'only'"
READ_COUNTER = "SELECT value FROM counters WHERE name = 'only' FOR UPDATE"


async def test_what_a_transaction_wrote_is_there_after_it(notes: Database) -> None:
    await add_note(notes, "first", body=b"\x00\xff")
    row = await notes.fetch_one("SELECT seq, name, body FROM notes")
    assert row is not None
    assert (row["seq"], row["name"], row["body"]) == (1, "first", b"\x00\xff")
    assert await names(notes) == {"first"}


async def test_reads_tell_what_is_missing(notes: Database) -> None:
    assert await notes.fetch("SELECT name FROM notes") == []
    assert await notes.fetch_one("SELECT name FROM notes") is None
    assert await notes.fetch_value("SELECT name FROM notes") is None
    assert await notes.fetch_value("SELECT COUNT(*) FROM notes") == 0


async def test_execute_counts_the_rows(notes: Database) -> None:
    async with notes.transaction() as transaction:
        assert await transaction.execute(INSERT_NOTE, "a", None) == 1
        assert await transaction.execute(INSERT_NOTE + " ON CONFLICT DO NOTHING", "a", None) == 0
        assert await transaction.execute(INSERT_NOTE + " RETURNING seq", "b", None) == 1
        assert await transaction.execute("UPDATE notes SET body = $1", b"new") == 2
        assert await transaction.execute("DELETE FROM notes WHERE name = $1", "none") == 0
        assert await transaction.fetch_value("DELETE FROM notes WHERE name = $1 RETURNING seq", "a") == 1


async def test_more_than_nine_placeholders_and_repeated_ones_are_bound_by_number(notes: Database) -> None:
    sql = "SELECT " + " + ".join(f"CAST(${n} AS BIGINT)" for n in (*range(1, 12), 11, 1))
    assert await notes.fetch_value(sql, *range(1, 12)) == sum(range(1, 12)) + 11 + 1


async def test_an_exception_rolls_all_of_it_back(notes: Database) -> None:
    told: list[str] = []

    async def think_again() -> None:
        async with notes.transaction() as transaction:
            transaction.after_commit(lambda: told.append("stored"))
            await transaction.execute(INSERT_NOTE, "a", None)
            raise LookupError

    with pytest.raises(LookupError):
        await think_again()
    assert await names(notes) == set()
    await add_note(notes, "next")
    assert await names(notes) == {"next"}
    assert told == []


async def test_others_do_not_see_it_before_the_commit(notes: Database) -> None:
    async with notes.transaction() as transaction:
        await transaction.execute(INSERT_NOTE, "a", None)
        assert await notes.fetch_value("SELECT COUNT(*) FROM notes") == 0
        assert await transaction.fetch_value("SELECT COUNT(*) FROM notes") == 1
    assert await notes.fetch_value("SELECT COUNT(*) FROM notes") == 1


async def test_reads_outside_a_transaction_cannot_write(notes: Database) -> None:
    with pytest.raises(Exception, match=r"read-only|readonly|not writable"):
        await notes.fetch("INSERT INTO notes (name) VALUES ('a') RETURNING seq")
    assert await names(notes) == set()


async def test_many_at_once_count_without_losing_one(notes: Database) -> None:
    async def count_up() -> None:
        async with notes.transaction() as transaction:
            value = await transaction.fetch_value(READ_COUNTER)
            await transaction.execute(COUNT_UP, value + 1)

    await asyncio.gather(*(count_up() for _ in range(200)))
    assert await notes.fetch_value("SELECT value FROM counters") == 200


async def test_a_lock_of_the_same_name_excludes_the_others(notes: Database) -> None:
    inside = 0

    async def alone() -> None:
        nonlocal inside
        async with notes.transaction() as transaction:
            await transaction.lock("conversation 1")
            inside += 1
            value = await transaction.fetch_value("SELECT value FROM counters")
            assert inside == 1
            await transaction.execute(COUNT_UP, value + 1)
            inside -= 1

    await asyncio.gather(*(alone() for _ in range(50)))
    assert await notes.fetch_value("SELECT value FROM counters") == 50


async def test_an_error_in_one_of_a_group_leaves_the_others_alone(notes: Database) -> None:
    async def add(number: int) -> None:
        if number % 3 == 0:
            async with notes.transaction() as transaction:
                await transaction.execute(INSERT_NOTE, f"{number}", None)
                raise LookupError
        if number % 3 == 1:
            async with notes.transaction() as transaction:
                await transaction.execute(INSERT_NOTE, f"{number}", None)
                await transaction.execute(INSERT_NOTE, f"{number}", None)
        await add_note(notes, f"{number}")

    results = await asyncio.gather(*(add(number) for number in range(60)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, UniqueViolation, type(None)] * 20
    assert await names(notes) == {f"{number}" for number in range(60) if number % 3 == 2}


async def test_after_commit_runs_once_in_order_and_a_failing_one_harms_nobody(notes: Database) -> None:
    told: list[str] = []
    async with notes.transaction() as transaction:
        transaction.after_commit(lambda: told.append("first"))
        transaction.after_commit(lambda: [][0])
        transaction.after_commit(lambda: told.append("last"))
        await transaction.execute(INSERT_NOTE, "a", None)
        assert told == []
    assert told == ["first", "last"]


async def test_a_second_row_of_the_same_key_is_a_unique_violation(notes: Database) -> None:
    await add_note(notes, "a")
    with pytest.raises(UniqueViolation):
        await add_note(notes, "a")
    with pytest.raises(UniqueViolation):
        async with notes.transaction() as transaction:
            await transaction.execute_many(INSERT_PAGE, [("a", 3), ("a", 3)])
    assert await names(notes) == {"a"}


async def test_other_constraints_are_kept_too(notes: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        async with notes.transaction() as transaction:
            await transaction.execute(INSERT_PAGE, "no such note", 1)


async def test_a_swallowed_error_does_not_commit_the_rest(notes: Database) -> None:
    await add_note(notes, "a")
    told: list[str] = []

    async def carry_on() -> None:
        async with notes.transaction() as transaction:
            transaction.after_commit(lambda: told.append("stored"))
            await transaction.execute(INSERT_NOTE, "b", None)
            with pytest.raises(UniqueViolation):
                await transaction.execute(INSERT_NOTE, "a", None)
            with pytest.raises(TransactionBroken):
                await transaction.execute(INSERT_NOTE, "c", None)

    with pytest.raises(TransactionBroken):
        await carry_on()
    assert await names(notes) == {"a"}
    assert told == []


async def test_a_statement_given_up_by_a_time_out_does_not_commit_the_rest(postgres_notes: Database) -> None:
    """Those of SQLite take no time in which one could be given up."""

    async def carry_on() -> None:
        async with postgres_notes.transaction() as transaction:
            await transaction.execute(INSERT_NOTE, "a", None)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await transaction.execute(INSERT_NOTE, "b", None)

    with pytest.raises(TransactionBroken):
        await carry_on()
    assert await names(postgres_notes) == set()


async def test_transactions_do_not_nest(notes: Database) -> None:
    with pytest.raises(RuntimeError, match="nest"):
        async with notes.transaction(), notes.transaction():
            pass
    await add_note(notes, "a")


async def test_a_transaction_is_of_no_use_after_its_end(notes: Database) -> None:
    kept: list[Transaction] = []
    async with notes.transaction() as transaction:
        kept.append(transaction)
    with pytest.raises(RuntimeError, match="ended"):
        await kept[0].execute(INSERT_NOTE, "a", None)
    assert await names(notes) == set()


async def test_a_transaction_runs_one_statement_at_a_time(postgres_notes: Database) -> None:
    with pytest.raises(RuntimeError, match="one statement at a time"):
        async with postgres_notes.transaction() as transaction:
            await asyncio.gather(
                transaction.execute(INSERT_NOTE, "a", None), transaction.execute(INSERT_NOTE, "b", None)
            )
    assert await names(postgres_notes) == set()


async def test_claiming_rows_skips_those_that_others_hold(notes: Database) -> None:
    for name in "abcdef":
        await add_note(notes, name)
    claim = """
    UPDATE notes SET body = $1 WHERE seq IN (
        SELECT seq FROM notes WHERE body <> $1 ORDER BY seq LIMIT 2 FOR UPDATE SKIP LOCKED
    ) RETURNING name
    """

    async def take() -> list[str]:
        async with notes.transaction() as transaction:
            return [row["name"] for row in await transaction.fetch(claim, b"taken")]

    taken = await asyncio.gather(take(), take(), take())
    assert sorted(chain.from_iterable(taken)) == list("abcdef")


@pytest.mark.parametrize("empty_url", ["postgres"], indirect=True)
async def test_a_deadlock_is_a_conflict_for_one_and_no_news_for_the_other(notes: Database) -> None:
    both_hold_one = asyncio.Barrier(2)

    async def take(first: str, second: str) -> None:
        async with notes.transaction() as transaction:
            await transaction.lock(first)
            await both_hold_one.wait()
            await transaction.lock(second)
            await transaction.execute(INSERT_NOTE, first, None)

    results = await asyncio.gather(take("a", "b"), take("b", "a"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", TransactionConflict.__name__]
    assert await notes.fetch_value("SELECT COUNT(*) FROM notes") == 1


async def test_closing_waits_for_what_is_under_way_and_then_refuses(notes: Database, empty_url: str) -> None:
    told: list[str] = []
    tasks = [
        asyncio.create_task(add_note(notes, f"{n}", told=lambda: told.append("stored"))) for n in range(5)
    ]
    await asyncio.sleep(0)
    await notes.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(DatabaseUnavailable):
        await add_note(notes, "late")
    with pytest.raises(DatabaseUnavailable):
        await notes.fetch("SELECT name FROM notes")
    assert {type(result) for result in results} <= {type(None), DatabaseUnavailable}
    reopened = await open_notes(empty_url)
    stored = await names(reopened)
    await reopened.close()
    assert len(told) == len(stored) == results.count(None)
