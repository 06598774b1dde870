"""Send, revise and withdraw quotes, answer them by API, and let them expire: under one lock, to one outcome."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

from bridge.conversations.model import Conversation, Member
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import MessageId, ParticipantId, QuoteId, new_id
from bridge.delivery.outbox import Outbox
from bridge.quotes import rules, texts
from bridge.quotes.asking import Asking
from bridge.quotes.events import QuoteSent
from bridge.quotes.model import Offer, Quote, Revision, State
from bridge.quotes.outcomes import Outcomes
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Transaction


class Quotes:
    """What a refusal is raised for has changed nothing."""

    def __init__(
        self,
        store: QuoteStore,
        outcomes: Outcomes,
        asking: Asking,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outcomes = outcomes
        self._asking = asking
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock
        self._wake: Callable[[], None] = lambda: None

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each commit that may have changed what expires next."""
        self._wake = wake

    # The vendor's side

    async def send(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        by: ParticipantId,
        offer: Offer,
        valid_until: int | None = None,
    ) -> Quote:
        """`valid_until`: in epoch ms; left out: for two weeks."""
        await self._store.lock(tx, conversation.conversation_id)
        conversation, vendor = await self._outcomes.who(tx, conversation.conversation_id, by)
        vendor = rules.check_may_offer(conversation, vendor)
        first = self._revision(1, offer, valid_until)
        count = await self._store.how_many(tx, conversation.conversation_id)
        rules.check_how_many(count)
        quote = Quote(
            quote_id=QuoteId(new_id()),
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.conversation_id,
            vendor_id=by,
            number=count + 1,
            revisions=(first,),
            created_at=first.created_at,
            updated_at=first.created_at,
        )
        quote = await self._shown(tx, conversation, quote, vendor)
        await self._store.insert(tx, quote)
        await self._sent(tx, quote)
        return quote

    async def revise(
        self,
        tx: Transaction,
        quote: Quote,
        *,
        by: ParticipantId,
        offer: Offer,
        valid_until: int | None = None,
    ) -> Quote:
        """The revision before it can be answered no more."""
        conversation, vendor, quote = await self._outcomes.locked(tx, quote, by)
        vendor = rules.check_may_offer(conversation, vendor)
        rules.check_is_theirs(quote, by)
        former = quote.latest
        left = rules.check_revisable(quote, now=self._clock.now())
        revision = self._revision(former.revision + 1, offer, valid_until)
        if left == "expired" and former.state != "expired":
            await self._outcomes.end(tx, conversation, quote, "expire", by=None)
        elif left != former.state:
            await self._outcomes.supersede(tx, quote, left)
        quote = dataclasses.replace(quote, revisions=(*quote.revisions, revision))
        quote = await self._shown(tx, conversation, quote, vendor)
        await self._store.add_revision(tx, quote)
        await self._sent(tx, quote)
        return await self._outcomes.again(tx, quote)

    async def withdraw(self, tx: Transaction, quote: Quote, *, by: ParticipantId) -> Quote:
        """The same again changes nothing more."""
        conversation, vendor, quote = await self._outcomes.locked(tx, quote, by)
        vendor = rules.check_may_offer(conversation, vendor)
        rules.check_is_theirs(quote, by)
        if quote.latest.state == "withdrawn":
            return quote
        return await self._outcomes.end(tx, conversation, quote, "withdraw", by=vendor)

    # The hosts' side, by API

    async def accept(
        self,
        tx: Transaction,
        quote: Quote,
        *,
        by: ParticipantId,
        revision: int,
        total: int,
        currency: str,
    ) -> Quote:
        """Who names the exact revision and total needs not be asked again. The same again changes nothing more."""
        conversation, person, quote = await self._outcomes.locked(tx, quote, by)
        person = rules.check_may_answer(conversation, person)
        rules.check_means(quote, revision, total=total, currency=currency)
        if _has_said(quote, "accepted", by):
            return quote
        await self._outcomes.check_acceptable(tx, conversation, quote, revision, "confirm")
        return await self._outcomes.end(tx, conversation, quote, "confirm", by=person)

    async def decline(self, tx: Transaction, quote: Quote, *, by: ParticipantId, revision: int) -> Quote:
        """The same again changes nothing more."""
        conversation, person, quote = await self._outcomes.locked(tx, quote, by)
        person = rules.check_may_answer(conversation, person)
        rules.check_is_latest(quote, revision)
        if _has_said(quote, "declined", by):
            return quote
        return await self._outcomes.end(tx, conversation, quote, "decline", by=person)

    # The clock

    async def expire(self, tx: Transaction, quote_id: QuoteId) -> None:
        """If its time is over, and nobody has answered it meanwhile."""
        quote = await self._store.get(tx, quote_id)
        assert quote is not None, "quotes are not removed"
        conversation, _, quote = await self._outcomes.locked(tx, quote, None)
        if rules.state_at(quote.latest, now=self._clock.now()) != quote.latest.state:
            await self._outcomes.end(tx, conversation, quote, "expire", by=None)

    async def expire_unread(self, tx: Transaction, quote_id: QuoteId) -> None:
        """As `expire`, of one whose content cannot be opened: nobody is told in the conversation."""
        await self._outcomes.end_unread(tx, quote_id, "expired")

    def _revision(self, number: int, offer: Offer, valid_until: int | None) -> Revision:
        now = self._clock.now()
        if valid_until is None:
            valid_until = now + rules.VALID_FOR // timedelta(milliseconds=1)
        rules.check_offer(offer)
        rules.check_valid_until(valid_until, now=now)
        return Revision(
            revision=number,
            offer=offer,
            valid_until=valid_until,
            state="sent",
            message_id=MessageId(new_id()),
            poll_id=None,
            answered_by=None,
            answered_at=None,
            created_at=now,
        )

    async def _shown(
        self, tx: Transaction, conversation: Conversation, quote: Quote, vendor: Member
    ) -> Quote:
        """One message for each revision, with what answers it."""
        revision = quote.latest
        text, html = texts.message(quote, revision, vendor=vendor.participant.name, how=self._asking.how)
        people = await self._conversations.members(tx, conversation.conversation_id)
        hosts = [one.participant.participant_id for one in people if one.role == "host" and one.away is None]
        await self._outcomes.say(
            tx,
            conversation,
            text,
            html=html,
            message_id=revision.message_id,
            reply_to=quote.revisions[-2].message_id if len(quote.revisions) > 1 else None,
            mentions=hosts,
        )
        poll_id = await self._asking.offered(tx, conversation, quote)
        revision = dataclasses.replace(revision, poll_id=poll_id)
        return dataclasses.replace(quote, revisions=(*quote.revisions[:-1], revision))

    async def _sent(self, tx: Transaction, quote: Quote) -> None:
        sent = QuoteSent(
            tenant_id=quote.tenant_id,
            conversation_id=quote.conversation_id,
            quote_id=quote.quote_id,
            revision=quote.latest.revision,
        )
        await self._outbox.record(tx, sent)
        tx.after_commit(self._wake)


def _has_said(quote: Quote, what: State, who: ParticipantId) -> bool:
    return (quote.latest.state, quote.latest.answered_by) == (what, who)
