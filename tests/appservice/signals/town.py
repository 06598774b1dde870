"""Anna has an account, the chef a ghost: signals of theirs, from and to the homeserver."""

from typing import Any

from appservice.inbound.signals import InboundSignals
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.receipts import GhostReceipts
from appservice.outbound.typing import GhostTyping
from appservice.room_map import Room, remember_room
from bridge.core.ids import ParticipantId
from bridge.delivery.queue import Item
from bridge.participants.model import Participant
from bridge.signals.events import ConversationRead
from bridge.storage.database import Database
from tests.appservice.delivering import NAMES
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.signals.test_reads import Reading
from tests.fakes.homeserver import FakeHomeserver

ROOM, ANNA, STRANGER = "!room:example.org", "@anna:example.org", "@eve:example.org"

GHOST = NAMES.ghost(TENANT, ParticipantId("chef"))


class SignalServer(FakeHomeserver):
    """With what there is of signals."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []
        self.events_before: list[str] = []
        self.trouble: Exception | None = None

    async def set_typing(self, user: str, room_id: str, *, milliseconds: int) -> None:
        await self._take("typing", user, room_id, milliseconds)

    async def send_receipt(self, user: str, room_id: str, event_id: str) -> None:
        await self._take("read", user, room_id, event_id)

    async def said_before(self, user: str, room_id: str, event_id: str, *, limit: int) -> list[str]:
        await self._take("before", user, room_id, event_id)
        return self.events_before

    async def _take(self, *call: Any) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.told.append(call)


class Town:
    """Anna has an account, the chef a ghost; all that is said is in the room."""

    def __init__(self, database: Database) -> None:
        self.reading = Reading(database)
        self.database = database
        self.clock = self.reading.clock
        self.signals = self.reading.signals
        self.homeserver = SignalServer()
        self.inbound = InboundSignals(
            database=database,
            homeserver=self.homeserver,
            names=NAMES,
            conversations=self.reading.features.conversation_store,
            inbox=self.reading.features.inbox,
            reads=self.signals.reads,
            read_store=self.signals.read_store,
            seen=self.signals.seen_store,
            typing=self.signals.typing,
            presence=self.signals.presence,
            clock=self.clock,
        )
        self.typing = GhostTyping(database, self.homeserver, NAMES, self.clock)
        self.receipts = GhostReceipts(
            database=database,
            homeserver=self.homeserver,
            names=NAMES,
            participants=self.reading.features.participants,
            reads=self.signals.read_store,
            former_rooms=FormerRooms(database, self.homeserver, NAMES),
            outbox=self.reading.features.outbox,
        )
        self.reading.features.outbox.subscribe(
            "receipts", ConversationRead, only=lambda read: not read.in_client
        )

    async def begin(self) -> None:
        self.reading.conversation = await self.reading.features.open(
            hosts=[person("anna", "Anna", mxid=ANNA), person("ben", "Ben")],
            vendor=person("chef", "Sweet Bites"),
        )
        async with self.database.transaction() as tx:
            here = self.reading.conversation.conversation_id
            await remember_room(tx, Room(ROOM, TENANT, here), self.clock)

    async def typists(self) -> list[str]:
        await self.inbound.step()
        return [
            one.participant_id for one in self.signals.typing.of(self.reading.conversation.conversation_id)
        ]

    async def unread(self) -> int:
        return (await self.reading.unread())["anna"]

    def hear(
        self,
        user: str,
        event_id: str,
        *,
        at: int | None = None,
        thread: str | None = "main",
        synced: bool = False,
    ) -> None:
        receipt: dict[str, Any] = {"ts": self.clock.now() if at is None else at}
        if thread is not None:
            receipt["thread_id"] = thread
        content = {event_id: {"m.read": {user: receipt}}}
        offer = self.inbound.offer_synced if synced else self.inbound.offer
        offer([{"type": "m.receipt", "room_id": ROOM, "content": content}])

    async def item(self) -> Item:
        (lane,) = [
            lane for lane in await self.reading.features.outbox.lanes() if lane.startswith("receipts:")
        ]
        item = await self.reading.features.outbox.head(lane)
        assert item is not None
        return item

    async def participant(self, who: str) -> Participant:
        found = await self.reading.features.participants.get(self.database, TENANT, ParticipantId(who))
        assert found is not None
        return found


def typing(*users: str, room: str = ROOM) -> dict[str, Any]:
    return {"type": "m.typing", "room_id": room, "content": {"user_ids": list(users)}}
