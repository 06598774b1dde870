"""Quotes listen: somebody has reacted, voted in or replied to a message that may be of one. One transaction each."""

import json
from datetime import timedelta

from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.delivery.dispatcher import Retry
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.events import MessageReceived, SaidToFestimo
from bridge.messages.polls.events import PollVoted
from bridge.messages.polls.service import Polls
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.store import MessageStore
from bridge.quotes.answering import Answering
from bridge.quotes.answers import of_reaction, of_vote, of_words
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Database

MOST_LOOKS = 8
"""Attempts at finding what a reply answers: about 20 s."""
LOOK_AGAIN = timedelta(milliseconds=250) // timedelta(milliseconds=1)


def may_be_an_answer(event: MessageReceived | SaidToFestimo) -> bool:
    """What a program says is none."""
    return event.is_reply and not (isinstance(event, MessageReceived) and event.automated)


def may_be_a_vote_for_one(event: PollVoted) -> bool:
    """Who takes no part answers nothing."""
    return event.voter_id is not None


class QuoteListener:
    def __init__(
        self,
        *,
        database: Database,
        store: QuoteStore,
        answering: Answering,
        messages: MessageStore,
        reactions: ReactionStore,
        polls: Polls,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._store = store
        self._answering = answering
        self._messages = messages
        self._reactions = reactions
        self._polls = polls
        self._outbox = outbox

    async def reacted(self, item: Item) -> None:
        """Handle a `ReactionAdded`. One that was taken back meanwhile means nothing."""
        about = json.loads(item.body)
        async with self._database.transaction() as tx:
            target = await self._store.target(tx, MessageId(about["message_id"]))
            reaction = None if target is None else await self._reactions.get(tx, about["reaction_id"])
            if target is not None and reaction is not None and reaction.removed_at is None:
                answer = of_reaction(reaction.emoji, to_question=target.is_question)
                # Festimo reacts, too, and so may somebody who is no participant.
                if answer is not None and reaction.participant_id is not None:
                    await self._answering.answered(
                        tx, target, by=reaction.participant_id, answer=answer, in_words=False
                    )
            await self._outbox.finish(tx, item)

    async def voted(self, item: Item) -> None:
        """Handle a `PollVoted` of a participant. What counts is what they choose by now."""
        about = json.loads(item.body)
        message_id, voter = MessageId(about["message_id"]), ParticipantId(about["voter_id"])
        async with self._database.transaction() as tx:
            target = await self._store.target(tx, message_id)
            if target is not None:
                choice = await self._polls.choice_of(tx, message_id, voter)
                answer = of_vote(choice, to_question=target.is_question)
                if answer is not None:
                    await self._answering.answered(tx, target, by=voter, answer=answer, in_words=False)
            await self._outbox.finish(tx, item)

    async def replied(self, item: Item) -> None:
        """Handle a `MessageReceived` or `SaidToFestimo` that may be an answer."""
        message = await self._messages.get(self._database, MessageId(json.loads(item.body)["message_id"]))
        assert message is not None, "the message and this item are one commit"
        if message.reply_to is None and await self._may_come(item, message.conversation_id):
            raise Retry("what it answers may be on its way", delay=LOOK_AGAIN)
        async with self._database.transaction() as tx:
            target = None if message.reply_to is None else await self._store.target(tx, message.reply_to)
            if target is not None and message.sender_id is not None and not message.is_deleted:
                answer = of_words(message.text, to_question=target.is_question)
                if answer is not None:
                    await self._answering.answered(
                        tx, target, by=message.sender_id, answer=answer, in_words=True
                    )
            await self._outbox.finish(tx, item)

    async def _may_come(self, item: Item, conversation_id: ConversationId) -> bool:
        """Whether something is just being said that this may answer: the room has it before we know its id there."""
        return item.attempts < MOST_LOOKS and await self._outbox.is_sending(
            self._database, "matrix", conversation_id
        )
