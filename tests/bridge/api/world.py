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
from bridge.config import Tenant
from bridge.conversations.events import (
    AccountUnlinked,
    ConversationChanged,
    ConversationDeleted,
    ConversationOpened,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantCame,
    ParticipantLeft,
    ParticipantRemoved,
    PartyListChanged,
)
from bridge.conversations.views import ConversationViews
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted
from bridge.messages.hidden.service import Hiding
from bridge.messages.pins.events import PinsChanged
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.scheduled.due import DueMessages
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.views import MessageViews
from bridge.participants.door import NotErased
from bridge.participants.events import AppearanceChanged
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.platform import rest
from bridge.platform.api import EventsApi
from bridge.platform.intake import InboxIntake
from bridge.platform.reception import Reception
from bridge.platform.signature import Signatures
from bridge.platform.strangers import Introductions
from bridge.quotes.asking import AskByReactions
from bridge.quotes.service import Quotes
from bridge.search.backfill import Backfill
from bridge.search.service import Searching
from bridge.signals.events import ConversationRead
from bridge.signals.service import Signals
from bridge.sockets.live import Live
from bridge.sockets.seats import Seats
from bridge.sockets.session import Pulse
from bridge.statistics.answers import VendorAnswers
from bridge.storage.database import Database, Reader
from bridge.tokens.keys import PublicKeys
from bridge.tokens.service import Tokens
from bridge.tokens.store import RevocationStore
from bridge.vendors.views import VendorViews
from bridge.web.auth import Credentials
from bridge.web.pace import Pace
from bridge.web.problems import problems
from bridge.webhooks.courier import Courier
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.service import Webhooks
from bridge.webhooks.store import EndpointStore
from tests.bridge.platform.sender import NEW, OTHER
from tests.bridge.services import Services
from tests.bridge.tokens.sign_in import SignIn
from tests.bridge.webhooks.names import names

MASTER_KEY = b"m" * 32
OURS, THEIRS = TenantId("festipin"), TenantId("other")
SECRETS = {OURS: NEW, THEIRS: OTHER}
TENANTS = [Tenant(id=tenant, webhook_secrets=(SecretStr(secret),)) for tenant, secret in SECRETS.items()]
MAX_TEXT_LENGTH = 1_000
KEPT = 24 * 60 * 60 * 1000
PULSE = Pulse(heartbeat=60.0, recheck=0.05, patience=5.0)  # a client that reads nothing answers no ping
TABLES = (
    "participants",
    "conversations",
    "conversation_members",
    "absences",
    "conversation_parties",
    "party_hosts",
    "response_times",
    "messages",
    "message_edits",
    "message_words",
    "read_positions",
    "read_marks",
    "thread_marks",
    "last_seen",
    "reactions",
    "reaction_origins",
    "pins",
    "bookings",
    "booking_news",
    "booking_payments",
    "poll_votes",
    "poll_ends",
    "quotes",
    "quote_revisions",
    "quote_questions",
    "bookmarks",
    "scheduled_messages",
    "quick_replies",
    "hidden_messages",
    "message_labels",
    "vendors",
    "vendor_ratings",
    "leads",
    "vendor_answers",
    "inbox",
    "outbox",
    "platform_events",
    "platform_told",
    "erasures",
    "idempotency_keys",
    "api_keys",
    "token_revocations",
    "webhook_endpoints",
    "webhook_deliveries",
)


@dataclass(slots=True)
class KnownRooms:
    """The Matrix side's map of rooms."""

    rooms: dict[ConversationId, str] = field(default_factory=dict)

    async def room_ids(
        self, _: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, str]:
        return {one: self.rooms[one] for one in conversation_ids if one in self.rooms}


@dataclass(slots=True)
class TypingHeard:
    """The Matrix side, as far as typing is concerned."""

    heard: list[tuple[str, str, bool]] = field(default_factory=list)

    def typing(self, conversation_id: ConversationId, person: Participant, *, is_typing: bool) -> None:
        self.heard.append((conversation_id, person.participant_id, is_typing))


class KnownCallers:
    """API keys and tokens, and callers that a test has given words of its own."""

    def __init__(self, keys: Credentials, callers: Mapping[str, Caller]) -> None:
        self._keys = keys
        self._callers = callers

    async def caller_of(self, token: str) -> Caller | None:
        return self._callers.get(token) or await self._keys.caller_of(token)


class World(Services):
    def __init__(
        self, database: Database, *, pulse: Pulse = PULSE, frames_per_second: int = 1_000_000
    ) -> None:
        super().__init__(database, master_key=MASTER_KEY, max_text_length=MAX_TEXT_LENGTH, indexed=True)
        self.frames_per_second = frames_per_second
        self.rooms = KnownRooms()
        self.pace = Pace(requests=1_000_000, messages=1_000_000, frames=1_000_000)
        self.seats = Seats(per_person=1_000, per_program=10_000)
        self.outbox.subscribe("receipts", ConversationRead, only=lambda read: not read.in_client)
        self.signals = Signals(database, self.outbox, self.clock)
        self.typing_outside = TypingHeard()
        self.outbox.subscribe("matrix", ReactionAdded, ReactionRemoved, PinsChanged)
        self.outbox.subscribe("matrix", ConversationOpened, ParticipantAdded, MessagePosted)
        self.outbox.subscribe("matrix", MessageEdited, MessageDeleted, AccountUnlinked)
        self.outbox.subscribe("matrix", ConversationStatusChanged, ConversationChanged, ConversationDeleted)
        self.outbox.subscribe("matrix", ParticipantCame, only=lambda came: came.spoken_for)
        self.outbox.subscribe("matrix", ParticipantLeft, only=lambda left: not left.in_client)
        self.outbox.subscribe("matrix", ParticipantRemoved, only=lambda removed: not removed.in_client)
        self.outbox.subscribe("matrix", PollVoted, only=lambda voted: voted.vote_id is not None)
        self.outbox.subscribe("matrix", PollEnded, only=lambda ended: not ended.in_client)
        self.outbox.subscribe("space", PartyListChanged)
        self.feed = Feed(database, FeedStore(), self.clock, kept=KEPT)
        self.outbox.witness(self.feed.record)
        self.outbox.witness(self.leads.heard)
        self.outbox.witness(Introductions(self.inbox).heard)
        self.vendor_answers = VendorAnswers(self.clock, self.outbox.record)
        self.outbox.witness(self.vendor_answers.heard)
        self.outbox.subscribe("profiles", AppearanceChanged)
        self.vendor_views = VendorViews(
            self.vendor_store, self.rating_store, self.signals.presence, self.vendor_answers, self.clock
        )
        self.searching = Searching(self.message_store, self.index, self.words, self.search_store)
        self.backfill = Backfill(database, self.message_store, self.index, self.words, self.search_store)
        self.keys = ApiKeys(database, ApiKeyStore(), self.clock, tenants=SECRETS, scopes=rest.SCOPES)
        self.sign_ins = {tenant: SignIn(tenant, self.clock) for tenant in SECRETS}
        self.tokens = Tokens(
            database,
            RevocationStore(),
            self.clock,
            issuers={
                one.issuer: PublicKeys(one, self.clock, tenant_id=tenant)
                for tenant, one in self.sign_ins.items()
            },
        )
        self.credentials = Credentials(self.keys, NotErased(self.tokens, database))
        self.quotes = Quotes(
            self.quote_store,
            self.outcomes,
            AskByReactions(self.messages, self.reactions),
            self.conversation_store,
            self.outbox,
            self.clock,
        )
        self.callers: dict[str, Caller] = {}
        self.bookmark_store = BookmarkStore(self.clock)
        self.hiding = Hiding(self.conversation_store, self.outbox, self.clock)
        self.scheduled_store = scheduled_store = ScheduledStore(self.sealer)
        self.schedule = Schedule(
            scheduled_store, self.messages, self.conversation_store, self.outbox, self.clock
        )
        self.due_messages = DueMessages(database, scheduled_store, self.schedule, self.clock)
        self.message_views = MessageViews(
            self.message_store,
            self.reaction_store,
            self.pin_store,
            self.bookmark_store,
            self.signals.deliveries,
        )
        self.conversation_views = ConversationViews(
            self.conversation_store, self.change_store, self.message_store, self.rooms, self.signals.unread
        )
        self.live = Live(
            database=database,
            feed=self.feed,
            feed_store=FeedStore(),
            conversations=self.conversation_store,
            participants=ParticipantStore(self.clock),
            messages=self.message_store,
            message_views=self.message_views,
            conversation_views=self.conversation_views,
            scheduled=self.scheduled_store,
            vendors=self.vendor_store,
            vendor_views=self.vendor_views,
            signals=self.signals,
            clock=self.clock,
            seats=self.seats,
            frames_per_second=self.frames_per_second,
            master_key=MASTER_KEY,
            pulse=pulse,
        )
        self.deliveries = DeliveryStore()
        self.webhooks = Webhooks(EndpointStore(self.sealer), self.deliveries, FeedStore(), self.clock)
        self.courier = Courier(names=names())
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
                keys=KnownCallers(self.credentials, self.callers),
                tokens=self.tokens,
                conversation_service=self.conversations,
                conversation_store=self.conversation_store,
                conversation_changes=self.conversation_changes,
                conversation_views=self.conversation_views,
                accounts=self.accounts,
                message_service=self.messages,
                message_changes=self.changes,
                message_store=self.message_store,
                reactions=self.reactions,
                reaction_store=self.reaction_store,
                message_views=self.message_views,
                bookmark_store=self.bookmark_store,
                hiding=self.hiding,
                schedule=self.schedule,
                pins=self.pins,
                polls=self.polls,
                quotes=self.quotes,
                quote_store=self.quote_store,
                searching=self.searching,
                participants=self.participants,
                vendors=self.vendors,
                vendor_store=self.vendor_store,
                vendor_views=self.vendor_views,
                rating_store=self.rating_store,
                leads=self.leads,
                lead_store=self.lead_store,
                booking_store=self.booking_store,
                signals=self.signals,
                typing_outside=self.typing_outside,
                events_api=EventsApi(
                    Reception(InboxIntake(self.database, self.inbox), max_text_length=MAX_TEXT_LENGTH),
                    signatures=Signatures(TENANTS),
                ),
                inbox=self.inbox,
                dead_letters=self.dead_letters,
                webhooks=self.webhooks,
                webhook_hosts=self.courier,
                http_webhooks=False,
                max_text_length=MAX_TEXT_LENGTH,
                pace=self.pace,
                live=self.live,
            )
        )
        app.on_shutdown.append(self.live.close)
        return app

    async def leave(self, conversation_id: str, participant_id: str) -> None:
        async with self.database.transaction() as tx:
            await self.conversations.went(
                tx, ConversationId(conversation_id), ParticipantId(participant_id), "left"
            )

    async def contents(self) -> dict[str, list[dict[str, Any]]]:
        """Everything stored, to tell whether something was changed."""
        contents = {}
        for table in TABLES:
            rows: list[Any] = await self.database.fetch(f"SELECT * FROM {table}")
            contents[table] = [dict(row) for row in rows]
        return contents
