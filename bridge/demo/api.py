"""The platform's developer at the REST API: each call is shown as the curl line that does the same."""

import json
from typing import Any

import aiohttp

from bridge.demo.screen import Screen


class Api:
    def __init__(self, url: str, key: str, session: aiohttp.ClientSession, screen: Screen) -> None:
        self._base = f"{url}/api/v1"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session = session
        self._screen = screen

    async def get(self, path: str) -> dict[str, Any]:
        self._screen.command([f"curl $API{path}", '-H "Authorization: Bearer $KEY"'])
        async with self._session.get(self._base + path, headers=self._headers) as response:
            return await _answer(response)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body, separators=(",\n      ", ": "))
        self._screen.command([f"curl $API{path}", '-H "Authorization: Bearer $KEY"', f"--json '{data}'"])
        async with self._session.post(self._base + path, headers=self._headers, json=body) as response:
            return await _answer(response)


async def _answer(response: aiohttp.ClientResponse) -> dict[str, Any]:
    answer: dict[str, Any] = await response.json()
    if not response.ok:
        raise RuntimeError(f"the API answered {response.status}: {answer}")
    return answer
