"""Have an event of the platform applied after all: one that failed, or whose type this version has come to know."""

from dataclasses import replace

from pydantic import ValidationError

from bridge.admin.dead_letters.errors import AlreadyDone, CannotBeReplayed
from bridge.conversations.model import Scope
from bridge.core.errors import NotFound
from bridge.core.ids import TenantId
from bridge.delivery.inbox import Inbox
from bridge.delivery.metrics import ITEMS
from bridge.delivery.queue import Item
from bridge.platform.events import PlatformEvent, Unknown
from bridge.platform.lanes import lane_of
from bridge.platform.parse import parse
from bridge.platform.store import EventState, EventStore
from bridge.storage.database import Transaction
from bridge.storage.sealing import CannotOpen


class EventReplays:
    def __init__(self, inbox: Inbox, store: EventStore, *, scope: Scope = "party_vendor") -> None:
        """`scope`: what there is one conversation for."""
        self._scope = scope
        self._inbox = inbox
        self._store = store

    async def replay(self, tx: Transaction, tenant_id: TenantId, *, source: str, event_id: str) -> EventState:
        """Have it tried again, and return its state. One that waits already stays as it is.

        Raise `NotFound`, `AlreadyDone` or `CannotBeReplayed`.
        """
        state = await self._find(tx, tenant_id, source=source, event_id=event_id)
        if state.status in ("applied", "without_effect"):
            raise AlreadyDone(
                "It was applied already, so there is nothing to replay. Nothing was changed.",
                field="event_id",
            )
        try:
            item = await self._inbox.dead(tx, state.place.item_id)
        except CannotOpen as reason:
            raise CannotBeReplayed(f"It cannot be read any more: {reason}.", field="event_id") from reason
        if item is not None:
            await self._revive(tx, item, _understood(item))
            state = await self._find(tx, tenant_id, source=source, event_id=event_id)
        return state

    async def _revive(self, tx: Transaction, item: Item, event: PlatformEvent) -> None:
        lane = lane_of(event, item.tenant_id, scope=self._scope)
        if lane != item.lane:
            # It waited among the unknown ones; now it has its place with what it is about.
            item = replace(item, lane=lane)
            await self._inbox.move(tx, item)
            await self._store.set_known(tx, item.tenant_id, source=event.source, event_id=event.id)
        await self._inbox.revive(tx, item)
        tx.after_commit(ITEMS.labels(item.topic, "replayed").inc)

    async def _find(self, tx: Transaction, tenant_id: TenantId, *, source: str, event_id: str) -> EventState:
        state = await self._store.find(tx, tenant_id, source=source, event_id=event_id)
        if state is None:
            raise not_found()
        return state


def _understood(item: Item) -> PlatformEvent:
    try:
        event = parse(item.body)
    except ValidationError:
        raise CannotBeReplayed(
            "It is not valid any more: an earlier version accepted it by other rules. Nothing was changed. Send it"
            " anew, under a new id.",
            field="event_id",
        ) from None
    if isinstance(event, Unknown):
        raise CannotBeReplayed(
            f"This version does not know the type {event.type}. Nothing was changed. Replay it once a version runs"
            " that does.",
            field="event_id",
        )
    return event


def not_found() -> NotFound:
    return NotFound("There is no event with this id and source.", field="event_id")
