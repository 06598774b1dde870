"""Cancelled at every single await, in two ways, alone and amid others."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from itertools import count
from types import coroutine
from typing import Any

import pytest

from bridge.storage.database import Database
from tests.bridge.storage.notes import add_note, names, open_notes

Waited = asyncio.Future[Any] | None
Moment = Callable[["asyncio.Task[None]", Waited], None]


def while_it_waits(task: "asyncio.Task[None]", _waited: Waited) -> None:
    asyncio.get_running_loop().call_soon(task.cancel)


def as_the_answer_arrives(task: "asyncio.Task[None]", waited: Waited) -> None:
    if waited is None:
        task.cancel()
    else:
        waited.add_done_callback(lambda _: task.cancel())


@coroutine
def stepwise(
    work: Coroutine[Any, Any, None], on_wait: Callable[[int, Waited], None]
) -> Generator[Waited, Any, None]:
    """Run `work` and tell of each wait of it, by its number and what it waits for."""
    steps = work.__await__()
    resume: Callable[[], Waited] = lambda: next(steps)  # noqa: E731
    for number in count():
        try:
            waited = resume()
        except StopIteration:
            return
        on_wait(number, waited)
        try:
            yield waited
        except BaseException as error:
            resume = lambda error=error: steps.throw(error)  # type: ignore[misc] # noqa: E731
        else:
            resume = lambda: next(steps)  # noqa: E731


async def cancelled_at(step: int, moment: Moment, work: Coroutine[Any, Any, None]) -> bool:
    """Whether it came to that step."""
    reached = False

    def on_wait(number: int, waited: Waited) -> None:
        nonlocal reached
        if number == step:
            reached = True
            moment(task, waited)

    async def run() -> None:
        await stepwise(work, on_wait)

    task = asyncio.create_task(run())
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
    return reached


@pytest.mark.parametrize("moment", [while_it_waits, as_the_answer_arrives])
@pytest.mark.parametrize("rivals", [0, 3])
async def test_cancelled_at_any_await_a_transaction_is_stored_whole_or_not_at_all(
    notes: Database, moment: Moment, rivals: int
) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    stored: set[str] = set()
    for step in count():
        told: list[int] = []
        work = add_note(notes, f"{step}", told=partial(told.append, 1))
        async with asyncio.TaskGroup() as tasks:
            for number in range(rivals // 2):
                tasks.create_task(add_note(notes, f"before {step}.{number}"))
            cancelled = tasks.create_task(cancelled_at(step, moment, work))
            for number in range(rivals // 2, rivals):
                tasks.create_task(add_note(notes, f"beside {step}.{number}"))
        await add_note(notes, f"after {step}")
        stored |= {f"after {step}"} | {f"before {step}.{number}" for number in range(rivals // 2)}
        stored |= {f"beside {step}.{number}" for number in range(rivals // 2, rivals)}
        found = await names(notes)
        assert found - stored <= {f"{step}"}
        assert stored <= found
        assert told == ([1] if f"{step}" in found else [])
        stored = found
        if not cancelled.result():
            assert f"{step}" in found
            break
    assert step >= 5, "it has at least its beginning, four statements and the commit to wait for"
    assert [complaint for complaint in complaints if not _of_connecting(complaint)] == []


def _of_connecting(complaint: dict[str, Any]) -> bool:
    """asyncpg leaves this behind where it is cancelled while it connects; nothing has begun then."""
    error = complaint.get("exception")
    return type(error) is ConnectionError and str(error) == "unexpected connection_lost() call"


async def test_cancelled_again_and_again_while_it_ends_it_is_settled_all_the_same(notes: Database) -> None:
    told: list[int] = []

    async def stubborn(step: int) -> None:
        def on_wait(number: int, _waited: Waited) -> None:
            if number >= step:
                asyncio.get_running_loop().call_soon(task.cancel)

        async def run() -> None:
            await stepwise(add_note(notes, f"{step}", told=lambda: told.append(step)), on_wait)

        task = asyncio.create_task(run())
        await asyncio.wait((task,))

    for step in range(12):
        await stubborn(step)
        await add_note(notes, f"after {step}")
    assert {int(name) for name in await names(notes) if name.isdigit()} == set(told)
    assert len(told) == len(set(told))


async def test_a_cancelled_read_leaves_the_readers_usable(notes: Database) -> None:
    async def read() -> None:
        await notes.fetch("SELECT * FROM notes")

    for step in count():
        if not await cancelled_at(step, while_it_waits, read()):
            break
    assert await notes.fetch("SELECT * FROM notes") == []


def test_the_end_of_the_event_loop_ends_a_transaction(sqlite_path: str) -> None:
    """As when the program is interrupted: all tasks are cancelled, the writer's too, and nobody closes first."""
    url = f"sqlite:///{sqlite_path}"
    opened: list[Database] = []

    async def interrupted() -> None:
        opened.append(await open_notes(url))
        for number in range(20):
            opened.append(opened[0])
            task = asyncio.create_task(add_note(opened[0], f"{number}"))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.sleep(0)

    async def afterwards() -> set[str]:
        await opened[0].close()
        database = await open_notes(url)
        await add_note(database, "after")
        found = await names(database)
        await database.close()
        return found

    asyncio.run(interrupted())
    assert "after" in asyncio.run(afterwards())
