"""News of somebody whom nobody knows yet: it waits, sealed, until something names them, but not for long."""

from datetime import timedelta

from bridge.conversations.events import ParticipantAdded
from bridge.core.clock import Clock
from bridge.core.errors import Refusal
from bridge.core.events import Event
from bridge.core.ids import ParticipantId, TenantId
from bridge.delivery.due import Due
from bridge.delivery.inbox import Inbox
from bridge.platform.errors import NoEffect
from bridge.platform.intake import TOPIC
from bridge.storage.database import Database, Reader, Transaction
from bridge.vendors.events import VendorUpdated

PATIENCE = timedelta(days=1) // timedelta(milliseconds=1)
"""How long it waits, in ms since it was accepted. A platform that tries again tells late what it said first; of people
who never become known nothing is to be kept for longer than that takes."""


class StillUnknown(Exception):
    """Nobody knows whom the event is about; nothing was changed. `end`: what becomes of it, should that stay so."""

    def __init__(self, who: ParticipantId, *, end: NoEffect | Refusal) -> None:
        super().__init__(str(end))
        self.who = who
        self.end = end


def waits_for_person(tenant_id: TenantId, who: ParticipantId) -> str:
    """The word under which inbox items wait until somebody is known, or is known to somebody else."""
    return f"person:{tenant_id}/{who}"


class Introductions:
    """Whoever becomes known, or meets somebody, is what their news waited for: a witness of the outbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def heard(self, tx: Transaction, event: Event) -> None:
        match event:
            case ParticipantAdded(participant_id=who):
                pass
            case VendorUpdated(vendor_id=vendor_id):
                who = ParticipantId(vendor_id)
            case _:
                return
        word = waits_for_person(event.tenant_id, who)
        await tx.lock(word)
        await self._inbox.unpark(tx, word)


class DueStrangers(Due[str]):
    """What has waited for long enough is tried once more, and has its end then."""

    def __init__(self, database: Database, inbox: Inbox, clock: Clock) -> None:
        super().__init__(database, clock)
        self._inbox = inbox

    async def next(self, reader: Reader) -> tuple[int, str] | None:
        first = await self._inbox.longest_parked(reader, TOPIC)
        return None if first is None else (first[0] + PATIENCE, first[1])

    async def do(self, tx: Transaction, what: str) -> None:
        await self._inbox.unpark_one(tx, what)

    async def give_up(self, tx: Transaction, what: str, error: str) -> None:
        """To try it is all that there is to do, and nothing in that can fail but the database."""
        await self._inbox.unpark_one(tx, what)
