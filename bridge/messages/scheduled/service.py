"""Schedule, change and cancel what is said later, and say it when its time has come."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages.rules import check_editable
from bridge.messages.scheduled import rules
from bridge.messages.scheduled.events import ScheduledMessageFailed
from bridge.messages.scheduled.model import Draft, Scheduled
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.service import Messages
from bridge.storage.database import Transaction


class Schedule:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: ScheduledStore,
        messages: Messages,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
        *,
        longest_ahead: timedelta = rules.LONGEST_AHEAD,
    ) -> None:
        self._store = store
        self._messages = messages
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock
        self._longest_ahead = longest_ahead
        self._wake: Callable[[], None] = lambda: None

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each commit that may have changed what is to be sent next."""
        self._wake = wake

    async def schedule(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        sender_id: ParticipantId,
        draft: Draft,
        send_at: int,
    ) -> Scheduled:
        """A participant will say something. What would be refused now is, and again when it is sent."""
        now = self._clock.now()
        rules.check_send_at(send_at, now=now, longest_ahead=self._longest_ahead)
        await self._check(tx, conversation, sender_id, draft)
        tenant_id = conversation.tenant_id
        rules.check_how_many(await self._store.how_many_open(tx, tenant_id, sender_id))
        scheduled_id = MessageId(new_id())
        await self._store.insert(
            tx,
            scheduled_id=scheduled_id,
            tenant_id=tenant_id,
            conversation_id=conversation.conversation_id,
            sender_id=sender_id,
            draft=draft,
            send_at=send_at,
            now=now,
        )
        tx.after_commit(self._wake)
        return await self._locked(tx, scheduled_id)

    async def change(
        self,
        tx: Transaction,
        scheduled_id: MessageId,
        *,
        text: str | None,
        html: str | None,
        send_at: int | None,
    ) -> None:
        """None leaves it as it is, but for `html`, which goes with the text; only a text has one.

        What failed is scheduled once more."""
        one = await self._locked(tx, scheduled_id)
        rules.check_change(one.status)
        assert one.draft is not None, "only what is over says nothing"
        now = self._clock.now()
        if send_at is not None or one.status == "failed":
            wished = one.send_at if send_at is None else send_at
            rules.check_send_at(wished, now=now, longest_ahead=self._longest_ahead)
        if text is not None:
            check_editable(one.draft.kind, to="text")
        draft = one.draft if text is None else dataclasses.replace(one.draft, text=text, html=html)
        conversation = await self._conversations.get(tx, one.conversation_id)
        assert conversation is not None, "conversations are not removed"
        await self._check(tx, conversation, one.sender_id, draft)
        await self._store.change(
            tx, one, draft=draft, send_at=one.send_at if send_at is None else send_at, now=now
        )
        tx.after_commit(self._wake)

    async def cancel(self, tx: Transaction, scheduled_id: MessageId) -> None:
        """Asked again, it changes nothing more."""
        one = await self._locked(tx, scheduled_id)
        rules.check_cancel(one.status)
        if one.status != "cancelled":
            await self._store.end(tx, scheduled_id, "cancelled", now=self._clock.now())

    async def send(self, tx: Transaction, scheduled_id: MessageId) -> None:
        """Say it, if its time has come and nobody has said or cancelled it meanwhile.

        What is refused now stays with its sender, with the reason.
        """
        one, now = await self._locked(tx, scheduled_id), self._clock.now()
        if one.status != "scheduled" or one.send_at > now:
            return
        assert one.draft is not None, "only what is over says nothing"
        conversation = await self._conversations.get(tx, one.conversation_id)
        assert conversation is not None, "conversations are not removed"
        try:
            await self._messages.post(
                tx,
                conversation,
                sender_id=one.sender_id,
                text=one.draft.text,
                html=one.draft.html,
                kind=one.draft.kind,
                held=one.draft.held,
                mentions=one.draft.mentions,
                reply_to=one.draft.reply_to,
                thread_id=one.draft.thread_id,
                labels=one.draft.labels,
                message_id=scheduled_id,
            )
        except Refusal as refusal:  # which comes before anything is written
            await self.fail(tx, scheduled_id, reason=refusal.detail)
        else:
            await self._store.end(tx, scheduled_id, "sent", now=now)

    async def fail(self, tx: Transaction, scheduled_id: MessageId, *, reason: str) -> None:
        """It cannot be sent as it is; its sender is told."""
        whose = await self._store.fail(tx, scheduled_id, reason=reason, now=self._clock.now())
        if whose is not None:
            failed = ScheduledMessageFailed(
                tenant_id=whose.tenant_id,
                conversation_id=whose.conversation_id,
                scheduled_id=scheduled_id,
                participant_id=whose.sender_id,
            )
            await self._outbox.record(tx, failed)

    async def _locked(self, tx: Transaction, scheduled_id: MessageId) -> Scheduled:
        one = await self._store.to_change(tx, scheduled_id)
        assert one is not None, "scheduled messages are not removed"
        return one

    async def _check(
        self, tx: Transaction, conversation: Conversation, sender_id: ParticipantId, draft: Draft
    ) -> None:
        await self._messages.checks.post(
            tx,
            conversation,
            sender_id=sender_id,
            text=draft.text,
            held=draft.held,
            mentions=draft.mentions,
            reply_to=draft.reply_to,
            thread_id=draft.thread_id,
            labels=draft.labels,
        )
