"""Applies stored platform events: one transaction each, so that an event has its whole effect once or none."""

import hashlib
import json

from pydantic import ValidationError

from bridge.bookings.model import Booking, Total
from bridge.bookings.service import Bookings
from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.core.ids import BookingId, ParticipantId, PartyId, TenantId, VendorId
from bridge.delivery.dispatcher import Fail
from bridge.delivery.inbox import Accepted, Inbox
from bridge.delivery.queue import Item
from bridge.messages.errors import ConversationMissing
from bridge.messages.service import Messages
from bridge.participants.input import Party, Vendor
from bridge.platform import events
from bridge.platform.parse import KNOWN_TYPES, parse
from bridge.platform.store import EventStore
from bridge.storage.database import Database, Transaction

TOPIC = "platform.event"


class InboxIntake:
    """Keeps what the edge accepted in the inbox; the edge's `Intake`."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database = database
        self._inbox = inbox
        self._events = EventStore()

    async def accept(
        self, *, tenant_id: TenantId, source: str, event_id: str, event_type: str, lane: str, body: bytes
    ) -> Accepted:
        item_id = item_id_of(tenant_id, source, event_id)
        async with self._database.transaction() as tx:
            accepted = await self._inbox.add(
                tx, item_id=item_id, tenant_id=tenant_id, lane=lane, topic=TOPIC, body=body
            )
            if accepted is Accepted.NEW:
                await self._events.remember(
                    tx,
                    source=source,
                    event_id=event_id,
                    event_type=event_type,
                    known=event_type in KNOWN_TYPES,
                    item_id=item_id,
                )
            return accepted


def item_id_of(tenant_id: TenantId, source: str, event_id: str) -> str:
    """A hash: sources and ids may hold any separator, and be longer than what a database can index."""
    identity = json.dumps([tenant_id, source, event_id]).encode()
    return f"platform:{hashlib.sha256(identity).hexdigest()}"


class PlatformEvents:
    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        conversations: Conversations,
        conversation_store: ConversationStore,
        messages: Messages,
        bookings: Bookings,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._conversations = conversations
        self._conversation_store = conversation_store
        self._messages = messages
        self._bookings = bookings

    async def apply(self, item: Item) -> None:
        """Handle an inbox item of `TOPIC`."""
        try:
            event = parse(item.body)
            async with self._database.transaction() as tx:
                await self._apply(tx, item.tenant_id, event)
                await self._inbox.finish(tx, item)
        except Refusal as refusal:
            raise Fail(f"{refusal.code}: {refusal.detail}") from refusal
        except ValidationError:
            raise Fail("no longer valid: accepted by an earlier version with other rules") from None

    async def _apply(self, tx: Transaction, tenant_id: TenantId, event: events.PlatformEvent) -> None:
        match event:
            case events.PartyPlanCompleted(data=plan):
                for vendor in plan.vendors:
                    await self._open(tx, tenant_id, plan.party, vendor)
            case events.VendorSelected(data=selection):
                await self._open(tx, tenant_id, selection.party, selection.vendor)
            case events.BookingConfirmed(data=confirmation):
                # News of a booking is no reason to press those who have left.
                conversation = await self._open(
                    tx, tenant_id, confirmation.party, confirmation.vendor, bring_back=False
                )
                await self._bookings.confirmed(tx, conversation, _booking(confirmation.booking))
            case events.MessageSend(data=message):
                await self._send(tx, tenant_id, message)
            case events.Unknown():
                raise Fail(f"unknown event type {event.type}")

    async def _open(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        party: Party,
        vendor: Vendor,
        *,
        bring_back: bool = True,
    ) -> Conversation:
        return await self._conversations.open(
            tx,
            tenant_id=tenant_id,
            party_id=PartyId(party.id),
            party_title=party.title,
            hosts=[host.participant(tenant_id) for host in party.hosts],
            vendor=vendor.participant(tenant_id),
            bring_back=bring_back,
        )

    async def _send(self, tx: Transaction, tenant_id: TenantId, message: events.NewMessage) -> None:
        conversation = await self._conversation_store.of_pair(
            tx, tenant_id, PartyId(message.party_id), VendorId(message.vendor_id)
        )
        if conversation is None:
            raise ConversationMissing(
                f"Party {message.party_id} and vendor {message.vendor_id} have no conversation. Send"
                " vendor.selected for them first.",
                field="vendor_id",
            )
        await self._messages.post(
            tx, conversation, sender_id=ParticipantId(message.sender_id), text=message.text
        )


def _booking(booking: events.Booking) -> Booking:
    return Booking(
        booking_id=BookingId(booking.id),
        status="confirmed",
        service=booking.service,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        total=Total(amount=booking.total.amount, currency=booking.total.currency) if booking.total else None,
    )
