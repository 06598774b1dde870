"""Applies stored platform events: one transaction each, so that an event has its whole effect once or none."""

from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from bridge.core.clock import Clock
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
from bridge.platform.strangers import PATIENCE, StillUnknown, waits_for_person
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
    def __init__(self, database: Database, inbox: Inbox, effects: Effects, clock: Clock) -> None:
        self._database = database
        self._inbox = inbox
        self._effects = effects
        self._clock = clock
        self._erasures = ErasureStore()

    async def apply(self, item: Item) -> None:
        """Handle an inbox item of `TOPIC`."""
        try:
            event = parse(item.body)
            word = await self._attempt(item, event, word=None)
            while word is not None:
                word = await self._attempt(item, event, word=word)
        except NoEffect as reason:
            log.info("event_without_effect", id=item.id, reason=str(reason))
            async with self._database.transaction() as tx:
                await self._inbox.finish(tx, item, remark=str(reason))
        except Refusal as refusal:
            raise Fail(f"{refusal.code}: {refusal.detail}") from refusal
        except ValidationError:
            raise Fail("no longer valid: accepted by an earlier version with other rules") from None

    async def _attempt(self, item: Item, event: PlatformEvent, *, word: str | None) -> str | None:
        """Return for which word it has to wait, if for another than `word`: for that it waits from now on."""
        async with self._database.transaction() as tx:
            if word is not None:
                await tx.lock(word)
            await self._check(tx, item.tenant_id, event)
            try:
                await self._apply(tx, item, event)
            except StillUnknown as nobody:
                if self._clock.now() - item.created_at >= PATIENCE:
                    raise nobody.end from None
                needed = waits_for_person(item.tenant_id, nobody.who)
                if needed != word:
                    return needed  # ask once more under its lock, else they could become known unseen
                await self._inbox.park(tx, item.id, until=word)
            else:
                await self._inbox.finish(tx, item)
        return None

    async def _check(self, tx: Transaction, tenant_id: TenantId, event: PlatformEvent) -> None:
        needed = [ParticipantId(one) for one in event.needs()]
        for erased in sorted(await self._erasures.among(tx, tenant_id, needed)):
            raise NoEffect(f"{erased} {REASON}")

    async def _apply(self, tx: Transaction, item: Item, event: PlatformEvent) -> None:
        tenant_id, told_at = item.tenant_id, event.said_at(received=item.created_at)
        match event:
            case PartyPlanCompleted() | VendorSelected():
                await self._effects.openings.apply(tx, tenant_id, event, told_at=told_at)
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
                await self._effects.leads.apply(tx, tenant_id, event, told_at=told_at)
            case VendorUpdated() | VendorStatusChanged() | ReviewCreated():
                await self._effects.vendors.apply(tx, tenant_id, event, told_at=told_at)
            case UserUpdated() | UserDeleted():
                await self._effects.people.apply(tx, tenant_id, event, told_at=told_at)
                if isinstance(event, UserDeleted):
                    word = waits_for_person(tenant_id, ParticipantId(event.data.user_id))
                    await self._inbox.forget_parked(tx, word, remark=f"{event.data.user_id} {REASON}")
            case Unknown():
                raise Fail(f"unknown event type {event.type}")
