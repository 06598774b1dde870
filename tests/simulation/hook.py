"""A program of the platform's that webhooks tell what happens, and the way to it, on which the process may die."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from bridge.core.clock import Clock
from bridge.webhooks.courier import Answer, Courier
from tests.bridge.platform.sender import sign
from tests.simulation.faults import CANARY, Life


class Hook:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.secret = ""
        self.took: list[dict[str, Any]] = []
        """As often as it came."""

    def take(self, body: str, headers: Mapping[str, str]) -> int:
        seconds = int(headers["webhook-timestamp"])
        event: dict[str, Any] = json.loads(body)
        message_id = headers["webhook-id"]
        assert message_id == event["id"]
        assert abs(self._clock.now() / 1000 - seconds) < 60
        expected = sign(body.encode(), secret=self.secret, message_id=message_id, timestamp=seconds)
        assert expected.items() <= dict(headers).items(), "signed by somebody else"
        assert CANARY not in body
        self.took.append(event)
        return 204


class Post(Courier):
    """Instead of the way through the network."""

    def __init__(self, hook: Hook, life: Life) -> None:
        super().__init__()
        self._hook, self._life = hook, life

    async def __aenter__(self) -> "Post":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    async def check(self, host: str) -> None:
        return None

    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
        await self._life.faults.latency()
        try:
            self._life.moment("call", "before", _Broken, name="carry")
            status = self._hook.take(body, headers)
            self._life.moment("call", "after", _Broken, name="carry")
        except _Broken:
            return Answer(None, "the connection broke off")
        return Answer(status)


class _Broken(Exception):
    """The line, on the way there or back."""
