"""Take what hosts answer in the conversation, by reaction, vote or reply: an acceptance counts at the second step."""

from collections.abc import Sequence

from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import GONE
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId, new_id
from bridge.quotes import rules, texts
from bridge.quotes.answers import Answer
from bridge.quotes.asking import Asking
from bridge.quotes.model import Act, Question, Quote, Revision, Target
from bridge.quotes.outcomes import Outcomes
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Transaction


class Answering:
    def __init__(self, store: QuoteStore, outcomes: Outcomes, asking: Asking, clock: Clock) -> None:
        self._store = store
        self._outcomes = outcomes
        self._asking = asking
        self._clock = clock

    async def answered(
        self, tx: Transaction, target: Target, *, by: ParticipantId, answer: Answer, in_words: bool
    ) -> None:
        """Somebody reacted, voted, or replied (`in_words`), to a quote or to a question about one.

        What is not possible any more, Festimo says in the conversation. Who is no host is told so where they used
        words; that they react or vote means nothing, and nobody is bothered with it.
        """
        quote = await self._store.get(tx, target.quote_id)
        assert quote is not None, "quotes are not removed"
        conversation, person, quote = await self._outcomes.locked(tx, quote, by)
        try:
            rules.check_may_answer(conversation, person)
        except Refusal as refusal:
            if in_words and person is not None and person.role != "host" and person.away not in GONE:
                await self._outcomes.tell(tx, conversation, person, refusal, target)
            return
        assert person is not None, "nobody else may answer"
        if rules.state_at(quote.latest, now=self._clock.now()) != quote.latest.state:
            await self._outcomes.end(tx, conversation, quote, "expire", by=None)
            return
        try:
            await self._answer(tx, conversation, quote, target, person, answer)
        except Refusal as refusal:  # which comes before anything is written
            await self._outcomes.tell(tx, conversation, person, refusal, target)

    async def _answer(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        target: Target,
        person: Member,
        answer: Answer,
    ) -> None:
        by, revision = person.participant.participant_id, quote.of(target.revision)
        said = (revision.state, revision.answered_by)
        if said == ("declined" if answer == "decline" else "accepted", by):
            return
        questions = await self._store.questions(tx, quote.quote_id)
        mine = [one for one in questions if one.participant_id == by]
        is_mine = target.message_id in {one.message_id for one in mine}
        if is_mine and answer == "leave":
            others = len(questions) - len(mine)
            await self._leave_open(tx, conversation, quote, target, person, mine, others=others)
        elif is_mine and answer == "confirm":
            await self._outcomes.check_acceptable(tx, conversation, quote, target.revision, "confirm")
            await self._end(tx, conversation, quote, target.revision, "confirm", person)
        elif answer == "decline":
            await self._end(tx, conversation, quote, target.revision, "decline", person)
        elif answer != "leave" and not rules.is_asked(mine, target.revision, now=self._clock.now()):
            # Who says yes to what was asked of somebody else, or is over, begins at the beginning.
            await self._ask(tx, conversation, quote, revision, person)

    async def _end(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        revision: int,
        act: Act,
        person: Member,
    ) -> None:
        """Of the very revision that they answered: a newer one is another question."""
        rules.after(quote, revision, act, now=self._clock.now())
        assert revision == quote.latest.revision, "no other can be answered"
        await self._outcomes.end(tx, conversation, quote, act, by=person)

    async def _ask(
        self, tx: Transaction, conversation: Conversation, quote: Quote, revision: Revision, person: Member
    ) -> None:
        now, number = self._clock.now(), revision.revision
        state = await self._outcomes.check_acceptable(tx, conversation, quote, number, "ask")
        who = person.participant
        question = Question(
            message_id=MessageId(new_id()),
            quote_id=quote.quote_id,
            revision=number,
            participant_id=who.participant_id,
            asked_at=now,
        )
        await self._asking.ask(tx, conversation, quote, revision, question, person=who.name)
        await self._store.ask(tx, question)
        if state != revision.state:
            await self._store.set_state(tx, quote, number, state, now=now)

    async def _leave_open(
        self,
        tx: Transaction,
        conversation: Conversation,
        quote: Quote,
        target: Target,
        person: Member,
        mine: Sequence[Question],
        *,
        others: int,
    ) -> None:
        now = self._clock.now()
        state = rules.after(quote, target.revision, "leave", now=now)
        for question in mine:
            await self._store.close_question(tx, question.message_id, now=now)
        state = rules.after_leaving(state, others_asked=others)
        await self._store.set_state(tx, quote, target.revision, state, now=now)
        text = texts.left_open(quote, quote.of(target.revision), person=person.participant.name)
        await self._outcomes.say(tx, conversation, text, reply_to=target.message_id)
