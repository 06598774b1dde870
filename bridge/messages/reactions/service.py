"""React to a message and take a reaction back: from our side, and as it was done in a client."""

from collections.abc import Sequence

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages.errors import NotTheSender
from bridge.messages.model import Message
from bridge.messages.reactions import rules
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.reactions.model import Origin, Reaction
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.rules import done_at
from bridge.messages.store import MessageStore, lock_of
from bridge.messages.writers import Writers
from bridge.storage.database import Reader, Transaction


class Reactions:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: ReactionStore,
        messages: MessageStore,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._writers = Writers(conversations)
        self._outbox = outbox
        self._clock = clock

    # From our side

    async def add(self, tx: Transaction, message: Message, *, by: ParticipantId, emoji: str) -> bool:
        """Return False, changing nothing, where the person has reacted like that already."""
        rules.check_emoji(emoji)
        await self._writers.check(tx, message.conversation_id, by)
        message = await self._locked(tx, message)
        rules.check_message(message)
        known = await self._of_person(tx, message, by, None)
        if emoji in known:
            return False
        rules.check_number(known)
        await self._add(tx, message, by, None, emoji, at=self._clock.now(), in_client=False)
        return True

    async def remove(self, tx: Transaction, message: Message, *, by: ParticipantId, emoji: str) -> None:
        """The person reacts like that no longer, however they did. Asked again, it changes nothing more."""
        await self._writers.check(tx, message.conversation_id, by)
        message = await self._locked(tx, message)
        known = await self._of_person(tx, message, by, None)
        if emoji in known:
            await self._remove(tx, known[emoji], in_client=False)

    async def suggest(self, tx: Transaction, message_id: MessageId, emojis: Sequence[str]) -> None:
        """Festimo reacts to a message: a tap on what it put there does the same. Asked again, it changes nothing."""
        message = await self._messages.get(tx, message_id)
        assert message is not None, "messages are not removed"
        message = await self._locked(tx, message)
        known = await self._of_person(tx, message, None, None)
        for emoji in emojis:
            if emoji not in known:
                await self._add(tx, message, None, None, emoji, at=self._clock.now(), in_client=False)

    # As it was done in a client

    async def receive(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        of: str,
        by: str,
        participant_id: ParticipantId | None,
        emoji: str,
        origin_id: str,
        claimed_at: int,
        received_at: int,
    ) -> bool:
        """Take in a reaction to the message with the origin id `of`. Return False where there is none (yet).

        `by`: who reacted, by the outside's name; `participant_id`: whom that is, if anybody of ours.
        """
        rules.check_emoji(emoji)
        await tx.lock(lock_of(conversation.conversation_id))
        message = await self._messages.of_origin(tx, conversation.conversation_id, of)
        if message is None:
            return False
        rules.check_message(message)
        outsider = by if participant_id is None else None
        known = await self._of_person(tx, message, participant_id, outsider)
        reaction = known.get(emoji)
        if reaction is None:
            rules.check_number(known)
            at = done_at(claimed=claimed_at, received=received_at)
            reaction = await self._add(tx, message, participant_id, outsider, emoji, at=at, in_client=True)
        else:
            # They had done it without their client: what was said for them there is not needed any more.
            await self._record_added(tx, reaction, in_client=True)
        await self._store.put_origin(tx, Origin(origin_id, reaction.reaction_id, by))
        return True

    async def receive_removal(
        self, tx: Transaction, conversation: Conversation, *, of: str, by: str, is_staff: bool
    ) -> bool:
        """Take back the reaction with the origin id `of`. Return False where there is none (yet)."""
        await tx.lock(lock_of(conversation.conversation_id))
        origin = await self._store.origin(tx, conversation.conversation_id, of)
        if origin is None:
            return False
        if by != origin.sender and not is_staff:
            raise NotTheSender("Only who reacted can take that back. Nothing was changed.")
        await self._store.delete_origin(tx, of)
        reaction = await self._store.get(tx, origin.reaction_id)
        assert reaction is not None, "what stands for it is gone before it"
        await self._remove(tx, reaction, in_client=True)
        return True

    async def author_of(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> str | None:
        """Who sent what has this origin id, by the outside's name; None where it is not known."""
        origin = await self._store.origin(reader, conversation_id, origin_id)
        return None if origin is None else origin.sender

    async def _of_person(
        self, tx: Transaction, message: Message, participant_id: ParticipantId | None, outsider: str | None
    ) -> dict[str, Reaction]:
        """By emoji."""
        return {
            one.emoji: one
            for one in await self._store.of(tx, message.message_id)
            if (one.participant_id, one.outsider) == (participant_id, outsider)
        }

    async def _add(
        self,
        tx: Transaction,
        message: Message,
        participant_id: ParticipantId | None,
        outsider: str | None,
        emoji: str,
        *,
        at: int,
        in_client: bool,
    ) -> Reaction:
        reaction = Reaction(
            reaction_id=new_id(),
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            participant_id=participant_id,
            outsider=outsider,
            emoji=emoji,
            created_at=at,
        )
        await self._store.insert(tx, reaction)
        await self._record_added(tx, reaction, in_client=in_client)
        return reaction

    async def _record_added(self, tx: Transaction, reaction: Reaction, *, in_client: bool) -> None:
        added = ReactionAdded(
            tenant_id=reaction.tenant_id,
            conversation_id=reaction.conversation_id,
            message_id=reaction.message_id,
            reaction_id=reaction.reaction_id,
            in_client=in_client,
        )
        await self._outbox.record(tx, added)

    async def _remove(self, tx: Transaction, reaction: Reaction, *, in_client: bool) -> None:
        if not await self._store.remove(tx, reaction.reaction_id, at=self._clock.now()):
            return
        removed = ReactionRemoved(
            tenant_id=reaction.tenant_id,
            conversation_id=reaction.conversation_id,
            message_id=reaction.message_id,
            reaction_id=reaction.reaction_id,
            in_client=in_client,
        )
        await self._outbox.record(tx, removed)

    async def _locked(self, tx: Transaction, message: Message) -> Message:
        await tx.lock(lock_of(message.conversation_id))
        locked = await self._messages.get(tx, message.message_id)
        assert locked is not None, "messages are not removed"
        return locked
