"""Pin and unpin: from our side, and as the room's list was changed in a client."""

from collections.abc import Sequence

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.messages.model import Message
from bridge.messages.pins import rules
from bridge.messages.pins.events import PinsChanged
from bridge.messages.pins.store import PinStore
from bridge.messages.store import MessageStore, lock_of
from bridge.messages.writers import Writers
from bridge.storage.database import Transaction


class Pins:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self, store: PinStore, messages: MessageStore, conversations: ConversationStore, outbox: Outbox
    ) -> None:
        self._store = store
        self._messages = messages
        self._writers = Writers(conversations)
        self._outbox = outbox

    # From our side

    async def pin(self, tx: Transaction, message: Message, *, by: ParticipantId | None = None) -> None:
        """`by`: the person who asks; None: the platform. Asked again, it changes nothing more."""
        await self._check(tx, message, by)
        await tx.lock(lock_of(message.conversation_id))
        locked = await self._messages.get(tx, message.message_id)
        assert locked is not None, "messages are not removed"
        if await self._store.is_pinned(tx, message.message_id):
            return
        rules.check_pin(locked, pinned=len(await self._store.of(tx, message.conversation_id)))
        await self._store.put(tx, locked)
        await self._changed(tx, message.tenant_id, message.conversation_id)

    async def unpin(self, tx: Transaction, message: Message, *, by: ParticipantId | None = None) -> None:
        """As `pin`."""
        await self._check(tx, message, by)
        await tx.lock(lock_of(message.conversation_id))
        if await self._store.delete(tx, message.message_id):
            await self._changed(tx, message.tenant_id, message.conversation_id)

    # As it was done in a client

    async def receive(
        self, tx: Transaction, conversation: Conversation, *, before: Sequence[str], after: Sequence[str]
    ) -> None:
        """Take in that the room's list, by the outside's ids, became `after`; just before it was `before`.

        What is no message of ours is left to the room. What was pinned here meanwhile stays so.
        """
        conversation_id = conversation.conversation_id
        await tx.lock(lock_of(conversation_id))
        changed = False
        added, removed = rules.changes(before=before, after=after)
        for origin_id in removed:
            message = await self._messages.of_origin(tx, conversation_id, origin_id)
            if message is not None:
                changed |= await self._store.delete(tx, message.message_id)
        for origin_id in added:
            message = await self._messages.of_origin(tx, conversation_id, origin_id)
            if message is not None and not message.is_deleted:
                changed |= await self._store.put(tx, message)
        if changed:
            await self._changed(tx, conversation.tenant_id, conversation_id)

    async def _check(self, tx: Transaction, message: Message, by: ParticipantId | None) -> None:
        if by is not None:
            rules.check_may_pin(await self._writers.check(tx, message.conversation_id, by))

    async def _changed(self, tx: Transaction, tenant_id: TenantId, conversation_id: ConversationId) -> None:
        await self._outbox.record(tx, PinsChanged(tenant_id=tenant_id, conversation_id=conversation_id))
