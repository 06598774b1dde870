"""Vote in polls and close them: from our side, and as it was done in a client."""

from collections.abc import Sequence

from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import check_may_write
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages.errors import NotAParticipant, NotTheSender
from bridge.messages.held import Poll
from bridge.messages.model import Message
from bridge.messages.polls import rules
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.polls.model import End, Vote
from bridge.messages.polls.store import PollStore
from bridge.messages.rules import done_at
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore, lock_of
from bridge.storage.database import Reader, Transaction


class Polls:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: PollStore,
        messages: Messages,
        message_store: MessageStore,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._message_store = message_store
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock

    # From our side

    async def vote(
        self, tx: Transaction, message: Message, *, by: ParticipantId, answers: Sequence[str]
    ) -> None:
        """The person votes for these answers and no others; for none, they take their vote back.

        Nobody can vote in place of who has a client of their own: for them, Festimo says it. Asked again, it changes
        nothing more.
        """
        conversation, person = await self._where(tx, message, by)
        check_may_write(conversation, person)
        message = await self._locked(tx, message)
        poll = rules.check_votable(message, await self._store.end(tx, message.message_id))
        rules.check_answers(poll, answers)
        # In the poll's order: whoever chooses the same has voted the same.
        wanted = tuple(one.answer_id for one in poll.answers if one.answer_id in answers)
        votes = await self._store.of(tx, message.message_id)
        mine = [vote for vote in rules.counting(votes, None) if vote.participant_id == by]
        if wanted == (mine[0].answers if mine else ()):
            return
        has_account = person.participant.mxid is not None
        vote = Vote(
            vote_id=new_id(),
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            participant_id=by,
            outsider=None,
            answers=wanted,
            in_room=not has_account,
            # Later than the vote before, in whatever haste they are made.
            voted_at=max([self._clock.now(), *(one.voted_at + 1 for one in mine)]),
        )
        await self._store.insert(tx, vote)
        await self._voted(tx, message, vote_id=None if has_account else vote.vote_id, voter_id=by)
        if has_account:
            text = rules.on_behalf(person.participant.name, poll, wanted)
            await self._messages.say(tx, conversation, text=text, reply_to=message.message_id)

    async def close(self, tx: Transaction, message: Message, *, by: ParticipantId | None) -> None:
        """Who asked (None: the platform's staff) ends the poll. Asked again, it changes nothing more."""
        message = await self._locked(tx, message)
        is_sender = by is not None and by == message.sender_id
        poll = rules.check_closable(message, is_sender=is_sender, is_staff=by is None)
        if await self._store.end(tx, message.message_id) is not None:
            return
        if by is not None:
            check_may_write(*await self._where(tx, message, by))
        votes = await self._store.of(tx, message.message_id)
        end = rules.end_of_ours(votes, now=self._clock.now())
        await self._store.put_end(tx, message.message_id, end)
        await self._ended(tx, message, poll, end, in_client=False, by_staff=by is None)

    async def close_own(self, tx: Transaction, message_id: MessageId) -> None:
        """Festimo waits for no more votes, if this message of its own is a poll. Asked again, it changes nothing."""
        message = await self._message_store.get(tx, message_id)
        if message is not None and isinstance(message.held, Poll):
            await self.close(tx, message, by=None)

    async def choice_of(
        self, reader: Reader, message_id: MessageId, person: ParticipantId
    ) -> tuple[str, ...]:
        """The ids of what the person chose in this poll, as it counts now; none where they did not vote."""
        votes = rules.counting(
            await self._store.of(reader, message_id), await self._store.end(reader, message_id)
        )
        return next((vote.answers for vote in votes if vote.participant_id == person), ())

    async def sent(self, tx: Transaction, vote_id: str, *, origin_id: str, origin_sender: str) -> None:
        """The room has this vote, as `origin_id`, from `origin_sender`."""
        await self._store.set_origin(tx, vote_id, origin_id=origin_id, origin_sender=origin_sender)

    async def end_sent(self, tx: Transaction, message: Message, *, origin_id: str, at: int) -> None:
        """The room has our end of this poll, as `origin_id`, from the time `at` on: until then people voted there."""
        message = await self._locked(tx, message)
        known = await self._store.end(tx, message.message_id)
        end = rules.end_after(known, at=at, origin_id=origin_id, is_ours=True)
        if not message.is_deleted:
            await self._set_end(tx, message, rules.poll_in(message), end)

    async def outcome(self, reader: Reader, message: Message) -> str:
        """What the poll, which is closed, came to: for people."""
        poll = rules.poll_in(message)
        votes = await self._store.of(reader, message.message_id)
        end = await self._store.end(reader, message.message_id)
        return rules.outcome(poll, rules.result(poll, votes, end))

    # As it was done in a client

    async def receive_vote(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        of: str,
        by: str,
        participant_id: ParticipantId | None,
        selections: Sequence[object] | None,
        origin_id: str,
        claimed_at: int,
        received_at: int,
    ) -> bool:
        """Take in a vote in the poll with the origin id `of`. Return False where there is none (yet).

        `by`: who voted, by the outside's name; `participant_id`: whom that is, if anybody of ours; `selections`: the
        outside's ids of answers, or what stood in their place.
        """
        message = await self._of_origin(tx, conversation, of)
        if message is None:
            return False
        poll = rules.poll_in(message)
        end = await self._store.end(tx, message.message_id)
        vote = Vote(
            vote_id=origin_id,
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            participant_id=participant_id,
            outsider=by if participant_id is None else None,
            answers=rules.chosen(poll, selections),
            in_room=True,
            origin_id=origin_id,
            origin_sender=by,
            voted_at=done_at(claimed=claimed_at, received=received_at),
        )
        # One that came too late is kept, too: of two ends, the one that says so may come later.
        if await self._store.insert(tx, vote) and (end is None or vote.voted_at <= end.closed_at):
            await self._voted(tx, message, vote_id=None, voter_id=participant_id)
        return True

    async def receive_end(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        of: str,
        by: str,
        is_staff: bool,
        origin_id: str,
        claimed_at: int,
        received_at: int,
    ) -> bool:
        """Take in that the poll with the origin id `of` was closed. Return False where there is none (yet).

        `is_staff`: who closed it may do so with everybody's.
        """
        message = await self._of_origin(tx, conversation, of)
        if message is None:
            return False
        is_sender = message.origin_sender == by
        poll = rules.check_closable(message, is_sender=is_sender, is_staff=is_staff)
        known = await self._store.end(tx, message.message_id)
        at = done_at(claimed=claimed_at, received=received_at)
        end = rules.end_after(known, at=at, origin_id=origin_id, is_ours=False)
        await self._set_end(tx, message, poll, end)
        if known is None:
            await self._ended(tx, message, poll, end, in_client=True, by_staff=is_staff)
        return True

    async def receive_withdrawal(
        self, tx: Transaction, conversation: Conversation, *, of: str, by: str, is_staff: bool
    ) -> bool:
        """Forget the vote with the origin id `of`: the one before it counts again. False: there is none (yet)."""
        await tx.lock(lock_of(conversation.conversation_id))
        vote = await self._store.of_origin(tx, conversation.conversation_id, of)
        if vote is None:
            return False
        if by != vote.origin_sender and not is_staff:
            raise NotTheSender("Only who voted can take that back. Nothing was changed.")
        message = await self._message_store.get(tx, vote.message_id)
        assert message is not None, "messages are not removed"
        await self._store.delete(tx, vote.vote_id)
        await self._voted(tx, message)
        return True

    async def author_of(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> str | None:
        """Who sent the vote with this origin id, by the outside's name; None where it is not known."""
        vote = await self._store.of_origin(reader, conversation_id, origin_id)
        return None if vote is None else vote.origin_sender

    async def _of_origin(self, tx: Transaction, conversation: Conversation, of: str) -> Message | None:
        await tx.lock(lock_of(conversation.conversation_id))
        return await self._message_store.of_origin(tx, conversation.conversation_id, of)

    async def _set_end(self, tx: Transaction, message: Message, poll: Poll, end: End) -> None:
        known = await self._store.end(tx, message.message_id)
        if end == known:
            return
        await self._store.put_end(tx, message.message_id, end)
        votes = await self._store.of(tx, message.message_id)
        if known is not None and rules.result(poll, votes, end) != rules.result(poll, votes, known):
            await self._voted(tx, message)

    async def _where(
        self, tx: Transaction, message: Message, by: ParticipantId
    ) -> tuple[Conversation, Member]:
        conversation = await self._conversations.get(tx, message.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        person = await self._conversations.member(tx, message.conversation_id, by)
        if person is None:
            raise NotAParticipant(
                f"{by} takes no part in this conversation. Only who does can vote in its polls.",
                field="sender_id",
            )
        return conversation, person

    async def _locked(self, tx: Transaction, message: Message) -> Message:
        await tx.lock(lock_of(message.conversation_id))
        locked = await self._message_store.get(tx, message.message_id)
        assert locked is not None, "messages are not removed"
        return locked

    async def _voted(
        self,
        tx: Transaction,
        message: Message,
        *,
        vote_id: str | None = None,
        voter_id: ParticipantId | None = None,
    ) -> None:
        voted = PollVoted(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            vote_id=vote_id,
            voter_id=voter_id,
        )
        await self._outbox.record(tx, voted)

    async def _ended(
        self, tx: Transaction, message: Message, poll: Poll, end: End, *, in_client: bool, by_staff: bool
    ) -> None:
        ended = PollEnded(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            in_client=in_client,
            by_staff=by_staff,
        )
        await self._outbox.record(tx, ended)
        found = rules.result(poll, await self._store.of(tx, message.message_id), end)
        if found.all_in_room:
            return
        # What the room counts by itself is not all of it.
        conversation = await self._conversations.get(tx, message.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        await self._messages.say(
            tx, conversation, text=rules.outcome(poll, found), reply_to=message.message_id
        )
