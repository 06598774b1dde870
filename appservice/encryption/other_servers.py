"""Which other homeservers do not answer: nothing waits for them a second time while they are away.

Our homeserver asks them on our behalf, for their users' devices and one-time keys. This is kept in memory: what is
forgotten costs one wait more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

PATIENCE = 10.0
"""Seconds that may go by before a server counts as away. Synapse itself may wait for it for minutes."""
ASK_AGAIN_AFTER = 30.0
"""Seconds until one that is away is asked again, if nothing has been heard of it before."""
MOST_AT_ONCE = 8
"""Requests on the way that need another server. Synapse works on ten of one device's queries at a time: ours about its
own users are not to wait for those."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


def server_of(user_id: str) -> str:
    return user_id.partition(":")[2]


def by_server(user_ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user_id in user_ids:
        found.setdefault(server_of(user_id), []).append(user_id)
    return found


async def all_of(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results. They are asked at the same time; the first error ends all of them and is raised as it is.

    Not `asyncio.TaskGroup`: its group of errors hides that the asker was cancelled, and before Python 3.13 it leaves
    `Task.cancelling()` counting after any error. Not `asyncio.gather`: an error of a question that is being ended
    takes the place of the cancellation.
    """
    asked = [asyncio.create_task(question) for question in questions]
    try:
        if asked:
            await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
        for task in asked:
            if task.done():
                task.result()
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return [task.result() for task in asked]


@dataclass(frozen=True, slots=True)
class _Away:
    """`times`: how often it did not answer; `due`: when it may be asked again, by the event loop's clock."""

    times: int
    due: float


class OtherServers:
    def __init__(
        self, own: str, *, patience: float = PATIENCE, ask_again_after: float = ASK_AGAIN_AFTER
    ) -> None:
        """`own`: the name of our homeserver, whose silence is for callers to deal with."""
        self._own = own
        self._patience = patience
        self._ask_again_after = ask_again_after
        self._away: dict[str, _Away] = {}
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._on_back: list[Callable[[str], None]] = []

    def on_back(self, tell: Callable[[str], None]) -> None:
        """Have `tell(server)` called when a server that was away answers, or is heard of."""
        self._on_back.append(tell)

    def is_away(self, server: str) -> bool:
        return server in self._away

    def permit(self, server: str) -> int | None:
        """Leave to ask the server, for `ask`. While it is away one caller gets it now and then, and all others None."""
        away = self._away.get(server)
        if away is None:
            return 0
        now = asyncio.get_running_loop().time()
        if now < away.due:
            return None
        self._away[server] = replace(away, due=now + self._ask_again_after)
        return away.times

    async def ask(
        self, server: str, permit: int | None, question: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> Mapping[str, Any] | None:
        """The answer of `question`, with its "failures"; None where the server is away, or has been found to be so by
        somebody else since the permit."""
        if server == self._own:
            return await question()
        if permit is None:
            return None
        async with self._turns:
            away = self._away.get(server)
            if away is not None and away.times != permit:
                return None
            try:
                async with asyncio.timeout(self._patience):
                    answer = await question()
            except TimeoutError:
                self._silent(server)
                return None
        failures = answer.get("failures")
        if isinstance(failures, Mapping) and server in failures:
            self._silent(server)
        else:
            self._back(server)
        return answer

    def heard(self, user_id: str) -> None:
        """The user has done something: whatever we knew of their server, it may be asked at once."""
        server = server_of(user_id)
        away = self._away.get(server)
        if away is not None and away.due > 0:
            self._away[server] = replace(away, due=0)
            self._tell(server)

    def _silent(self, server: str) -> None:
        before = self._away.get(server)
        if before is None:
            log.warning("server_away", server=server)
        due = asyncio.get_running_loop().time() + self._ask_again_after
        self._away[server] = _Away(1 if before is None else before.times + 1, due)

    def _back(self, server: str) -> None:
        if self._away.pop(server, None) is not None:
            log.info("server_back", server=server)
            self._tell(server)

    def _tell(self, server: str) -> None:
        for tell in self._on_back:
            tell(server)
