"""Post a message from our side, take in one that was said in the room, and follow what became of it."""

from collections.abc import Sequence

from bridge.conversations.absence_store import seen_by
from bridge.conversations.model import Conversation, Member
from bridge.conversations.response_times import ResponseTimeStore
from bridge.conversations.rules import check_may_write
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages import rules
from bridge.messages.errors import NotAParticipant, NotInConversation
from bridge.messages.events import MessageDelivered, MessageFailed, MessagePosted, MessageReceived
from bridge.messages.held import Held, Location, Poll
from bridge.messages.html import clean
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.model import Kind, Message, SenderType
from bridge.messages.polls.rules import check_poll
from bridge.messages.ports import KnownLeads, NoLeads
from bridge.messages.store import MessageStore, lock_of
from bridge.messages.writers import Writers
from bridge.storage.database import Transaction


class Messages:
    def __init__(
        self,
        store: MessageStore,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
        *,
        leads: KnownLeads | None = None,
        max_text_length: int = rules.MAX_TEXT_LENGTH,
        longest_in_client: int = rules.MAX_TEXT_LENGTH,
    ) -> None:
        """Characters of what is said from our side and in a client."""
        self._store = store
        self._leads = leads or NoLeads()
        self._conversations = conversations
        self._writers = Writers(conversations)
        self._response_times = ResponseTimeStore()
        self._outbox = outbox
        self._clock = clock
        self._max_text_length = max_text_length
        self._longest_in_client = longest_in_client

    async def post(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        sender_id: ParticipantId,
        text: str,
        html: str | None = None,
        kind: Kind = "text",
        held: Held | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_to: MessageId | None = None,
        thread_id: MessageId | None = None,
        message_id: MessageId | None = None,
        labels: Labels = NONE,
    ) -> MessageId:
        """A participant says something without their Matrix client. `html`: the same, formatted; it is cleaned.

        `kind`, `held`: of what is more than text. `message_id`: what it shall be known by; a new id, if it is left out.
        """
        sender, thread_id = await self.check_post(
            tx,
            conversation,
            sender_id=sender_id,
            text=text,
            held=held,
            mentions=mentions,
            reply_to=reply_to,
            thread_id=thread_id,
            labels=labels,
        )
        return await self._post(
            tx,
            conversation,
            sender,
            _sender_type(sender),
            kind,
            text,
            held=held,
            html=None if html is None else clean(html),
            mentions=mentions,
            reply_to=reply_to,
            thread_id=thread_id,
            message_id=message_id,
            labels=labels,
        )

    async def check_post(
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
    ) -> tuple[Member, MessageId | None]:
        """Refuse what `post` would; else return who says it, and in which thread it is. Changes nothing."""
        if isinstance(held, Poll):
            check_poll(held.question, [one.text for one in held.answers], held.max_selections)
        else:
            rules.check_text(text, max_length=self._max_text_length)
        members = await self._conversations.members(tx, conversation.conversation_id)
        sender = _member(members, sender_id)
        check_may_write(conversation, sender)
        rules.check_mentions(mentions, {member.participant.participant_id for member in members})
        reply = await self._target(tx, conversation, reply_to, sender, field="reply_to")
        thread = await self._target(tx, conversation, thread_id, sender, field="thread_id")
        await self._check_links(tx, conversation, labels)
        return sender, rules.thread_of(reply=reply, thread=thread)

    async def forward(
        self, tx: Transaction, message: Message, *, to: Conversation, sender_id: ParticipantId
    ) -> MessageId:
        """A participant of the conversation `to` repeats there what was said: not by whom, nor to whom.

        A poll is repeated as text: who votes there votes in another one.
        """
        rules.check_forward(message)
        members = await self._conversations.members(tx, to.conversation_id)
        sender = _member(members, sender_id)
        check_may_write(to, sender)
        place = message.held if isinstance(message.held, Location) else None
        return await self._post(
            tx,
            to,
            sender,
            _sender_type(sender),
            "text" if place is None else "location",
            message.text,
            held=place,
            html=message.html,
            forwarded=True,
        )

    async def announce(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        text: str,
        html: str | None = None,
        kind: Kind = "system",
        held: Held | None = None,
    ) -> MessageId:
        """The platform says something, in Festimo's voice. `html`: the same, formatted, and safe to show.

        `kind`, `held`: of what is more than text.
        """
        return await self._post(tx, conversation, None, "system", kind, text, held=held, html=html)

    async def say(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        text: str,
        html: str | None = None,
        kind: Kind = "text",
        held: Held | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_to: MessageId | None = None,
        message_id: MessageId | None = None,
    ) -> MessageId:
        """Festimo says something of its own. `html`: the same, formatted, in tags that need no cleaning.

        `kind`, `held`: of what is more than text.
        """
        return await self._post(
            tx,
            conversation,
            None,
            "festimo",
            kind,
            text,
            held=held,
            html=html,
            mentions=mentions,
            reply_to=reply_to,
            message_id=message_id,
        )

    async def receive(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        sender: Member | None,
        text: str,
        origin_id: str,
        sent_at: int,
        origin_sender: str | None = None,
        for_festimo: bool = False,
        automated: bool = False,
        kind: Kind = "text",
        held: Held | None = None,
        html: str | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_origin: str | None = None,
        thread_origin: str | None = None,
    ) -> Refusal | None:
        """Take in what somebody said in the room, as it is. Return why it could not have been said here; None where it
        could, or is known: the same `origin_id` again changes nothing.

        `reply_origin`, `thread_origin`: the outside's ids of what it answers and of what began its thread, which may
        come later. `html` is cleaned.

        `for_festimo`: said to the bot; `automated`: said by a program, which is never answered;
        `origin_sender`: the outside's name of who said it, who alone can edit it there.
        """
        message_id = MessageId(new_id())
        new = await self._store.insert(
            tx,
            tenant_id=conversation.tenant_id,
            message_id=message_id,
            conversation_id=conversation.conversation_id,
            sender_id=sender.participant.participant_id if sender else None,
            sender_type=_sender_type(sender) if sender else "user",
            kind=kind,
            text=text,
            held=held,
            status="sent",
            origin_id=origin_id,
            # Who claims to have said it in the future could edit it for longer.
            created_at=min(sent_at, self._clock.now()),
            origin_sender=origin_sender,
            from_client=True,
            html=None if html is None else clean(html),
            mentions=mentions,
            reply_origin=reply_origin,
            thread_origin=thread_origin,
        )
        if not new:
            return None
        await self._counted(tx, conversation, sender, at=min(sent_at, self._clock.now()))
        received = MessageReceived(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.conversation_id,
            message_id=message_id,
            for_festimo=for_festimo,
            automated=automated,
            is_reply=reply_origin is not None,
        )
        await self._outbox.record(tx, received)
        try:
            if kind == "text":
                rules.check_text(text, max_length=self._longest_in_client)
        except Refusal as refusal:
            return refusal
        return None

    async def sent(
        self, tx: Transaction, message_id: MessageId, *, origin_id: str, origin_sender: str | None = None
    ) -> None:
        """The room has it, as `origin_id`, said by `origin_sender`."""
        whose = await self._store.set_sent(tx, message_id, origin_id=origin_id, origin_sender=origin_sender)
        if whose is not None:
            delivered = MessageDelivered(
                tenant_id=whose.tenant_id, conversation_id=whose.conversation_id, message_id=message_id
            )
            await self._outbox.record(tx, delivered)

    async def failed(self, tx: Transaction, message_id: MessageId, *, reason: str) -> None:
        whose = await self._store.set_failed(tx, message_id, reason=reason)
        if whose is not None:
            failed = MessageFailed(
                tenant_id=whose.tenant_id, conversation_id=whose.conversation_id, message_id=message_id
            )
            await self._outbox.record(tx, failed)

    async def pending_again(self, tx: Transaction, message_id: MessageId) -> None:
        """What failed is about to be tried once more."""
        await self._store.set_pending(tx, message_id)

    async def retry(self, tx: Transaction, message: Message, *, by: ParticipantId | None) -> None:
        """Have a message that failed delivered after all. `by`: the person who asks; None: the platform."""
        await tx.lock(lock_of(message.conversation_id))
        locked = await self._store.get(tx, message.message_id)
        assert locked is not None, "messages are not removed"
        rules.check_retry(locked, is_sender=by is None or by == locked.sender_id)
        if locked.sender_id is not None:  # the room takes from them only what they may say now
            await self._writers.check(tx, locked.conversation_id, locked.sender_id)
        await self.pending_again(tx, message.message_id)
        posted = MessagePosted(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
        )
        # What was given up is tried again as it is: so it is said once, whatever became of it.
        if not await self._outbox.revive_event(tx, posted):
            await self._outbox.record(tx, posted)

    async def _post(
        self,
        tx: Transaction,
        conversation: Conversation,
        sender: Member | None,
        sender_type: SenderType,
        kind: Kind,
        text: str,
        *,
        held: Held | None = None,
        html: str | None = None,
        mentions: Sequence[ParticipantId] = (),
        reply_to: MessageId | None = None,
        thread_id: MessageId | None = None,
        forwarded: bool = False,
        message_id: MessageId | None = None,
        labels: Labels = NONE,
    ) -> MessageId:
        message_id = message_id or MessageId(new_id())
        await self._store.insert(
            tx,
            tenant_id=conversation.tenant_id,
            message_id=message_id,
            conversation_id=conversation.conversation_id,
            sender_id=sender.participant.participant_id if sender else None,
            sender_type=sender_type,
            kind=kind,
            text=text,
            status="pending",
            origin_id=None,
            created_at=self._clock.now(),
            held=held,
            html=html,
            mentions=mentions,
            reply_to=reply_to,
            thread_id=thread_id,
            forwarded=forwarded,
            labels=labels,
        )
        await self._counted(tx, conversation, sender, at=self._clock.now())
        posted = MessagePosted(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.conversation_id,
            message_id=message_id,
        )
        await self._outbox.record(tx, posted)
        return message_id

    async def _counted(
        self, tx: Transaction, conversation: Conversation, sender: Member | None, *, at: int
    ) -> None:
        """Festimo and the platform neither ask nor answer."""
        if sender is not None:
            await self._response_times.said(tx, conversation.conversation_id, sender.role, at=at)

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


def _member(members: Sequence[Member], sender_id: ParticipantId) -> Member:
    found = next((member for member in members if member.participant.participant_id == sender_id), None)
    if found is None:
        raise NotAParticipant(
            f"{sender_id} takes no part in this conversation. Only its hosts and its vendor can write in it.",
            field="sender_id",
        )
    return found


def _sender_type(sender: Member) -> SenderType:
    return "vendor" if sender.role == "vendor" else "user"
