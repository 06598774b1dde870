"""Follow a booking: keep what is told of it, and bring its card, the conversation and people's calendars up to date."""

import dataclasses

import structlog

from bridge.bookings import rules, wording
from bridge.bookings.calendar import MIMETYPE, calendar_file, file_name
from bridge.bookings.events import BookingUpdated
from bridge.bookings.model import Booking, CalendarEntry, Followed, News, Payment
from bridge.bookings.ports import AcceptedQuotes
from bridge.bookings.store import BookingStore
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import BookingId, MessageId, PartyId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages.changes import MessageChanges
from bridge.messages.held import Document
from bridge.messages.pins.errors import TooManyPins
from bridge.messages.pins.service import Pins
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.erasures import ErasureStore
from bridge.storage.database import Reader, Transaction

log = structlog.get_logger(__name__)


class Bookings:
    def __init__(
        self,
        store: BookingStore,
        messages: Messages,
        message_store: MessageStore,
        changes: MessageChanges,
        pins: Pins,
        conversations: ConversationStore,
        quotes: AcceptedQuotes,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._messages = messages
        self._message_store = message_store
        self._changes = changes
        self._pins = pins
        self._conversations = conversations
        self._quotes = quotes
        self._outbox = outbox
        self._clock = clock
        self._erasures = ErasureStore()

    async def follow(
        self,
        tx: Transaction,
        conversation: Conversation,
        booking_id: BookingId,
        news: News,
        *,
        party_id: PartyId | None = None,
    ) -> None:
        """Take in what is told of a booking. The same again changes nothing; what comes late, what it still can.

        Raise `BookingElsewhere` where it is one of another party or vendor.
        """
        tenant_id, here = conversation.tenant_id, conversation.conversation_id
        before = await self._known(tx, tenant_id, booking_id)
        if before is not None:
            rules.check_stays(booking_id, await self._place(tx, before), conversation)
        await self._store.add_news(tx, tenant_id, here, booking_id, news)
        await self._bring_up_to_date(tx, conversation, booking_id, before, party_id=party_id)

    async def is_known(self, reader: Reader, tenant_id: TenantId, booking_id: BookingId) -> bool:
        """Whether there was news of it: a payment alone is none."""
        return await self._store.find(reader, tenant_id, booking_id) is not None

    async def pay(self, tx: Transaction, tenant_id: TenantId, payment: Payment) -> None:
        """Take in a payment; the same again changes nothing. It may come before its booking."""
        before = await self._known(tx, tenant_id, payment.booking_id)
        known = await self._store.payment(tx, tenant_id, payment.payment_id)
        rules.check_payment(payment, known=known, booking=None if before is None else before.booking)
        if known is not None:
            return
        await self._store.add_payment(tx, tenant_id, payment)
        if before is None:
            log.info("payment_before_its_booking", tenant=tenant_id, booking=payment.booking_id)
            return
        conversation = await self._place(tx, before)
        if conversation.deleted_at is None:  # else it shows where the next news of the booking is told
            await self._bring_up_to_date(tx, conversation, payment.booking_id, before)

    async def show_again(
        self, tx: Transaction, conversation: Conversation, booking_id: BookingId, *, opened_at: int
    ) -> None:
        """The conversation goes on elsewhere since `opened_at` (epoch ms), where nobody can see the former card."""
        known = await self._known(tx, conversation.tenant_id, booking_id)
        if known is None or known.card_id is None or known.conversation_id != conversation.conversation_id:
            return
        card = await self._message_store.get(tx, known.card_id)
        assert card is not None, "messages are not removed"
        if card.status != "sent" or card.is_deleted or card.created_at >= opened_at:
            return  # it is there, or on its way
        await self._pins.unpin(tx, card)
        card_id = await self._show(tx, conversation, known.booking, None)
        await self._store.put(
            tx, conversation, known.booking, party_id=None, card_id=card_id, entry=known.entry
        )

    async def look_again(self, tx: Transaction, conversation: Conversation, booking_id: BookingId) -> None:
        """Something else of its conversation, which its card shows, may have changed."""
        before = await self._known(tx, conversation.tenant_id, booking_id)
        if before is not None and before.conversation_id == conversation.conversation_id:
            await self._bring_up_to_date(tx, conversation, booking_id, before)

    async def _known(self, tx: Transaction, tenant_id: TenantId, booking_id: BookingId) -> Followed | None:
        """As it was until now; nobody else follows it meanwhile."""
        await self._store.lock(tx, tenant_id, booking_id)
        known = await self._store.find(tx, tenant_id, booking_id)
        if known is not None and known.card_id is None:
            # Of an earlier version, which knew confirmations only and kept the last one.
            first = News(
                news_id=f"first:{tenant_id}:{booking_id}",
                kind="confirmed",
                happened_at=known.created_at,
                terms=known.booking.terms,
            )
            await self._store.add_news(tx, tenant_id, known.conversation_id, booking_id, first)
        return known

    async def _place(self, tx: Transaction, followed: Followed) -> Conversation:
        """Deleted or not."""
        conversation = await self._conversations.get(tx, followed.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        return conversation

    async def _bring_up_to_date(
        self,
        tx: Transaction,
        conversation: Conversation,
        booking_id: BookingId,
        before: Followed | None,
        *,
        party_id: PartyId | None = None,
    ) -> None:
        tenant_id, here = conversation.tenant_id, conversation.conversation_id
        booking = rules.booking_of(
            booking_id,
            await self._store.news_of(tx, tenant_id, booking_id),
            await self._store.payments_of(tx, tenant_id, booking_id),
        )
        assert booking is not None, "there is news, and the first is of something"
        agreed = rules.agreed_on(
            None if before is None else before.booking,
            booking.status,
            await self._quotes.latest(tx, conversation),
        )
        booking = dataclasses.replace(booking, agreed=agreed)
        card_id = None if before is None or before.conversation_id != here else before.card_id
        if (
            before is not None
            and card_id is not None
            and party_id in (None, before.party_id)
            and _looks_alike(before.booking, booking)
        ):
            return
        card_id = await self._show(tx, conversation, booking, card_id)
        change = None if before is None else wording.notice(before.booking, booking)
        if change is not None:
            await self._messages.announce(tx, conversation, text=change)
        last = None if before is None else before.entry
        entry = rules.calendar_entry(last, booking)
        if entry is not None:
            await self._give_out(tx, conversation, booking_id, entry)
        await self._store.put(
            tx, conversation, booking, party_id=party_id, card_id=card_id, entry=entry or last
        )
        updated = BookingUpdated(tenant_id=tenant_id, conversation_id=here, booking_id=booking_id)
        await self._outbox.record(tx, updated)

    async def _show(
        self, tx: Transaction, conversation: Conversation, booking: Booking, card_id: MessageId | None
    ) -> MessageId:
        """The card says how the booking is now; where there is none, or somebody deleted it, there is a new one."""
        text = wording.card(booking)
        html = wording.formatted(text)
        card = None if card_id is None else await self._message_store.get(tx, card_id)
        if card is not None and await self._changes.revise(tx, card, text=text, html=html):
            return card.message_id
        made = await self._messages.announce(tx, conversation, text=text, html=html)
        message = await self._message_store.get(tx, made)
        assert message is not None, "it was made just now"
        try:
            await self._pins.pin(tx, message)
        except TooManyPins:
            log.warning("card_not_pinned", conversation=conversation.conversation_id, message=made)
        return made

    async def _give_out(
        self, tx: Transaction, conversation: Conversation, booking_id: BookingId, entry: CalendarEntry
    ) -> None:
        name = file_name(entry, booking_id)
        text = calendar_file(
            entry,
            tenant_id=conversation.tenant_id,
            booking_id=booking_id,
            about=await self._about(tx, conversation),
            now=self._clock.now(),
        )
        file = Document(attachment_id=new_id(), name=name, mimetype=MIMETYPE, text=text)
        await self._messages.announce(tx, conversation, text=name, kind="file", held=file)

    async def _about(self, tx: Transaction, conversation: Conversation) -> str | None:
        """Its title names people: nothing new holds it once one of them asked to be erased."""
        members = await self._conversations.members(tx, conversation.conversation_id)
        people = [member.participant.participant_id for member in members]
        erased = await self._erasures.among(tx, conversation.tenant_id, people)
        return None if erased else conversation.title


def _looks_alike(before: Booking, after: Booking) -> bool:
    """Two times can be the same, and read differently in their zones."""
    return before == after and wording.card(before) == wording.card(after)
