"""What is looked up once for all that happened up to one moment: what is found is no older than any of it."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from bridge.storage.database import Reader

T = TypeVar("T")


class Look:
    """Begin a new one after what it is asked about is committed, never before."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._found: dict[Hashable, Any] = {}

    async def once(self, what: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """`what`: names it among all that is looked for."""
        if what not in self._found:
            self._found[what] = await find()
        found: T = self._found[what]
        return found
