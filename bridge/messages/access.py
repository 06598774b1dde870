"""Who may see which message: whoever sees its conversation, and was there when it was said. What one may not see looks
as if it were not there."""

from bridge.conversations.access import Access
from bridge.core.caller import Caller
from bridge.core.errors import NotFound
from bridge.core.ids import MessageId
from bridge.messages.hidden.store import is_hidden
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Reader


class MessageAccess:
    def __init__(self, store: MessageStore, access: Access) -> None:
        self._store = store
        self._access = access

    async def message(self, reader: Reader, caller: Caller, message_id: str) -> Message:
        """The message, if the caller may see it, and has not deleted it for themselves; else raise `NotFound`."""
        message = await self.even_hidden(reader, caller, message_id)
        if caller.participant_id is not None and await is_hidden(reader, message, caller.participant_id):
            raise no_message()
        return message

    async def even_hidden(self, reader: Reader, caller: Caller, message_id: str) -> Message:
        """As `message`, also what they have deleted for themselves."""
        message = await self._store.find(reader, caller.tenant_id, MessageId(message_id))
        if message is None:
            raise no_message()
        try:
            await self._access.to(reader, caller, message.conversation_id)
        except NotFound:
            raise no_message() from None
        seen = await self._access.seen(reader, caller, message.conversation_id)
        if not seen.includes(message.position):
            raise no_message()
        return message


def no_message() -> NotFound:
    return NotFound("There is no message with this id.", field="message_id")
