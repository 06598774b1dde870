"""Edits and redactions of events that have not come yet, or wait for their key: they wait for them."""

from typing import Any, TypeGuard

import structlog

from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.storage.database import Transaction

_PREFIX = "matrix:"
"""Of the inbox ids of events."""

log = structlog.get_logger(__name__)


def waits_for_event(event_id: str) -> str:
    """The word under which inbox items wait until the event of this id is dealt with."""
    return f"event:{event_id}"


def inbox_id(event_id: str) -> str:
    return f"{_PREFIX}{event_id}"


def event_id_of(item: Item) -> str:
    return item.id.removeprefix(_PREFIX)


def is_event_id(value: Any) -> TypeGuard[str]:
    """Not more than that databases can store it: no NUL, no half characters."""
    return isinstance(value, str) and value.startswith("$") and value.isprintable() and len(value) <= 255


async def wait_for(inbox: Inbox, tx: Transaction, item: Item, event_id: str) -> bool:
    """Set `item` aside until the event comes: False. True where it has been dealt with, so that nothing would come."""
    if await inbox.is_settled(tx, inbox_id(event_id)):
        log.info("nothing_to_change", of=event_id, item=item.id)
        return True
    log.info("waits_for_event", of=event_id, item=item.id)
    await inbox.park(tx, item.id, until=waits_for_event(event_id))
    return False
