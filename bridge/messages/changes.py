"""Edit and delete what was said: from our side, and as it was done in a client."""

import dataclasses
from collections.abc import Sequence

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages import rules
from bridge.messages.edit_store import Edit, EditStore
from bridge.messages.events import MessageDeleted, MessageEdited
from bridge.messages.held import Held, Media, Poll
from bridge.messages.html import clean
from bridge.messages.model import Kind, Message
from bridge.messages.polls.rules import check_unanswered
from bridge.messages.polls.store import PollStore
from bridge.messages.store import MessageStore, lock_of
from bridge.messages.writers import Writers
from bridge.storage.database import Reader, Transaction


class MessageChanges:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: MessageStore,
        edits: EditStore,
        outbox: Outbox,
        clock: Clock,
        *,
        max_text_length: int = rules.MAX_TEXT_LENGTH,
        longest_in_client: int = rules.MAX_TEXT_LENGTH,
    ) -> None:
        """Characters of an edit, from our side and in a client."""
        self._store = store
        self._edits = edits
        self._outbox = outbox
        self._clock = clock
        self._max_text_length = max_text_length
        self._longest_in_client = longest_in_client
        self._writers = Writers(ConversationStore(clock))
        self._polls = PollStore()

    # From our side

    async def edit(
        self,
        tx: Transaction,
        message: Message,
        *,
        sender_id: ParticipantId,
        text: str,
        html: str | None = None,
    ) -> None:
        """The sender changes what they said, not to whom. Asked again, it changes nothing more."""
        rules.check_text(text, max_length=self._max_text_length)
        cleaned = None if html is None else clean(html)
        message = await self._locked(tx, message)
        is_sender = sender_id == message.sender_id
        if is_sender and not message.is_deleted and (message.text, message.html) == (text, cleaned):
            return
        rules.check_edit(message, is_sender=is_sender, at=self._clock.now())
        await self._writers.check(tx, message.conversation_id, sender_id)
        rules.check_from_here(message)
        rules.check_editable(message.kind, to="text")
        await self._edit(tx, message, text=text, html=cleaned)

    async def revise(self, tx: Transaction, message: Message, *, text: str, html: str | None = None) -> bool:
        """The platform brings up to date what it has said itself, however long ago. Return False where it is deleted.

        Asked again, it changes nothing more.
        """
        assert message.sender_type == "system", "what others have said they edit themselves"
        message = await self._locked(tx, message)
        if message.is_deleted:
            return False
        if (message.text, message.html) != (text, html):
            await self._edit(tx, message, text=text, html=html)
        return True

    async def delete(self, tx: Transaction, message: Message, *, sender_id: ParticipantId | None) -> None:
        """The sender (None: the platform's staff) deletes it for everyone. Asked again, it changes nothing more."""
        message = await self._locked(tx, message)
        is_staff = sender_id is None
        is_sender = sender_id is not None and sender_id == message.sender_id
        if message.is_deleted and (is_staff or is_sender):
            return
        now = self._clock.now()
        rules.check_deletion(said_at=message.created_at, is_sender=is_sender, is_staff=is_staff, at=now)
        if sender_id is not None:
            await self._writers.check(tx, message.conversation_id, sender_id)
        await self._forget(tx, message, in_client=False)

    async def edit_sent(self, tx: Transaction, edit_id: str, *, origin_id: str) -> None:
        """The room has this edit, as `origin_id`."""
        await self._edits.set_origin(tx, edit_id, origin_id)

    # As it was done in a client

    async def receive_edit(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        of: str,
        by: str,
        text: str,
        origin_id: str,
        claimed_at: int,
        received_at: int,
        kind: Kind = "text",
        held: Held | None = None,
        html: str | None = None,
        mentions: Sequence[ParticipantId] = (),
    ) -> bool:
        """Take in an edit of the message with the origin id `of`. Return False where there is no such message (yet).

        `by`: who made it, by the outside's name; `claimed_at`: when, as the outside says (epoch ms).
        """
        await tx.lock(lock_of(conversation.conversation_id))
        message = await self._store.of_origin(tx, conversation.conversation_id, of)
        if message is None:
            return False
        edited_at = rules.done_at(claimed=claimed_at, received=received_at)
        is_sender = message.from_client and message.origin_sender == by
        rules.check_edit(message, is_sender=is_sender, at=edited_at)
        rules.check_editable(message.kind, to=kind)
        if kind == "text":
            rules.check_text(text, max_length=self._longest_in_client)
        if isinstance(held, Poll):
            check_unanswered(await self._polls.of(tx, message.message_id))
        if isinstance(held, Media) and isinstance(message.held, Media):
            held = dataclasses.replace(held, attachment_id=message.held.attachment_id)
        new = await self._edits.insert(
            tx,
            message,
            edit_id=origin_id,
            text=text,
            held=held,
            html=None if html is None else clean(html),
            mentions=mentions,
            origin_id=origin_id,
            edited_at=edited_at,
        )
        if new:
            await self._show(tx, message, edit_id=None)
        return True

    async def receive_deletion(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        of: str,
        by: str,
        is_staff: bool,
        claimed_at: int,
        received_at: int,
    ) -> bool:
        """Delete the message, or take back the edit, with the origin id `of`. False: there is none (yet)."""
        await tx.lock(lock_of(conversation.conversation_id))
        message = await self._store.of_origin(tx, conversation.conversation_id, of)
        edit: Edit | None = None
        if message is None:
            edit = await self._edits.of_origin(tx, conversation.conversation_id, of)
            message = None if edit is None else await self._store.get(tx, edit.message_id)
        if message is None:
            return False
        if message.is_deleted:
            return True
        rules.check_deletion(
            said_at=message.created_at if edit is None else edit.edited_at,
            is_sender=message.from_client and message.origin_sender == by,
            is_staff=is_staff,
            at=rules.done_at(claimed=claimed_at, received=received_at),
        )
        if edit is None:
            await self._forget(tx, message, in_client=True)
        else:
            await self._edits.remove(tx, edit.edit_id)
            await self._show(tx, message, edit_id=None)
        return True

    async def author_of(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> str | None:
        """Who said, or edited, what has this origin id, by the outside's name; None where it is not known."""
        message = await self._store.of_origin(reader, conversation_id, origin_id)
        if message is None:
            edit = await self._edits.of_origin(reader, conversation_id, origin_id)
            message = None if edit is None else await self._store.get(reader, edit.message_id)
        return None if message is None else message.origin_sender

    async def _locked(self, tx: Transaction, message: Message) -> Message:
        await tx.lock(lock_of(message.conversation_id))
        locked = await self._store.get(tx, message.message_id)
        assert locked is not None, "messages are not removed"
        return locked

    async def _edit(self, tx: Transaction, message: Message, *, text: str, html: str | None) -> None:
        # Later than the edit before, in whatever haste they are made.
        edited_at = max(self._clock.now(), (message.edited_at or 0) + 1)
        edit_id = new_id()
        await self._edits.insert(
            tx,
            message,
            edit_id=edit_id,
            text=text,
            html=html,
            mentions=message.mentions,
            origin_id=None,
            edited_at=edited_at,
        )
        await self._show(tx, message, edit_id=edit_id)

    async def _show(self, tx: Transaction, message: Message, *, edit_id: str | None) -> None:
        await self._edits.show_latest(tx, message)
        edited = MessageEdited(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            edit_id=edit_id,
        )
        await self._outbox.record(tx, edited)

    async def _forget(self, tx: Transaction, message: Message, *, in_client: bool) -> None:
        await self._edits.delete(tx, message, at=self._clock.now())
        deleted = MessageDeleted(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            in_client=in_client,
        )
        await self._outbox.record(tx, deleted)
