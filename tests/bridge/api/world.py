"""The REST API with all that is behind it but Matrix: what goes out stays in the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from appservice.inbound.lanes import RoomLanes
from appservice.outbound.replays import Replays
from appservice.transactions import TOPIC as MATRIX_EVENT
from bridge.admin.dead_letters.service import DeadLetters
from bridge.api_keys.service import ApiKeys
from bridge.api_keys.store import ApiKeyStore
from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.config import Tenant
from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.platform import rest
from bridge.platform.api import EventsApi
from bridge.platform.apply import InboxIntake, PlatformEvents
from bridge.platform.signature import Signatures
from bridge.sockets.live import Live
from bridge.sockets.session import Pulse
from bridge.storage.database import Database, Reader
from bridge.storage.sealing import Sealer
from bridge.web.pace import Pace
from bridge.web.problems import problems
from tests.bridge.platform.sender import NEW, OTHER

MASTER_KEY = b"m" * 32
OURS, THEIRS = TenantId("festipin"), TenantId("other")
SECRETS = {OURS: NEW, THEIRS: OTHER}
TENANTS = [Tenant(id=tenant, webhook_secrets=(SecretStr(secret),)) for tenant, secret in SECRETS.items()]
MAX_TEXT_LENGTH = 1_000
KEPT = 24 * 60 * 60 * 1000
PULSE = Pulse(heartbeat=5.0, recheck=0.05, patience=5.0)
TABLES = (
    "participants",
    "conversations",
    "conversation_members",
    "messages",
    "message_edits",
    "inbox",
    "outbox",
    "platform_events",
    "idempotency_keys",
    "api_keys",
)


@dataclass(slots=True)
class KnownRooms:
    """The Matrix side's map of rooms."""

    rooms: dict[ConversationId, str] = field(default_factory=dict)

    async def room_ids(
        self, _: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, str]:
        return {one: self.rooms[one] for one in conversation_ids if one in self.rooms}


class World:
    def __init__(self, database: Database, *, pulse: Pulse = PULSE) -> None:
        self.database = database
        self.clock = FrozenClock()
        self.sealer = Sealer(MASTER_KEY, self.clock)
        self.rooms = KnownRooms()
        self.pace = Pace(requests=1_000_000, messages=1_000_000, frames=1_000_000)
        self.inbox = Inbox(database, self.sealer, self.clock)
        self.outbox = Outbox(database, self.sealer, self.clock)
        self.feed = Feed(database, FeedStore(), self.clock, kept=KEPT)
        self.outbox.witness(self.feed.record)
        for event in (ConversationOpened, ParticipantAdded, MessagePosted, MessageEdited, MessageDeleted):
            self.outbox.subscribe("matrix", event)
        self.conversation_store = ConversationStore(self.clock)
        self.message_store = MessageStore(self.sealer)
        self.conversations = Conversations(
            self.conversation_store, ParticipantStore(self.clock), self.outbox, self.clock
        )
        self.messages = Messages(
            self.message_store,
            self.conversation_store,
            self.outbox,
            self.clock,
            max_text_length=MAX_TEXT_LENGTH,
        )
        self.changes = MessageChanges(
            self.message_store,
            EditStore(self.sealer),
            self.outbox,
            self.clock,
            max_text_length=MAX_TEXT_LENGTH,
        )
        self.keys = ApiKeys(database, ApiKeyStore(), self.clock, tenants=SECRETS)
        self.platform = PlatformEvents(
            database,
            self.inbox,
            self.conversations,
            self.conversation_store,
            self.messages,
            Bookings(BookingStore(self.sealer, self.clock), self.messages),
        )

        self.live = Live(
            database=database,
            feed=self.feed,
            feed_store=FeedStore(),
            conversations=self.conversation_store,
            participants=ParticipantStore(self.clock),
            messages=self.message_store,
            rooms=self.rooms,
            master_key=MASTER_KEY,
            pulse=pulse,
        )
        replays = Replays(self.conversations, self.messages)
        self.dead_letters = DeadLetters(
            database,
            self.inbox,
            self.outbox,
            RoomLanes(),
            on_replay={
                MATRIX_EVENT: replays.event,
                "matrix.ConversationOpened": replays.opened,
                "matrix.ParticipantAdded": replays.added,
                "matrix.MessagePosted": replays.posted,
            },
        )

    def app(self) -> web.Application:
        app = web.Application(middlewares=[problems])
        app.add_routes(
            rest.routes(
                database=self.database,
                sealer=self.sealer,
                clock=self.clock,
                master_key=MASTER_KEY,
                keys=self.keys,
                conversation_service=self.conversations,
                conversation_store=self.conversation_store,
                message_service=self.messages,
                message_changes=self.changes,
                message_store=self.message_store,
                rooms=self.rooms,
                events_api=EventsApi(
                    InboxIntake(self.database, self.inbox),
                    signatures=Signatures(TENANTS),
                    max_text_length=MAX_TEXT_LENGTH,
                ),
                dead_letters=self.dead_letters,
                max_text_length=MAX_TEXT_LENGTH,
                pace=self.pace,
                live=self.live,
            )
        )
        app.on_shutdown.append(self.live.close)
        return app

    async def contents(self) -> dict[str, list[dict[str, Any]]]:
        """Everything stored, to tell whether something was changed."""
        contents = {}
        for table in TABLES:
            rows: list[Any] = await self.database.fetch(f"SELECT * FROM {table}")
            contents[table] = [dict(row) for row in rows]
        return contents
