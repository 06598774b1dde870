"""The only place where objects meet: from a configuration to a running bridge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

from appservice.bot import Bot
from appservice.continuity import Continuity
from appservice.encryption.device_lists import DeviceLists, waits_for_devices
from appservice.encryption.identity import Identity
from appservice.encryption.inbound_sessions import InboundSessions
from appservice.encryption.key_backup import KeyBackup
from appservice.encryption.olm import Olm
from appservice.encryption.outbound_sessions import Encryptor, retire_all_sessions, retire_sessions
from appservice.encryption.own_devices import OwnDevices
from appservice.encryption.recovery import Recovery
from appservice.encryption.secret_storage import SecretStorage
from appservice.encryption.sync import BotSync, nothing_first
from appservice.encryption.to_device import ToDevice
from appservice.encryption.unwedging import Unwedging
from appservice.encryption.withheld import Withheld
from appservice.generation import Generation
from appservice.ghosts import Ghosts
from appservice.homeserver import TIMEOUT, Homeserver
from appservice.inbound.edit import InboundEdits
from appservice.inbound.events import InboundEvents
from appservice.inbound.lanes import RoomLanes
from appservice.inbound.late import LateNotices
from appservice.inbound.membership import InboundMembership
from appservice.inbound.message import InboundMessages
from appservice.inbound.pins import InboundPins
from appservice.inbound.reaction import InboundReactions
from appservice.inbound.redaction import InboundRedactions
from appservice.inbound.signals import InboundSignals
from appservice.inbound.undecryptable import Undecryptable, count_undecryptable, nowhere_else
from appservice.members import Members
from appservice.names import Names
from appservice.outbound.edits import Edits
from appservice.outbound.pins import PinsInRoom
from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.reactions import ReactionsInRoom
from appservice.outbound.recaps import ConversationRoom, RecapDelivery
from appservice.outbound.receipts import GhostReceipts
from appservice.outbound.redactions import Redactions
from appservice.outbound.replays import Replays
from appservice.outbound.room_state import RoomState
from appservice.outbound.rooms import Rooms
from appservice.outbound.sent_before import SentBefore
from appservice.outbound.spaces import Spaces
from appservice.outbound.timeline import Timeline
from appservice.outbound.typing import GhostTyping
from appservice.own_account import OwnAccount
from appservice.preflight import Preflight
from appservice.readers import Readers
from appservice.repair import Repair
from appservice.restored import Restored
from appservice.resume import Resume
from appservice.room_map import rooms_of
from appservice.transactions import TOPIC as MATRIX_EVENT
from appservice.transactions import HomeserverSide
from bridge.admin.dead_letters.service import DeadLetters
from bridge.api_keys.service import ApiKeys
from bridge.api_keys.store import ApiKeyStore
from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.config import Config
from bridge.config.messages import LONGEST_TEXT
from bridge.conversations.accounts import Accounts
from bridge.conversations.change_store import ChangeStore
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.events import (
    AccountUnlinked,
    ConversationChanged,
    ConversationDeleted,
    ConversationOpened,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantCame,
    ParticipantLeft,
    PartyListChanged,
)
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.clock import Clock, SystemClock
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.dispatcher import Dispatcher
from bridge.delivery.inbox import Inbox
from bridge.delivery.metrics import count_kept
from bridge.delivery.outbox import Outbox
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.festimo.answers import is_for_festimo
from bridge.festimo.listeners import Festimo, is_to_be_answered
from bridge.festimo.unread import UnreadNotices
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted, MessageReceived
from bridge.messages.pins.events import PinsChanged
from bridge.messages.pins.listeners import PinListener
from bridge.messages.pins.service import Pins
from bridge.messages.pins.store import PinStore
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.participants.store import ParticipantStore
from bridge.platform import rest
from bridge.platform.api import EventsApi
from bridge.platform.apply import TOPIC as PLATFORM_EVENT
from bridge.platform.apply import InboxIntake, PlatformEvents
from bridge.platform.signature import Signatures
from bridge.recap.drafts import Drafts
from bridge.recap.events import RecapChanged, RecapDue, RecapHeld
from bridge.recap.listeners import RecapListener
from bridge.recap.service import Recaps
from bridge.recap.store import RecapStore
from bridge.search.backfill import Backfill
from bridge.search.index import BlindIndex
from bridge.search.rules import Words
from bridge.search.service import Searching
from bridge.search.store import SearchStore
from bridge.signals.events import ConversationRead
from bridge.signals.service import Signals
from bridge.sockets.live import Live
from bridge.storage.database import Database, DatabaseError, Reader, Transaction, open_database
from bridge.storage.leader import Leader, lock_of
from bridge.storage.rewrap import Rewrapping
from bridge.storage.sealing import Sealer
from bridge.tokens.keys import PublicKeys
from bridge.tokens.model import Issuer
from bridge.tokens.service import Tokens
from bridge.tokens.sources import OnDisk, Published
from bridge.tokens.store import RevocationStore
from bridge.web import health
from bridge.web.auth import Credentials
from bridge.web.gate import Gate
from bridge.web.pace import Pace
from bridge.web.problems import problems
from bridge.web.server import serve, tls_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What is running, for those who look on (the command line, the demo, tests)."""

    port: int
    database: Database
    names: Names
    conversations: ConversationStore
    messages: MessageStore
    device_lists: DeviceLists
    work: asyncio.Task[None]


class _RoomIds:
    """The conversations' port, by the Matrix side's map."""

    async def room_ids(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> dict[ConversationId, str]:
        return await rooms_of(reader, conversation_ids)


def api_keys(config: Config, database: Database, clock: Clock) -> ApiKeys:
    tenants = [TenantId(tenant.id) for tenant in config.platform.tenants]
    return ApiKeys(database, ApiKeyStore(), clock, tenants=tenants, scopes=rest.SCOPES)


def tokens(config: Config, database: Database, clock: Clock) -> Tokens:
    issuers: dict[Issuer, PublicKeys] = {}
    for tenant in config.platform.tenants:
        known, tenant_id = tenant.tokens, TenantId(tenant.id)
        if known is None:
            continue
        issuer = Issuer(
            tenant_id=tenant_id,
            issuer=known.issuer,
            audience=known.audience,
            role_claim=known.role_claim,
            participant_claim=known.participant_claim,
        )
        source = Published(known.jwks_url) if known.jwks_url else OnDisk(Path(known.jwks_file or ""))
        issuers[issuer] = PublicKeys(source, clock, tenant_id=tenant_id)
    return Tokens(database, RevocationStore(), clock, issuers=issuers)


def sealer_of(config: Config, clock: Clock) -> Sealer:
    storage = config.storage
    return Sealer(storage.master_key.get_secret_value(), clock, former_master_key=storage.former)


def dead_letters(config: Config, database: Database, clock: Clock) -> DeadLetters:
    """For the command line: a bridge that runs beside it finds what was replayed at its next sweep."""
    sealer = sealer_of(config, clock)
    inbox, outbox = Inbox(database, sealer, clock), Outbox(database, sealer, clock)
    conversation_store = ConversationStore(clock)
    conversations = Conversations(conversation_store, ParticipantStore(clock), outbox, clock)
    messages = Messages(MessageStore(sealer), conversation_store, outbox, clock)
    return _dead_letters(database, inbox, outbox, conversations, messages)


def _dead_letters(
    database: Database, inbox: Inbox, outbox: Outbox, conversations: Conversations, messages: Messages
) -> DeadLetters:
    replays = Replays(conversations, messages)
    return DeadLetters(
        database,
        inbox,
        outbox,
        RoomLanes(),
        on_replay={
            MATRIX_EVENT: replays.event,
            "matrix.ConversationOpened": replays.opened,
            "matrix.ParticipantAdded": replays.added,
            "matrix.MessagePosted": replays.posted,
        },
    )


@asynccontextmanager
async def assembled(
    config: Config,
    homeserver: Homeserver,
    clock: Clock,
    *,
    open_: Callable[[str], Awaitable[Database]] = open_database,
    patience: float | None = None,
) -> AsyncIterator["Parts"]:
    """All objects of a bridge on its opened database, before any of them is at work."""
    url = config.database.url.get_secret_value()
    async with AsyncExitStack() as stack:
        database = await open_(url)
        stack.push_async_callback(database.close)
        leader = Leader(database, lock_of(url), clock)
        stack.push_async_callback(leader.close)
        parts = Parts(config, database, leader, homeserver, clock, patience=patience)
        await parts.sealer.check(database)
        yield parts


@asynccontextmanager
async def running(
    config: Config,
    *,
    clock: Clock | None = None,
    open_: Callable[[str], Awaitable[Database]] = open_database,
    patience: float | None = None,
) -> AsyncIterator[Bridge]:
    """Run the bridge until the block is left; `Bridge.work` ends only by an error.

    `patience`: seconds that a homeserver may be away which was never met.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=TIMEOUT))
        homeserver = Homeserver(
            config.homeserver.url, config.appservice.as_token.get_secret_value(), session=session
        )
        parts = await stack.enter_async_context(
            assembled(config, homeserver, clock, open_=open_, patience=patience)
        )
        server = await serve(
            parts.app(),
            host=config.appservice.listen_host,
            port=config.appservice.listen_port,
            tls=tls_of(config.web),
        )
        stack.push_async_callback(server.stop)
        work = asyncio.create_task(parts.work(), name="bridge")
        try:
            yield Bridge(
                port=server.port,
                database=parts.database,
                names=parts.names,
                conversations=parts.conversation_store,
                messages=parts.message_store,
                device_lists=parts.device_lists,
                work=work,
            )
        finally:
            work.cancel()
            await asyncio.wait([work])


class Parts:
    """All objects of one bridge, in the order in which they need each other."""

    def __init__(
        self,
        config: Config,
        database: Database,
        leader: Leader,
        homeserver: Homeserver,
        clock: Clock,
        *,
        patience: float | None,
    ) -> None:
        self._config = config
        self._leader = leader
        ours, keys = config.appservice, config.encryption
        pickle_key = keys.pickle_key.get_secret_value()
        self.sealer = sealer = sealer_of(config, clock)
        inbox, outbox = Inbox(database, sealer, clock), Outbox(database, sealer, clock)

        # Conversations and the platform
        participants = ParticipantStore(clock)
        self.conversation_store = ConversationStore(clock)
        words, search_store = Words(config.search.languages), SearchStore()
        index = BlindIndex(sealer, words, search_store)
        self.message_store = MessageStore(sealer, index)
        conversations = Conversations(self.conversation_store, participants, outbox, clock)
        change_store = ChangeStore(sealer, clock)
        messages = Messages(
            self.message_store,
            self.conversation_store,
            outbox,
            clock,
            # What was accepted stays so when the operator lowers the limit: the edges hold people to that.
            max_text_length=LONGEST_TEXT,
        )
        edit_store = EditStore(sealer, index)
        changes = MessageChanges(self.message_store, edit_store, outbox, clock, max_text_length=LONGEST_TEXT)
        reaction_store, pin_store = ReactionStore(sealer), PinStore()
        reactions = Reactions(reaction_store, self.message_store, self.conversation_store, outbox, clock)
        pins = Pins(pin_store, self.message_store, outbox)
        pin_listener = PinListener(database, self.message_store, pins, outbox)
        booking_store = BookingStore(sealer, clock)
        bookings = Bookings(booking_store, messages)
        platform = PlatformEvents(database, inbox, conversations, self.conversation_store, messages, bookings)
        events_api = EventsApi(
            InboxIntake(database, inbox),
            signatures=Signatures(config.platform.tenants),
            max_text_length=config.messages.max_text_length,
        )

        people = tokens(config, database, clock)
        self.credentials = Credentials(api_keys(config, database, clock), people)
        self._backfill = Backfill(database, self.message_store, index, words, search_store)
        self.names = Names(config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)
        self._ghost_typing = GhostTyping(database, homeserver, self.names, clock)
        self.signals = signals = Signals(database, outbox, clock)
        feed_store = FeedStore()
        self._feed = Feed(database, feed_store, clock, kept=config.feed.kept)
        outbox.witness(self._feed.record)
        bookmark_store = BookmarkStore(clock)
        message_views = MessageViews(reaction_store, PinStore(), bookmark_store, signals.deliveries)
        conversation_views = ConversationViews(
            self.conversation_store, change_store, self.message_store, _RoomIds(), signals.unread
        )
        rate_limits = config.rate_limits
        self._live = Live(
            database=database,
            feed=self._feed,
            feed_store=feed_store,
            conversations=self.conversation_store,
            participants=participants,
            messages=self.message_store,
            message_views=message_views,
            conversation_views=conversation_views,
            master_key=config.storage.master_key.get_secret_value(),
        )
        self._rest = rest.routes(
            database=database,
            sealer=sealer,
            clock=clock,
            master_key=config.storage.master_key.get_secret_value(),
            keys=self.credentials,
            tokens=people,
            conversation_service=conversations,
            conversation_store=self.conversation_store,
            conversation_changes=ConversationChanges(
                conversations, self.conversation_store, change_store, outbox, clock
            ),
            conversation_views=conversation_views,
            accounts=Accounts(self.conversation_store, participants, PartyLists(outbox), outbox),
            message_service=messages,
            message_changes=changes,
            message_store=self.message_store,
            message_views=message_views,
            bookmark_store=bookmark_store,
            reactions=reactions,
            reaction_store=reaction_store,
            pins=pins,
            searching=Searching(self.message_store, index, words, search_store),
            participants=participants,
            signals=signals,
            typing_outside=self._ghost_typing,
            events_api=events_api,
            dead_letters=_dead_letters(database, inbox, outbox, conversations, messages),
            max_text_length=config.messages.max_text_length,
            pace=Pace(
                requests=rate_limits.requests_per_minute,
                messages=rate_limits.messages_per_minute,
                frames=rate_limits.frames_per_minute,
            ),
            live=self._live,
        )

        festimo = Festimo(
            database=database,
            conversations=self.conversation_store,
            bookings=booking_store,
            messages=messages,
            message_store=self.message_store,
            outbox=outbox,
        )

        # Matrix
        own_devices = OwnDevices(
            database,
            homeserver,
            clock,
            identity_secret=keys.identity_secret.get_secret_value(),
            pickle_key=pickle_key,
            receiver=self.names.bot,
        )

        async def devices_known(tx: Transaction, user_id: str) -> None:
            await inbox.unpark(tx, waits_for_devices(user_id))
            await readers.known(tx, user_id)

        async def devices_unknown(tx: Transaction, user_ids: Collection[str]) -> None:
            await readers.unreachable(tx, user_ids)

        self.device_lists = DeviceLists(
            database, homeserver, on_fresh=devices_known, on_unreachable=devices_unknown
        )
        conversation_room, recap_store = ConversationRoom(self.names, outbox), RecapStore()
        recaps = Recaps(recap_store, conversation_room, outbox, clock)
        readers = Readers(self.device_lists, recaps, self.names, share_with=keys.share_with)
        members = Members(
            database,
            homeserver,
            self.names,
            on_arrived=self.device_lists.arrived,
            on_left=retire_sessions,
        )
        olm = Olm(own_devices, clock, pickle_key=pickle_key)
        inbound = InboundSessions(clock, pickle_key=pickle_key)
        to_device = ToDevice(database, homeserver, own_devices)
        withheld = Withheld(clock)
        self._unwedging = Unwedging(
            database=database,
            homeserver=homeserver,
            own_devices=own_devices,
            device_lists=self.device_lists,
            olm=olm,
            to_device=to_device,
            clock=clock,
            bot=self.names.bot,
        )
        encryptor = Encryptor(
            database=database,
            homeserver=homeserver,
            names=self.names,
            members=members,
            own_devices=own_devices,
            device_lists=self.device_lists,
            olm=olm,
            inbound=inbound,
            to_device=to_device,
            clock=clock,
            pickle_key=pickle_key,
            share_with=keys.share_with,
        )
        rooms = Rooms(
            database=database,
            homeserver=homeserver,
            names=self.names,
            ghosts=Ghosts(database, homeserver, self.names, clock),
            members=members,
            readers=readers,
            service=conversations,
            conversations=self.conversation_store,
            participants=participants,
            outbox=outbox,
            clock=clock,
        )
        room_state = RoomState(
            database=database,
            homeserver=homeserver,
            names=self.names,
            rooms=rooms,
            members=members,
            readers=readers,
            conversations=self.conversation_store,
            outbox=outbox,
        )
        spaces = Spaces(
            database=database,
            homeserver=homeserver,
            names=self.names,
            rooms=rooms,
            conversations=self.conversation_store,
            outbox=outbox,
            clock=clock,
        )
        sent_before = SentBefore(database, homeserver)
        timeline = Timeline(
            database=database,
            homeserver=homeserver,
            names=self.names,
            own_devices=own_devices,
            encryptor=encryptor,
            messages=messages,
            message_store=self.message_store,
            participants=participants,
            outbox=outbox,
            sent_before=sent_before,
            clock=clock,
        )
        edits = Edits(
            database=database,
            names=self.names,
            timeline=timeline,
            rooms=rooms,
            encryptor=encryptor,
            changes=changes,
            message_store=self.message_store,
            edit_store=edit_store,
            outbox=outbox,
        )
        redactions = Redactions(
            database=database,
            homeserver=homeserver,
            names=self.names,
            own_devices=own_devices,
            message_store=self.message_store,
            edit_store=edit_store,
            outbox=outbox,
        )
        reactions_in_room = ReactionsInRoom(
            database=database,
            homeserver=homeserver,
            names=self.names,
            own_devices=own_devices,
            participants=participants,
            message_store=self.message_store,
            store=reaction_store,
            outbox=outbox,
            sent_before=sent_before,
        )
        pins_in_room = PinsInRoom(
            database=database, homeserver=homeserver, names=self.names, store=pin_store, outbox=outbox
        )
        recap_delivery = RecapDelivery(
            database=database,
            names=self.names,
            recaps=recaps,
            drafts=Drafts(
                recap_store, self.conversation_store, self.message_store, conversation_room, sealer
            ),
            readers=readers,
            private_rooms=PrivateRooms(
                database=database, names=self.names, rooms=rooms, members=members, clock=clock
            ),
            timeline=timeline,
            encryptor=encryptor,
            outbox=outbox,
        )
        receipts = GhostReceipts(
            database=database,
            homeserver=homeserver,
            names=self.names,
            participants=participants,
            reads=signals.read_store,
            outbox=outbox,
        )
        self._inbound_signals = InboundSignals(
            database=database,
            homeserver=homeserver,
            names=self.names,
            conversations=self.conversation_store,
            inbox=inbox,
            reads=signals.reads,
            read_store=signals.read_store,
            seen=signals.seen_store,
            typing=signals.typing,
            presence=signals.presence,
            clock=clock,
        )
        recap_listener = RecapListener(database, recaps, outbox)
        identity_secret = keys.identity_secret.get_secret_value()
        identity = Identity.derive(identity_secret, self.names.bot)
        recovery = Recovery.derive(identity_secret, self.names.bot)
        self._key_backup = KeyBackup(
            database=database,
            homeserver=homeserver,
            names=self.names,
            inbound=inbound,
            inbox=inbox,
            secret_storage=SecretStorage(OwnAccount(homeserver, self.names.bot), identity, recovery),
            identity=identity,
            recovery=recovery,
            clock=clock,
        )
        self._undecryptable = Undecryptable(
            database=database,
            inbox=inbox,
            withheld=withheld,
            notices=UnreadNotices(self.conversation_store, messages, clock),
            clock=clock,
            find_elsewhere=self._key_backup.look_for if keys.key_backup else nowhere_else,
            on_missing=lambda: self._sync.look(),
        )
        late = LateNotices(messages)
        events = InboundEvents(
            database=database,
            inbox=inbox,
            homeserver=homeserver,
            names=self.names,
            inbound=inbound,
            device_lists=self.device_lists,
            membership=InboundMembership(self.names, conversations, self.conversation_store, readers),
            messages=InboundMessages(
                names=self.names,
                messages=messages,
                conversations=self.conversation_store,
                is_for_festimo=is_for_festimo,
            ),
            edits=InboundEdits(
                names=self.names,
                inbox=inbox,
                changes=changes,
                conversations=self.conversation_store,
                late=late,
            ),
            reactions=InboundReactions(
                names=self.names,
                inbox=inbox,
                outbox=outbox,
                reactions=reactions,
                conversations=self.conversation_store,
            ),
            pins=InboundPins(
                names=self.names,
                outbox=outbox,
                pins=pins,
                store=pin_store,
                conversations=self.conversation_store,
            ),
            redactions=InboundRedactions(
                database=database,
                homeserver=homeserver,
                names=self.names,
                inbox=inbox,
                changes=changes,
                reactions=reactions,
                conversations=self.conversation_store,
                late=late,
                undecryptable=self._undecryptable,
            ),
            undecryptable=self._undecryptable,
        )
        continuity = Continuity()
        self._resume = Resume(database, homeserver, appservice_id=ours.id)
        self._homeserver_side = HomeserverSide(
            database=database,
            inbox=inbox,
            members=members,
            names=self.names,
            hs_token=ours.hs_token.get_secret_value(),
            continuity=continuity,
            on_refused=self._resume.refused,
            on_ephemeral=self._inbound_signals.offer,
        )
        self.database, self._members, self._own_devices = database, members, own_devices
        preflight = Preflight(
            homeserver,
            self.names,
            self._homeserver_side,
            clock,
            appservice_id=ours.id,
            master_key=identity.master.public,
        )
        self._generation = Generation(database, homeserver, bot=self.names.bot)
        self._restored = Restored(database, self._generation, sent_before, own_devices, bot=self.names.bot)
        self._bot = Bot(
            homeserver,
            self.names,
            own_devices,
            preflight,
            before_device=self._restored.look,
            patience=patience,
        )
        self._repair = Repair(
            database,
            homeserver,
            self._homeserver_side,
            inbox,
            continuity,
            bot=self.names.bot,
            guard=leader.check,
            on_ephemeral=self._inbound_signals.offer,
        )
        self._sync = BotSync(
            database=database,
            homeserver=homeserver,
            own_devices=own_devices,
            device_lists=self.device_lists,
            olm=olm,
            inbound=inbound,
            unwedging=self._unwedging,
            withheld=withheld,
            inbox=inbox,
            bot=self.names.bot,
            on_trouble=lambda: continuity.doubt("the homeserver was away"),
            before_sync=self._key_backup.keep_up if keys.key_backup else nothing_first,
            guard=leader.check,
        )

        # Who is told what
        outbox.subscribe("matrix", ConversationOpened, ParticipantAdded, MessagePosted)
        outbox.subscribe("matrix", ConversationStatusChanged, ConversationChanged, ConversationDeleted)
        outbox.subscribe("matrix", ParticipantLeft, ParticipantCame, AccountUnlinked)
        outbox.subscribe("space", PartyListChanged)
        outbox.subscribe("matrix", MessageEdited, MessageDeleted)
        outbox.subscribe("matrix", ReactionAdded, ReactionRemoved, PinsChanged)
        outbox.subscribe("pins", MessageDeleted)
        outbox.subscribe("matrix", RecapDue, RecapChanged)
        outbox.subscribe("recap", MessageEdited, MessageDeleted)
        outbox.subscribe("recap-held", RecapHeld)
        # In a lane of their own: nothing that is said waits for them.
        outbox.subscribe("receipts", ConversationRead, only=lambda read: not read.in_client)
        outbox.subscribe("festimo", ConversationOpened)
        outbox.subscribe("festimo", MessageReceived, only=is_to_be_answered)
        self._inbox_dispatcher = Dispatcher(
            database,
            inbox,
            {PLATFORM_EVENT: platform.apply, MATRIX_EVENT: events.apply},
            clock,
            on_dead={MATRIX_EVENT: events.given_up},
            gate=continuity,
        )
        self._outbox_dispatcher = Dispatcher(
            database,
            outbox,
            {
                "matrix.ConversationOpened": rooms.opened,
                "matrix.ParticipantAdded": rooms.added,
                "matrix.ConversationStatusChanged": room_state.changed,
                "matrix.ConversationChanged": room_state.changed,
                "matrix.ConversationDeleted": room_state.deleted,
                "matrix.ParticipantLeft": room_state.left,
                "matrix.ParticipantCame": room_state.came,
                "matrix.AccountUnlinked": room_state.unlinked,
                "space.PartyListChanged": spaces.changed,
                "matrix.MessagePosted": timeline.posted,
                "matrix.MessageEdited": edits.edited,
                "matrix.MessageDeleted": redactions.deleted,
                "matrix.ReactionAdded": reactions_in_room.changed,
                "matrix.ReactionRemoved": reactions_in_room.changed,
                "matrix.PinsChanged": pins_in_room.changed,
                "pins.MessageDeleted": pin_listener.deleted,
                "matrix.RecapDue": recap_delivery.due,
                "matrix.RecapChanged": recap_delivery.changed,
                "recap-held.RecapHeld": recap_delivery.held,
                "recap.MessageEdited": recap_listener.source_changed,
                "recap.MessageDeleted": recap_listener.source_changed,
                "receipts.ConversationRead": receipts.read,
                "festimo.ConversationOpened": festimo.opened,
                "festimo.MessageReceived": festimo.heard,
            },
            clock,
            on_dead={
                "matrix.ConversationOpened": rooms.not_opened,
                "matrix.ParticipantAdded": rooms.not_added,
                "matrix.MessagePosted": timeline.given_up,
                "matrix.RecapChanged": recap_delivery.not_changed,
            },
        )

    def app(self) -> web.Application:
        app = web.Application(middlewares=[problems])
        app.add_routes(self._rest)
        app.on_shutdown.append(self._live.close)
        checks = {
            "leader": self._leader_trouble,
            "database": self._database_trouble,
            "homeserver": self._homeserver_trouble,
        }
        app.add_routes(
            health.routes(
                checks,
                remarks={
                    "key_backup": self._key_backup_trouble,
                    "undecryptable": self._undecryptable_trouble,
                },
                leads=lambda: self._leader.trouble() is None,
                before_metrics=self._count,
            )
        )
        app.add_subapp("/_matrix/", self._homeserver_side.app())
        ours = self._config.web
        Gate(allowed=ours.allowed_ips, trusted=ours.trusted_proxies, origins=ours.allowed_origins).guard(app)
        return app

    async def work(self) -> None:
        """Everything that runs beside the web server, once no other process does it; what that left is taken up."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._resume.run())
            tasks.create_task(self._live.run())
            await self._leader.lead()
            tasks.create_task(self._leader.watch())
            tasks.create_task(self._feed.run())
            tasks.create_task(self._inbox_dispatcher.run())
            if self._config.storage.former is not None:
                tasks.create_task(Rewrapping(self.database, self.sealer).run())
            await self._bot.introduce()
            await self._look_again()
            await self._sync.catch_up()
            await self._restored.settle()
            tasks.create_task(self._sync.run())
            tasks.create_task(self._unwedging.run())
            tasks.create_task(self._undecryptable.run())
            tasks.create_task(self._repair.run())
            tasks.create_task(self._generation.run())
            if self._config.encryption.key_backup:
                tasks.create_task(self._key_backup.run())
            tasks.create_task(self.device_lists.run(self.names.bot, self._own_devices.ensure))
            tasks.create_task(self._inbound_signals.run())
            tasks.create_task(self._ghost_typing.run())
            tasks.create_task(self.signals.presence.run())
            tasks.create_task(self._outbox_dispatcher.run())
            tasks.create_task(self._backfill.run())
            log.info("running", bot=self.names.bot)

    async def _count(self) -> None:
        await count_kept(self.database)
        await count_undecryptable(self.database)

    async def _leader_trouble(self) -> str | None:
        return self._leader.trouble()

    async def _database_trouble(self) -> str | None:
        try:
            await self.database.fetch_value("SELECT 1")
        except DatabaseError as error:
            return f"the database cannot be read ({type(error).__qualname__}): is it running, is there space?"
        return self._resume.trouble()

    async def _homeserver_trouble(self) -> str | None:
        return "not asked while another process works" if self._leader.waits else self._sync.trouble()

    async def _undecryptable_trouble(self) -> str | None:
        try:
            number = await count_undecryptable(self.database)
        except DatabaseError:
            return "not known while the database cannot be read"
        return (
            f"{number} messages could not be read for want of their key; their senders know"
            if number
            else None
        )

    async def _key_backup_trouble(self) -> str | None:
        return self._key_backup.trouble()

    async def _look_again(self) -> None:
        """While we were away members may have changed, and the database may be an older copy of itself."""
        async with self.database.transaction() as tx:
            await self._members.mark_all_stale(tx)
            await self.device_lists.mark_unknown_stale(tx)
            await self._own_devices.doubt_all(tx)
            await retire_all_sessions(tx)
