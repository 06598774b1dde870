"""What the views of messages show and others know."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.core.ids import MessageId
from bridge.messages.model import Delivery, Message
from bridge.storage.database import Reader


class Deliveries(Protocol):
    async def of(self, reader: Reader, messages: Sequence[Message]) -> Mapping[MessageId, Delivery]:
        """Of each of them."""
        ...
