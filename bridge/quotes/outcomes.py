"""What is common to all that is done with quotes: the lock, the outcome, and how Festimo tells of it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import GONE
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.ids import ConversationId, MessageId, ParticipantId, QuoteId
from bridge.delivery.outbox import Outbox
from bridge.messages.polls.service import Polls
from bridge.messages.service import Messages
from bridge.quotes import events, rules, texts
from bridge.quotes.model import Act, Quote, State, Target
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Transaction

ENDED: Mapping[State, type[events.QuoteEvent]] = {
    "accepted": events.QuoteAccepted,
    "declined": events.QuoteDeclined,
    "expired": events.QuoteExpired,
    "withdrawn": events.QuoteWithdrawn,
}


class Outcomes:
    def __init__(
        self,
        store: QuoteStore,
        messages: Messages,
        polls: Polls,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._polls = polls
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock

    async def locked(
        self, tx: Transaction, quote: Quote, by: ParticipantId | None
    ) -> tuple[Conversation, Member | None, Quote]:
        """The quote as it is, and stays until this transaction ends; and who `by` is in its conversation."""
        await self._store.lock(tx, quote.conversation_id)
        conversation, member = await self.who(tx, quote.conversation_id, by)
        return conversation, member, await self.again(tx, quote)

    async def who(
        self, tx: Transaction, conversation_id: ConversationId, by: ParticipantId | None
    ) -> tuple[Conversation, Member | None]:
        conversation = await self._conversations.get(tx, conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        member = None if by is None else await self._conversations.member(tx, conversation_id, by)
        return conversation, member

    async def again(self, tx: Transaction, quote: Quote) -> Quote:
        found = await self._store.get(tx, quote.quote_id)
        assert found is not None, "quotes are not removed"
        return found

    async def check_acceptable(
        self, tx: Transaction, conversation: Conversation, quote: Quote, revision: int, act: Act
    ) -> State:
        """What the revision is after `act`, a step of an acceptance. Refused also where who offers it has gone."""
        state = rules.after(quote, revision, act, now=self._clock.now())
        vendor = await self._conversations.member(tx, quote.conversation_id, quote.vendor_id)
        rules.check_stands_by(conversation, vendor)
        return state

    async def end(
        self, tx: Transaction, conversation: Conversation, quote: Quote, act: Act, *, by: Member | None
    ) -> Quote:
        """Its latest revision becomes what it stays. `by`: None is the clock, or, of one that is withdrawn, that its
        vendor was erased."""
        now, one = self._clock.now(), quote.latest
        # That it expires is noted once it has: what it is by then is no reason not to.
        state = (
            rules.AFTER[one.state, act] if act == "expire" else rules.after(quote, one.revision, act, now=now)
        )
        assert state is not None, "what is open can expire"
        who = None if by is None else by.participant.participant_id
        await self._store.set_state(tx, quote, one.revision, state, now=now, by=who, is_answer=True)
        await self._store.close_questions(tx, quote.quote_id, now=now)
        if conversation.deleted_at is None:
            text = _told(quote, state, None if by is None else by.participant.name)
            mentions = () if state == "withdrawn" else await self._vendor_there(tx, quote)
            await self.say(tx, conversation, text, reply_to=one.message_id, mentions=mentions)
            await self._close_polls(tx, quote)
        ended = ENDED[state](
            tenant_id=quote.tenant_id,
            conversation_id=quote.conversation_id,
            quote_id=quote.quote_id,
            revision=one.revision,
        )
        await self._outbox.record(tx, ended)
        return await self.again(tx, quote)

    async def end_unread(
        self, tx: Transaction, quote_id: QuoteId, state: Literal["expired", "withdrawn"]
    ) -> None:
        """As `end`, of one whose content cannot be opened: nobody is told in the conversation."""
        whose = await self._store.end_unread(tx, quote_id, state, now=self._clock.now())
        if whose is not None:
            ended = ENDED[state](
                tenant_id=whose.tenant_id,
                conversation_id=whose.conversation_id,
                quote_id=quote_id,
                revision=whose.revision,
            )
            await self._outbox.record(tx, ended)

    async def supersede(self, tx: Transaction, quote: Quote, left: State) -> None:
        """Another revision is about to follow its latest, which is `left` as it is then."""
        now = self._clock.now()
        await self._store.set_state(tx, quote, quote.latest.revision, left, now=now)
        await self._store.close_questions(tx, quote.quote_id, now=now)
        await self._close_polls(tx, quote)

    async def tell(
        self, tx: Transaction, conversation: Conversation, person: Member, refusal: Refusal, target: Target
    ) -> None:
        """Why what they did has changed nothing."""
        text = f"{person.participant.name}: {refusal.detail}"
        await self._messages.say(tx, conversation, text=text, reply_to=target.message_id)

    async def say(
        self,
        tx: Transaction,
        conversation: Conversation,
        text: str,
        *,
        html: str | None = None,
        message_id: MessageId | None = None,
        reply_to: MessageId | None = None,
        mentions: Sequence[ParticipantId] = (),
    ) -> None:
        await self._messages.say(
            tx,
            conversation,
            text=text,
            html=html,
            kind="quote",
            message_id=message_id,
            reply_to=reply_to,
            mentions=mentions,
        )

    async def _vendor_there(self, tx: Transaction, quote: Quote) -> Sequence[ParticipantId]:
        """Whose quote it is, unless they have gone."""
        vendor = await self._conversations.member(tx, quote.conversation_id, quote.vendor_id)
        return () if vendor is None or vendor.away in GONE else (quote.vendor_id,)

    async def _close_polls(self, tx: Transaction, quote: Quote) -> None:
        """Of its latest revision, of which nobody is waited for any more; of those that left it open, too."""
        asked = await self._store.asked(tx, quote.quote_id, quote.latest.revision)
        poll_id = quote.latest.poll_id
        for message_id in (*(() if poll_id is None else (poll_id,)), *asked):
            await self._polls.close_own(tx, message_id)


def _told(quote: Quote, state: State, name: str | None) -> str:
    one = quote.latest
    match state, name:
        case "accepted", str():
            return texts.accepted(quote, one, person=name)
        case "declined", str():
            return texts.declined(quote, one, person=name)
        case "withdrawn", str():
            return texts.withdrawn(quote, one, vendor=name)
        case "withdrawn", None:
            return texts.withdrawn_by_nobody(quote, one)
        case _:
            return texts.expired(quote, one)
