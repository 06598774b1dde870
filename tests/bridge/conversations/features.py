"""The features on a database, without Matrix: what a conversation, its people and its messages become in the tables."""

import json
from collections.abc import Sequence
from typing import Any

from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
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
from bridge.conversations.model import Conversation
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import FrozenClock
from bridge.core.ids import MessageId, ParticipantId, PartyId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.leads.service import Leads
from bridge.leads.store import LeadStore
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted, MessageReceived
from bridge.messages.model import Message
from bridge.messages.pins.events import PinsChanged
from bridge.messages.pins.service import Pins
from bridge.messages.pins.store import PinStore
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.polls.service import Polls
from bridge.messages.polls.store import PollStore
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.model import Participant
from bridge.participants.service import People
from bridge.participants.store import ParticipantStore
from bridge.platform.apply import Effects, PlatformEvents
from bridge.platform.effects.bookings import BookingEffects
from bridge.platform.effects.leads import LeadEffects
from bridge.platform.effects.messages import MessageEffects
from bridge.platform.effects.openings import Openings
from bridge.platform.effects.people import PeopleEffects
from bridge.platform.effects.vendors import VendorEffects
from bridge.privacy.service import Erasures
from bridge.quotes.store import QuoteStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore
from bridge.wiring.cards import QuotesOnCards

TENANT = TenantId("festipin")
MASTER_KEY = bytes(range(32))
MAX_TEXT_LENGTH = 50
TABLES = (
    "participants",
    "conversations",
    "conversation_members",
    "conversation_parties",
    "party_hosts",
    "response_times",
    "messages",
    "message_edits",
    "reactions",
    "reaction_origins",
    "pins",
    "poll_votes",
    "poll_ends",
    "bookmarks",
    "quotes",
    "quote_revisions",
    "quote_questions",
    "bookings",
    "vendors",
    "vendor_ratings",
    "leads",
    "platform_told",
    "erasures",
    "booking_news",
    "booking_payments",
    "outbox",
)


class Features:
    """All services, wired as in the bridge; a listener that hears every event stands for the rest."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FrozenClock()
        self.sealer = Sealer(MASTER_KEY, self.clock)
        self.inbox = Inbox(database, self.sealer, self.clock)
        self.outbox = Outbox(database, self.sealer, self.clock)
        self.participants = ParticipantStore(self.clock)
        self.conversation_store = ConversationStore(self.clock)
        self.message_store = MessageStore(self.sealer)
        self.conversations = Conversations(
            self.conversation_store, self.participants, self.outbox, self.clock
        )
        self.change_store = ChangeStore(self.sealer, self.clock)
        self.conversation_changes = ConversationChanges(
            self.conversations, self.conversation_store, self.change_store, self.outbox, self.clock
        )
        self.accounts = Accounts(
            self.conversation_store, self.participants, PartyLists(self.outbox), self.outbox
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
        self.reaction_store = ReactionStore(self.sealer)
        self.reactions = Reactions(
            self.reaction_store, self.message_store, self.conversation_store, self.outbox, self.clock
        )
        self.pins = Pins(PinStore(), self.message_store, self.conversation_store, self.outbox)
        self.poll_store = PollStore()
        self.polls = Polls(
            self.poll_store,
            self.messages,
            self.message_store,
            self.conversation_store,
            self.outbox,
            self.clock,
        )
        self.booking_store = BookingStore(self.sealer, self.clock)
        self.bookings = Bookings(
            self.booking_store,
            self.messages,
            self.message_store,
            self.changes,
            self.pins,
            self.conversation_store,
            QuotesOnCards(QuoteStore(self.sealer)),
            self.outbox,
            self.clock,
        )
        self.vendor_store = VendorStore(self.sealer, self.clock)
        self.rating_store = RatingStore(self.sealer, self.clock)
        self.vendors = Vendors(
            self.vendor_store, self.rating_store, self.participants, self.outbox, self.clock
        )
        people = People(self.participants, self.outbox)
        self.lead_store = LeadStore(self.sealer, self.clock)
        self.leads = Leads(
            self.lead_store,
            self.conversations,
            self.conversation_store,
            self.conversation_changes,
            self.messages,
            self.outbox,
            self.clock,
        )
        self.erasures = Erasures(
            self.participants, self.conversation_store, self.conversation_changes, self.clock
        )
        openings = Openings(self.conversations, self.participants)
        self.platform = PlatformEvents(
            database,
            self.inbox,
            Effects(
                openings=openings,
                messages=MessageEffects(self.conversation_store, self.messages),
                bookings=BookingEffects(openings, self.bookings),
                leads=LeadEffects(openings, self.leads),
                vendors=VendorEffects(self.vendors, self.vendor_store),
                people=PeopleEffects(
                    self.participants,
                    people,
                    self.accounts,
                    self.vendors,
                    self.vendor_store,
                    self.erasures,
                ),
            ),
        )
        heard = (ConversationOpened, ParticipantAdded, MessagePosted, MessageReceived)
        self.outbox.subscribe("listener", *heard, MessageEdited, MessageDeleted)
        self.outbox.subscribe("listener", ReactionAdded, ReactionRemoved, PinsChanged, PollVoted, PollEnded)

    def listen_to_changes(self) -> None:
        """Hear what becomes of conversations, too."""
        self.outbox.subscribe("listener", ConversationStatusChanged, ConversationChanged, ConversationDeleted)
        self.outbox.subscribe("listener", ParticipantCame, ParticipantLeft, AccountUnlinked, PartyListChanged)

    async def open(
        self,
        *,
        party: str = "p1",
        title: str = "Anna & Ben",
        hosts: Sequence[Participant] = (),
        vendor: Participant | None = None,
        tenant: TenantId = TENANT,
    ) -> Conversation:
        async with self.database.transaction() as tx:
            return await self.conversations.open(
                tx,
                tenant_id=tenant,
                party_id=PartyId(party),
                party_title=title,
                hosts=hosts or [person("anna", "Anna", tenant=tenant)],
                vendor=vendor or person("chef", "Sweet Bites", tenant=tenant),
            )

    async def post(self, conversation: Conversation, *, text: str, sender: str = "anna") -> MessageId:
        async with self.database.transaction() as tx:
            return await self.messages.post(tx, conversation, sender_id=ParticipantId(sender), text=text)

    async def history(self, conversation: Conversation) -> list[Message]:
        return await self.message_store.history(self.database, conversation.conversation_id, limit=1000)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and fields of every event recorded, in order."""
        told: list[tuple[str, dict[str, Any]]] = []
        for row in await self.database.fetch("SELECT id, topic, body FROM outbox ORDER BY seq"):
            body = await self.sealer.open(self.database, row["body"], place=f"outbox.body:{row['id']}")
            told.append((row["topic"].removeprefix("listener."), json.loads(body)))
        return told

    async def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables: equal before and after means that nothing was changed."""
        found = {}
        for table in TABLES:
            rows: Any = await self.database.fetch(f"SELECT * FROM {table}")
            found[table] = sorted((tuple(row) for row in rows), key=repr)
        return found


def person(
    participant_id: str,
    name: str,
    *,
    mxid: str | None = None,
    avatar_url: str | None = None,
    tenant: TenantId = TENANT,
) -> Participant:
    return Participant(
        tenant_id=tenant,
        participant_id=ParticipantId(participant_id),
        name=name,
        mxid=mxid,
        avatar_url=avatar_url,
    )
