"""How hosts are asked: with reactions to tap, or with polls to vote in. Words, and the API, answer either."""

from typing import Protocol

from bridge.conversations.model import Conversation
from bridge.core.ids import MessageId
from bridge.messages.polls.rules import poll_of, text_of
from bridge.messages.reactions.service import Reactions
from bridge.messages.service import Messages
from bridge.quotes import texts
from bridge.quotes.answers import TO_QUESTION, TO_QUOTE
from bridge.quotes.model import Question, Quote, Revision
from bridge.storage.database import Transaction


class Asking(Protocol):
    @property
    def how(self) -> str:
        """What the message that shows a quote says of it."""
        ...

    async def offered(self, tx: Transaction, conversation: Conversation, quote: Quote) -> MessageId | None:
        """Ask for an answer to the latest revision, which its message shows. Return the poll, if there is one."""

    async def ask(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        revision: Revision,
        question: Question,
        *,
        person: str,
    ) -> None:
        """Repeat to somebody what they want to accept. `person`: their name."""


class AskByReactions:
    how = texts.BY_REACTIONS

    def __init__(self, messages: Messages, reactions: Reactions) -> None:
        self._messages = messages
        self._reactions = reactions

    async def offered(self, tx: Transaction, conversation: Conversation, quote: Quote) -> None:
        await self._reactions.suggest(tx, quote.latest.message_id, TO_QUOTE)

    async def ask(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        revision: Revision,
        question: Question,
        *,
        person: str,
    ) -> None:
        await self._messages.say(
            tx,
            conversation,
            text=texts.question(quote, revision, person=person),
            kind="quote",
            message_id=question.message_id,
            reply_to=revision.message_id,
            mentions=(question.participant_id,),
        )
        await self._reactions.suggest(tx, question.message_id, TO_QUESTION)


class AskByPoll:
    """One for each step; the question of each holds the total."""

    how = texts.BY_POLL

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def offered(self, tx: Transaction, conversation: Conversation, quote: Quote) -> MessageId | None:
        revision = quote.latest
        poll = poll_of(texts.poll(quote, revision), texts.POLL_ANSWERS, kind="disclosed", max_selections=1)
        return await self._messages.say(
            tx,
            conversation,
            text=text_of(poll),
            kind="poll",
            held=poll,
            reply_to=revision.message_id,
        )

    async def ask(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        revision: Revision,
        question: Question,
        *,
        person: str,
    ) -> None:
        asked = texts.question_in_poll(quote, revision, person=person)
        poll = poll_of(asked, texts.QUESTION_ANSWERS, kind="disclosed", max_selections=1)
        await self._messages.say(
            tx,
            conversation,
            text=text_of(poll),
            kind="poll",
            held=poll,
            message_id=question.message_id,
            reply_to=revision.message_id,
            mentions=(question.participant_id,),
        )
