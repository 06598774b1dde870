"""What a client of the API gets when something goes wrong, over real HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request
from pydantic import BaseModel, ConfigDict
from pytest_aiohttp.plugin import AiohttpClient
from structlog.testing import capture_logs

from bridge.core.errors import NotFound, Refusal
from bridge.web.problems import problems

Client = TestClient[web.Request, web.Application]
Connect = Callable[[Exception], Awaitable[Client]]


class TooLate(Refusal):
    code: ClassVar[str] = "too_late"


class Guest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    seats: list[int]


@pytest.fixture
def connect(aiohttp_client: AiohttpClient) -> Connect:
    """A client of an application whose every handler raises the given error."""

    async def go(error: Exception) -> Client:
        async def fail(_: web.Request) -> web.Response:
            raise error

        app = web.Application(middlewares=[problems])
        app.add_routes([web.get("/api/v1/guests/{guest}", fail), web.get("/_matrix/x", fail)])
        return await aiohttp_client(app)

    return go


async def get(client: Client, path: str = "/api/v1/guests/anna", method: str = "GET") -> dict[str, Any]:
    async with client.request(method, path) as response:
        assert response.content_type == "application/problem+json"
        document: dict[str, Any] = json.loads(await response.read())
        assert document["status"] == response.status
        return document


async def test_a_refusal_becomes_a_problem_with_its_field(connect: Connect) -> None:
    client = await connect(NotFound("There is no guest anna.", field="guest"))
    assert await get(client) == {
        "type": "urn:festimo:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no guest anna.",
        "field": "guest",
    }


async def test_a_refusal_nobody_listed_is_a_conflict(connect: Connect) -> None:
    problem = await get(await connect(TooLate("The doors are closed.")))
    assert (problem["status"], problem["type"]) == (409, "urn:festimo:problem:too_late")
    assert "field" not in problem


async def test_invalid_input_lists_every_field_and_no_value(connect: Connect) -> None:
    with pytest.raises(ValueError) as error:
        Guest.model_validate({"name": 5, "seats": [1, "secret"], "nick": "secret"})
    problem = await get(await connect(error.value))
    assert (problem["status"], problem["type"]) == (422, "urn:festimo:problem:invalid_input")
    assert [found["field"] for found in problem["errors"]] == ["name", "seats[1]", "nick"]
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (web.HTTPForbidden(), 403),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413),
        (web.HTTPTooManyRequests(headers={"Retry-After": "3"}), 429),
        (web.HTTPServiceUnavailable(headers={"Retry-After": "3"}), 503),
    ],
)
async def test_errors_of_the_server_library_become_problems(
    connect: Connect, error: web.HTTPException, status: int
) -> None:
    client = await connect(error)
    assert (await get(client))["status"] == status
    async with client.get("/api/v1/guests/anna") as response:
        assert response.headers.get("Retry-After") == error.headers.get("Retry-After")


async def test_an_unknown_path_is_a_problem_that_does_not_repeat_it(connect: Connect) -> None:
    problem = await get(await connect(KeyError()), "/api/v1/secret")
    assert (problem["status"], problem["type"]) == (404, "urn:festimo:problem:not_found")
    assert "secret" not in json.dumps(problem)


async def test_a_wrong_method_says_which_are_right(connect: Connect) -> None:
    client = await connect(KeyError())
    problem = await get(client, method="DELETE")
    assert (problem["status"], problem["type"]) == (405, "urn:festimo:problem:method_not_allowed")
    assert "GET" in problem["detail"]


async def test_a_redirect_stays_a_redirect(connect: Connect) -> None:
    client = await connect(web.HTTPSeeOther("/elsewhere"))
    async with client.get("/api/v1/guests/anna", allow_redirects=False) as response:
        assert response.status == 303


async def test_a_failure_tells_only_an_incident_that_the_log_knows(connect: Connect) -> None:
    client = await connect(RuntimeError("INSERT failed for 'a secret text'"))
    with capture_logs() as logs:
        problem = await get(client, "/api/v1/guests/secret?token=secret")
    assert (problem["status"], problem["type"]) == (500, "urn:festimo:problem:internal_error")
    assert problem["incident"] in problem["detail"]
    (log,) = logs
    assert (log["incident"], log["error"]) == (problem["incident"], "RuntimeError")
    assert log["route"] == "/api/v1/guests/{guest}"
    assert any("in fail" in frame or frame.endswith(" fail") for frame in log["where"])
    assert "secret" not in str(logs) + json.dumps(problem)


async def test_each_failure_is_an_incident_of_its_own(connect: Connect) -> None:
    client = await connect(RuntimeError())
    incidents = [(await get(client))["incident"] for _ in range(3)]
    assert len(set(incidents)) == 3


@pytest.mark.parametrize("path", ["/_matrix/x", "/_matrix/unknown", "/apiary"])
async def test_paths_outside_the_api_keep_their_own_errors(connect: Connect, path: str) -> None:
    client = await connect(
        web.HTTPNotFound(text='{"errcode": "M_UNRECOGNIZED"}', content_type="application/json")
    )
    async with client.get(path) as response:
        assert response.status == 404
        assert response.content_type != "application/problem+json"


async def test_cancelling_is_no_failure() -> None:
    async def wait(_: web.Request) -> web.Response:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await problems(make_mocked_request("GET", "/api/v1/x"), wait)
