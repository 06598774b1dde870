"""What the toolkit does around a handler: transactions that are run again, and outages."""

from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pydantic import BaseModel
from pytest_aiohttp.plugin import AiohttpClient

from bridge.core.caller import Caller
from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.storage.database import Database, DatabaseUnavailable, Transaction, TransactionConflict
from bridge.storage.sealing import Sealer
from bridge.web.fields import Data
from bridge.web.idempotency import IdempotencyKeys
from bridge.web.operations import ATTEMPTS, Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.pace import Pace
from bridge.web.problems import problems

NOTE = "INSERT INTO content_keys (key_id, tenant_id, scope, wrapped, created_at) VALUES ($1, $1, $1, $2, 0)"


class Note(Data):
    text: str


class Noted(BaseModel):
    text: str


POST = Operation(
    method="POST",
    path="/api/notes",
    name="note",
    summary="Note",
    tag="notes",
    params=Nothing,
    body=Note,
    answers={HTTPStatus.CREATED: Says("Noted.", Noted)},
)


class AnyKey:
    async def caller_of(self, token: str) -> Caller | None:
        return Caller(tenant_id=TenantId(token), role="service")


class Notes:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.attempts = 0

    async def post(self, tx: Transaction, _: Caller, __: Nothing, note: Note) -> Answer:
        self.attempts += 1
        await tx.execute(NOTE, note.text, b"")
        if self.failures:
            raise self.failures.pop(0)
        return answer(Noted(text=note.text), status=HTTPStatus.CREATED)


async def post(
    database: Database, notes: Notes, aiohttp_client: AiohttpClient, key: str | None = None
) -> tuple[int, dict[str, str]]:
    clock = FrozenClock()
    idempotency = IdempotencyKeys(Sealer(b"m" * 32, clock), clock)
    app = web.Application(middlewares=[problems])
    pace = Pace(requests=100, messages=100, frames=100)
    toolkit = Toolkit(database, AnyKey(), idempotency, limits={}, pace=pace)
    app.add_routes([toolkit.write(POST, notes.post)])
    client: TestClient[web.Request, web.Application] = await aiohttp_client(app)
    headers = {"Authorization": "Bearer t", "Content-Type": "application/json"}
    async with client.post(
        "/api/notes", data=b'{"text": "a"}', headers=headers | ({"Idempotency-Key": key} if key else {})
    ) as response:
        await response.read()
        return response.status, dict(response.headers)


async def stored(database: Database) -> int:
    return len(await database.fetch("SELECT 1 FROM content_keys WHERE scope = 'a'"))


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_transaction_that_ran_into_others_is_run_again(
    database: Database, aiohttp_client: AiohttpClient, key: str | None
) -> None:
    notes = Notes(*(TransactionConflict() for _ in range(ATTEMPTS - 1)))
    assert (await post(database, notes, aiohttp_client, key))[0] == 201
    assert (notes.attempts, await stored(database)) == (ATTEMPTS, 1)


@pytest.mark.parametrize(("failure", "attempts"), [(TransactionConflict, ATTEMPTS), (DatabaseUnavailable, 1)])
async def test_who_cannot_be_served_now_is_asked_to_come_again(
    database: Database, aiohttp_client: AiohttpClient, failure: type[Exception], attempts: int
) -> None:
    notes = Notes(*(failure() for _ in range(ATTEMPTS)))
    status, headers = await post(database, notes, aiohttp_client)
    assert (status, notes.attempts, await stored(database)) == (503, attempts, 0)
    assert int(headers["Retry-After"]) > 0


async def test_a_fault_of_ours_changes_nothing(database: Database, aiohttp_client: AiohttpClient) -> None:
    assert (await post(database, Notes(KeyError()), aiohttp_client, "k"))[0] == 500
    assert await stored(database) == 0
    assert await database.fetch("SELECT 1 FROM idempotency_keys") == []
