"""Whether somebody may say something from our side, and what it may point at. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.conversations.absence_store import seen_by
from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import check_may_write
from bridge.conversations.store import ConversationStore
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages import rules
from bridge.messages.errors import NotAParticipant, NotInConversation
from bridge.messages.held import Held, Poll
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.model import Message
from bridge.messages.polls.rules import check_poll
from bridge.messages.ports import KnownLeads
from bridge.messages.store import MessageStore
from bridge.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Checked:
    """Who says it, in reply to what, and in which thread."""

    sender: Member
    reply: Message | None
    thread_id: MessageId | None


class Checks:
    """Each refuses what must not be."""

    def __init__(
        self,
        store: MessageStore,
        conversations: ConversationStore,
        leads: KnownLeads,
        *,
        max_text_length: int,
    ) -> None:
        """`max_text_length`: in characters."""
        self._store = store
        self._conversations = conversations
        self._leads = leads
        self._max_text_length = max_text_length

    async def post(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        sender_id: ParticipantId,
        text: str,
        held: Held | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_to: MessageId | None = None,
        thread_id: MessageId | None = None,
        labels: Labels = NONE,
    ) -> Checked:
        if isinstance(held, Poll):
            check_poll(held.question, [one.text for one in held.answers], held.max_selections)
        else:
            rules.check_text(text, max_length=self._max_text_length)
        members = await self._conversations.members(tx, conversation.conversation_id)
        sender = _writer(conversation, members, sender_id)
        rules.check_mentions(mentions, {member.participant.participant_id for member in members})
        reply = await self._target(tx, conversation, reply_to, sender, field="reply_to")
        thread = await self._target(tx, conversation, thread_id, sender, field="thread_id")
        await self._check_links(tx, conversation, labels)
        return Checked(sender, reply, rules.thread_of(reply=reply, thread=thread))

    async def writer(self, tx: Transaction, conversation: Conversation, sender_id: ParticipantId) -> Member:
        members = await self._conversations.members(tx, conversation.conversation_id)
        return _writer(conversation, members, sender_id)

    async def _check_links(self, tx: Transaction, conversation: Conversation, labels: Labels) -> None:
        booking_id, here = labels.booking_id, conversation.conversation_id
        if booking_id is not None and not await self._store.labels.has_booking(tx, here, booking_id):
            raise NotInConversation(
                "This booking is not linked with this conversation. Link it first, or leave it out.",
                field="booking_id",
            )
        lead_id = labels.lead_id
        if lead_id is not None and not await self._leads.is_of(tx, conversation.tenant_id, lead_id, here):
            raise NotInConversation(
                "This lead is none of this conversation's. Name one that has its thread here, or leave it out.",
                field="lead_id",
            )

    async def _target(
        self, tx: Transaction, where: Conversation, message_id: MessageId | None, by: Member, *, field: str
    ) -> Message | None:
        if message_id is None:
            return None
        found = await self._store.get(tx, message_id)
        seen = await seen_by(tx, where.conversation_id, by.participant.participant_id)
        return rules.check_target(found, where.conversation_id, seen=seen, field=field)


def _writer(conversation: Conversation, members: Sequence[Member], sender_id: ParticipantId) -> Member:
    found = next((member for member in members if member.participant.participant_id == sender_id), None)
    if found is None:
        raise NotAParticipant(
            f"{sender_id} takes no part in this conversation. Only its hosts and its vendor can write in it.",
            field="sender_id",
        )
    check_may_write(conversation, found)
    return found
