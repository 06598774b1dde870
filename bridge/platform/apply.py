"""Applies stored platform events: one transaction each, so that an event has its whole effect once or none."""

from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from bridge.core.errors import Refusal
from bridge.core.ids import ParticipantId, TenantId
from bridge.delivery.dispatcher import Fail
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.participants.erasures import REASON, ErasureStore
from bridge.platform.effects.bookings import BookingEffects
from bridge.platform.effects.leads import LeadEffects
from bridge.platform.effects.messages import MessageEffects
from bridge.platform.effects.openings import Openings
from bridge.platform.effects.people import PeopleEffects
from bridge.platform.effects.vendors import VendorEffects
from bridge.platform.errors import NoEffect
from bridge.platform.events import PlatformEvent, Unknown
from bridge.platform.events.bookings import (
    BookingCancelled,
    BookingChanged,
    BookingCompleted,
    BookingConfirmed,
    BookingRequested,
    PaymentReceived,
)
from bridge.platform.events.leads import LeadCreated
from bridge.platform.events.messages import MessageSend
from bridge.platform.events.parties import PartyPlanCompleted, VendorSelected
from bridge.platform.events.people import UserDeleted, UserUpdated
from bridge.platform.events.vendors import ReviewCreated, VendorStatusChanged, VendorUpdated
from bridge.platform.parse import parse
from bridge.storage.database import Database, Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What each family of events does."""

    openings: Openings
    messages: MessageEffects
    bookings: BookingEffects
    leads: LeadEffects
    vendors: VendorEffects
    people: PeopleEffects


class PlatformEvents:
    def __init__(self, database: Database, inbox: Inbox, effects: Effects) -> None:
        self._database = database
        self._inbox = inbox
        self._effects = effects
        self._erasures = ErasureStore()

    async def apply(self, item: Item) -> None:
        """Handle an inbox item of `TOPIC`."""
        try:
            event = parse(item.body)
            async with self._database.transaction() as tx:
                await self._check(tx, item.tenant_id, event)
                await self._apply(tx, item, event)
                await self._inbox.finish(tx, item)
        except NoEffect as reason:
            log.info("event_without_effect", id=item.id, reason=str(reason))
            async with self._database.transaction() as tx:
                await self._inbox.finish(tx, item, remark=str(reason))
        except Refusal as refusal:
            raise Fail(f"{refusal.code}: {refusal.detail}") from refusal
        except ValidationError:
            raise Fail("no longer valid: accepted by an earlier version with other rules") from None

    async def _check(self, tx: Transaction, tenant_id: TenantId, event: PlatformEvent) -> None:
        needed = [ParticipantId(one) for one in event.needs()]
        for erased in sorted(await self._erasures.among(tx, tenant_id, needed)):
            raise NoEffect(f"{erased} {REASON}")

    async def _apply(self, tx: Transaction, item: Item, event: PlatformEvent) -> None:
        tenant_id = item.tenant_id
        match event:
            case PartyPlanCompleted() | VendorSelected():
                await self._effects.openings.apply(tx, tenant_id, event)
            case MessageSend():
                await self._effects.messages.apply(tx, tenant_id, event)
            case (
                BookingRequested()
                | BookingConfirmed()
                | BookingChanged()
                | BookingCancelled()
                | BookingCompleted()
                | PaymentReceived()
            ):
                await self._effects.bookings.apply(tx, item, event)
            case LeadCreated():
                await self._effects.leads.apply(tx, tenant_id, event)
            case VendorUpdated() | VendorStatusChanged() | ReviewCreated():
                await self._effects.vendors.apply(tx, tenant_id, event)
            case UserUpdated() | UserDeleted():
                await self._effects.people.apply(tx, tenant_id, event)
            case Unknown():
                raise Fail(f"unknown event type {event.type}")
