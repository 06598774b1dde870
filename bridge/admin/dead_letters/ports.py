"""What dead letters need from elsewhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from bridge.core.ids import ConversationId
from bridge.delivery.queue import Item
from bridge.storage.database import Reader, Transaction

OnReplay = Callable[[Transaction, Item], Awaitable[None]]
"""Tells the item's feature, in the same transaction, that it will be tried again: the counterpart of `OnDead`.

Raises `CannotBeReplayed` where no attempt could ever succeed.
"""


class Lanes(Protocol):
    """Which lane of the inbox brings what is said in which conversation."""

    async def lane_of(self, reader: Reader, conversation_id: ConversationId) -> str | None: ...

    async def conversations_of(
        self, reader: Reader, lanes: Sequence[str]
    ) -> Mapping[str, ConversationId]: ...
