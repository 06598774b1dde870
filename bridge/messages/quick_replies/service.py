"""Keep quick replies, and make of one what is said with it in a conversation."""

from bridge.conversations.model import Conversation
from bridge.conversations.party_lists import list_of
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, TenantId, new_id
from bridge.messages.quick_replies import rules
from bridge.messages.quick_replies.model import QuickReply, Wording
from bridge.messages.quick_replies.store import QuickReplyStore
from bridge.messages.rules import MAX_TEXT_LENGTH, check_text
from bridge.storage.database import Reader, Transaction


class QuickReplies:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: QuickReplyStore,
        conversations: ConversationStore,
        clock: Clock,
        *,
        max_text_length: int = MAX_TEXT_LENGTH,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._clock = clock
        self._max_text_length = max_text_length

    async def make(
        self, tx: Transaction, tenant_id: TenantId, owner_id: ParticipantId | None, wording: Wording
    ) -> QuickReply:
        """`owner_id`: who alone may say it; None: everybody of the tenant."""
        rules.variables_of(wording.text)
        # Two at once must not come to more than are allowed.
        await tx.lock(f"quick_replies:{tenant_id}:{owner_id or ''}")
        rules.check_how_many(await self._store.how_many(tx, tenant_id, owner_id))
        quick_reply_id = new_id()
        await self._store.insert(
            tx,
            quick_reply_id=quick_reply_id,
            tenant_id=tenant_id,
            owner_id=owner_id,
            wording=wording,
            now=self._clock.now(),
        )
        return await self.get(tx, tenant_id, quick_reply_id, person=owner_id)

    async def get(
        self, reader: Reader, tenant_id: TenantId, quick_reply_id: str, *, person: ParticipantId | None
    ) -> QuickReply:
        """`person`: who asks, and is not to know of other people's; None: a program or staff."""
        found = await self._store.find(reader, tenant_id, quick_reply_id)
        if found is None or (person is not None and found.owner_id not in (None, person)):
            raise NotFound("There is no quick reply with this id.", field="quick_reply_id")
        return found

    async def of(
        self, reader: Reader, tenant_id: TenantId, owner_id: ParticipantId | None
    ) -> list[QuickReply]:
        """Theirs, and everybody's."""
        return await self._store.of(reader, tenant_id, owner_id)

    async def change(
        self, tx: Transaction, one: QuickReply, wording: Wording, *, person: ParticipantId | None
    ) -> QuickReply:
        rules.check_may_change(one.owner_id, person=person)
        rules.variables_of(wording.text)
        await self._store.change(tx, one, wording, now=self._clock.now())
        return await self.get(tx, one.tenant_id, one.quick_reply_id, person=person)

    async def delete(self, tx: Transaction, one: QuickReply, *, person: ParticipantId | None) -> None:
        rules.check_may_change(one.owner_id, person=person)
        await self._store.delete(tx, one.quick_reply_id)

    async def text_for(
        self, reader: Reader, conversation: Conversation, quick_reply_id: str, *, sender_id: ParticipantId
    ) -> str:
        """What `sender_id` says with it there."""
        one = await self.get(reader, conversation.tenant_id, quick_reply_id, person=sender_id)
        members = await self._conversations.members(reader, conversation.conversation_id)
        values = rules.values_of(members, party_title=await self._party_title(reader, conversation))
        text = rules.filled(one.wording.text, values)
        check_text(text, max_length=self._max_text_length)
        return text

    async def _party_title(self, reader: Reader, conversation: Conversation) -> str | None:
        if conversation.party_id is None:
            return None
        found = await list_of(reader, conversation.tenant_id, conversation.party_id)
        return None if found is None else found.title
