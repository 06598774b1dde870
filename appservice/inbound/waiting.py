"""What is about an event that has not come yet, or waits for its key, or is on its way from us: it waits for that."""

from datetime import timedelta
from typing import Any, TypeGuard

import structlog

from appservice.room_map import Room
from bridge.delivery.dispatcher import Retry
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.storage.database import Transaction

_PREFIX = "matrix:"
"""Of the inbox ids of events."""

MOST_LOOKS = 8
"""Attempts at finding what one of us is about to have said: about 20 s."""
LOOK_AGAIN = timedelta(milliseconds=250) // timedelta(milliseconds=1)

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


async def may_be_ours(outbox: Outbox, tx: Transaction, room: Room, item: Item) -> None:
    """Raise `Retry` while what an event is about may be a message of ours that is just being sent."""
    if item.attempts < MOST_LOOKS and await outbox.is_sending(tx, "matrix", room.conversation_id):
        raise Retry("what it is about may be on its way", delay=LOOK_AGAIN)
