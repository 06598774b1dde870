"""A client of the REST API that holds every answer against the OpenAPI document."""

import io
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator
from multidict import CIMultiDictProxy
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from bridge.platform.rest import openapi
from tests.bridge.api.world import MAX_TEXT_LENGTH

HttpClient = TestClient[web.Request, web.Application]

DOCUMENT = openapi(max_text_length=MAX_TEXT_LENGTH)
_NAME = "urn:openapi"
_REGISTRY: Registry[Any] = Registry().with_resource(_NAME, DRAFT202012.create_resource(DOCUMENT))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    json: Any

    @property
    def problem(self) -> str:
        """The problem's code."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:festimo:problem:")

    @property
    def fields(self) -> list[str]:
        return [error["field"] for error in self.json["errors"]]


class Api:
    """`key`: the API key it shows; None shows none."""

    def __init__(self, http: HttpClient, key: str | None) -> None:
        self.http = http
        self.key = key

    async def get(self, path: str, **query: str | int) -> Answer:
        return await self.request("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: object, **headers: str) -> Answer:
        """`headers`: names with underscores."""
        return await self.send("POST", path, body, **headers)

    async def send(self, method: str, path: str, body: object, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        return await self.request(
            method, path, data=sent, headers={"Content-Type": "application/json"} | given
        )

    async def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        sent = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        async with self.http.request(
            method, path, headers=sent | (headers or {}), allow_redirects=False, **more
        ) as response:
            answer = Answer(response.status, response.headers, json.loads(await response.read()))
        check(method, path, answer)
        return answer


def check(method: str, path: str, answer: Answer) -> None:
    """Fails unless the document says that this operation may answer like this."""
    matching = [template for template in DOCUMENT["paths"] if _pattern(template).fullmatch(path)]
    template = min(matching, key=lambda template: template.count("{"))  # OpenAPI: concrete paths come first
    responses = DOCUMENT["paths"][template][method.lower()]["responses"]
    assert str(answer.status) in responses, (
        f"{method} {template} may not answer {answer.status}: {answer.json}"
    )
    response = responses[str(answer.status)]
    (content_type,) = response["content"]
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    pointer = [template, method.lower(), "responses", str(answer.status), "content", content_type, "schema"]
    _validator(tuple(pointer)).validate(answer.json)
    for name, header in response.get("headers", {}).items():
        if header.get("required") or name in answer.headers:
            Draft202012Validator(header["schema"]).validate(answer.headers.get(name))
    documented = {name.lower() for name in response.get("headers", {})}
    for ours in ("location", "idempotency-replayed"):
        assert ours not in answer.headers or ours in documented


@lru_cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


@lru_cache
def _validator(pointer: tuple[str, ...]) -> Draft202012Validator:
    fragment = "/".join(part.replace("~", "~0").replace("/", "~1") for part in ("paths", *pointer))
    fragment = fragment.replace("{", "%7B").replace("}", "%7D")
    return Draft202012Validator(
        {"$ref": f"{_NAME}#/{fragment}"},
        registry=_REGISTRY,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
