"""Signals from the homeserver to the people they are of. All of it is lossy: bounded, coalesced, in nobody's way.

What comes is noted at once and looked at a moment later, off the path of messages: of the same kind, room, thread and
person, only what came last. A receipt may overtake the message that it is for, and waits for it a while.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from prometheus_client import Counter

from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.inbound.ephemeral import (
    UNTOLD,
    PresenceTold,
    Receipt,
    TypingNow,
    presence_in,
    receipts_in,
    typing_in,
)
from appservice.inbound.waiting import inbox_id
from appservice.names import Names
from appservice.room_map import Room, room_by_id
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId
from bridge.delivery.inbox import Inbox
from bridge.signals.model import NO_THREAD, Part
from bridge.signals.presence import PresenceBoard
from bridge.signals.reads import Place, Reads
from bridge.signals.rules import is_typing, typing_until
from bridge.signals.store import ReadStore, SeenStore
from bridge.signals.typing import TypingBoard
from bridge.storage.database import Database, DatabaseError

MOST_WAITING = 10_000
"""Of each kind. What comes while so many wait is dropped."""
MOST_AT_ONCE = 100
"""Receipts of one transaction."""
PAUSE = 0.05
"""Seconds between two looks: a flood costs no more than this many of them."""
PAUSE_IN_TROUBLE = 1.0
WAITS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between the looks for the message of a receipt."""
LOOK_BACK = 20
"""Events before one that is no message (a reaction, somebody's arrival) among which the last message is looked for."""

SIGNALS = Counter("festimo_signals", "Signals from the homeserver", ["kind", "outcome"])

K = TypeVar("K")
V = TypeVar("V")
_ReceiptKey = tuple[str, str, str | None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """`due`: by the event loop's clock."""

    receipt: Receipt
    looks: int = 0
    due: float = 0.0


class InboundSignals:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        conversations: ConversationStore,
        inbox: Inbox,
        reads: Reads,
        read_store: ReadStore,
        seen: SeenStore,
        typing: TypingBoard,
        presence: PresenceBoard,
        clock: Clock,
        heard: Callable[[str], None] = lambda user: None,
    ) -> None:
        """`heard(user)`: somebody shows that they are there."""
        self._heard = heard
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._conversations = conversations
        self._inbox = inbox
        self._reads = reads
        self._read_store = read_store
        self._seen = seen
        self._board = typing
        self._presence_board = presence
        self._clock = clock
        self._typing: dict[str, tuple[TypingNow, int]] = {}
        self._receipts: dict[_ReceiptKey, _Waiting] = {}
        self._presence: dict[str, tuple[PresenceTold, int]] = {}
        self._some = asyncio.Event()

    def offer(self, events: Sequence[Any]) -> None:
        """Note what came in a transaction; returns at once."""
        self._note(events, threads_told=False)

    def offer_synced(self, events: Sequence[Any]) -> None:
        """The same of what came by `/sync`: only there Synapse says which thread a receipt is of."""
        self._note(events, threads_told=True)

    def _note(self, events: Sequence[Any], *, threads_told: bool) -> None:
        now = self._clock.now()
        for event in events[:MOST_WAITING]:
            if not isinstance(event, dict):
                continue
            match event.get("type"):
                case "m.typing":
                    typing = typing_in(event)
                    if typing is not None:
                        for user in typing.users:
                            self._heard(user)
                        _note(self._typing, typing.room_id, (typing, now), "typing")
                case "m.receipt":
                    for receipt in receipts_in(event, threads_told=threads_told):
                        self._heard(receipt.user)
                        self._note_receipt(receipt)
                case "m.presence":
                    told = presence_in(event)
                    if told is not None and not self._names.is_ours(told.user):
                        if told.state != "offline":  # which our homeserver concludes from their silence, too
                            self._heard(told.user)
                        _note(self._presence, told.user, (told, now), "presence")
        self._some.set()

    async def run(self) -> None:
        """Pass on what came, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                await self.step()
            except DatabaseError as trouble:
                log.warning("signals_dropped", reason=type(trouble).__qualname__)
                asyncio.get_running_loop().call_later(
                    PAUSE_IN_TROUBLE, self._some.set
                )  # receipts are still there
            await asyncio.sleep(PAUSE)

    async def step(self) -> None:
        """All that waits, once."""
        typing, self._typing = self._typing, {}
        presence, self._presence = self._presence, {}
        for now_typing, at in typing.values():
            await self._pass_typing(now_typing, at)
        for told, at in presence.values():
            await self._pass_presence(told, at)
        await self._pass_receipts()

    # Typing

    async def _pass_typing(self, typing: TypingNow, at: int) -> None:
        if not is_typing(typing_until(at, in_client=True), now=self._clock.now()):
            return  # it has waited for too long: for a database, or for this process to lead
        room = await self._room(typing.room_id)
        if room is None:
            return
        people = await self._people(room)
        here = [people[user] for user in typing.users if user in people]
        self._board.set_in_clients(room.tenant_id, room.conversation_id, here)
        SIGNALS.labels("typing", "passed").inc()

    # Presence

    async def _pass_presence(self, told: PresenceTold, at: int) -> None:
        for person in await self._seen.of_account(self._database, told.user):
            self._presence_board.seen(person, told.state, at=None if told.idle is None else at - told.idle)
            SIGNALS.labels("presence", "passed").inc()

    # Receipts

    def _note_receipt(self, receipt: Receipt) -> None:
        """Of one reader in one thread of one room the latest counts: clients never go back."""
        if self._names.is_ours(receipt.user):
            return
        key = _key(receipt)
        before = self._receipts.get(key)
        if before is None or before.receipt.at <= receipt.at:
            _note(self._receipts, key, _Waiting(receipt), "receipt")

    async def _pass_receipts(self) -> None:
        now = asyncio.get_running_loop().time()
        due = [waiting for waiting in self._receipts.values() if waiting.due <= now][:MOST_AT_ONCE]
        found = [(waiting, await self._read_by(waiting, now)) for waiting in due]
        places = [(waiting, place) for waiting, place in found if place is not None]
        # In the order in which the API reads several: else two could wait for each other.
        places.sort(key=lambda one: one[1][0].conversation_id)
        if places:
            async with self._database.transaction() as tx:
                tx.may_be_lost = True  # the next look at the homeserver tells of it again
                for waiting, (place, position, part) in places:
                    at = waiting.receipt.at
                    await self._reads.seen(tx, place, up_to=position, at=at, part=part)
            SIGNALS.labels("receipt", "passed").inc(len(places))
        for waiting, _ in found:
            self._forget(waiting)
        if self._receipts:
            # For those that wait for their message, and those that were too many for one transaction.
            soonest = min(waiting.due for waiting in self._receipts.values())
            asyncio.get_running_loop().call_later(max(0, soonest - now), self._some.set)

    async def _read_by(self, waiting: _Waiting, now: float) -> tuple[Place, int, Part | None] | None:
        """Who has read how far, of what; None where that is nobody's business, or not known yet."""
        receipt = waiting.receipt
        room = await self._room(receipt.room_id)
        reader = (await self._people(room)).get(receipt.user) if room else None
        if room is None or reader is None:
            return None
        place = Place(tenant_id=room.tenant_id, conversation_id=room.conversation_id, participant_id=reader)
        position = await self._position(room, receipt.event_id)
        if position is None and await self._may_come(waiting):
            later = replace(waiting, looks=waiting.looks + 1, due=now + WAITS[waiting.looks])
            self._put_back(waiting, later)
            return None
        if position is None:  # once more: it may have become one while we asked
            position = await self._position(room, receipt.event_id)
        if position is None:
            position = await self._position_before(room, receipt.event_id)
        return None if position is None else (place, position, await self._part(room, receipt))

    async def _part(self, room: Room, receipt: Receipt) -> Part | None:
        """Of the conversation; None: all of it.

        Where nobody says so, that in which the message stands has been read for certain. `/sync` tells of the rest.
        """
        if receipt.thread is None:
            return None
        if receipt.thread == UNTOLD:
            here = await self._read_store.thread_of(self._database, room.conversation_id, receipt.event_id)
            return here or NO_THREAD
        if receipt.thread == NO_THREAD:
            return NO_THREAD
        return await self._read_store.thread(self._database, room.conversation_id, receipt.thread)

    async def _may_come(self, waiting: _Waiting) -> bool:
        """Whether its event may still become a message: ours are so once they are sent, others' by the inbox."""
        if waiting.looks >= len(WAITS):
            return False
        return not await self._inbox.is_settled(self._database, inbox_id(waiting.receipt.event_id))

    async def _position_before(self, room: Room, event_id: str) -> int | None:
        """Of the last message before an event that is none."""
        try:
            before = await self._homeserver.said_before(
                self._names.bot, room.room_id, event_id, limit=LOOK_BACK
            )
        except (HomeserverRefused, HomeserverUnavailable) as trouble:
            log.info("receipt_dropped", room=room.room_id, reason=str(trouble))
            return None
        for earlier in before:
            position = await self._position(room, earlier)
            if position is not None:
                return position
        return None

    async def _position(self, room: Room, event_id: str) -> int | None:
        return await self._read_store.position_of_origin(self._database, room.conversation_id, event_id)

    def _put_back(self, before: _Waiting, later: _Waiting) -> None:
        key = _key(before.receipt)
        if self._receipts.get(key) is before:
            self._receipts[key] = later

    def _forget(self, waiting: _Waiting) -> None:
        """Unless a later one came meanwhile, or it waits on."""
        key = _key(waiting.receipt)
        if self._receipts.get(key) is waiting:
            del self._receipts[key]

    async def _room(self, room_id: str) -> Room | None:
        room = await room_by_id(self._database, room_id)
        return None if room is None or room.private else room

    async def _people(self, room: Room) -> Mapping[str, ParticipantId]:
        """Account holders who are there, by their accounts."""
        members = await self._conversations.members(self._database, room.conversation_id)
        return {
            member.participant.mxid: member.participant.participant_id
            for member in members
            if member.participant.mxid is not None and member.away is None
        }


def _key(receipt: Receipt) -> _ReceiptKey:
    return receipt.room_id, receipt.user, receipt.thread


def _note(waiting: dict[K, V], key: K, value: V, kind: str) -> None:
    if key in waiting or len(waiting) < MOST_WAITING:
        waiting[key] = value
    else:
        SIGNALS.labels(kind, "dropped").inc()
