"""The services on a database, without Matrix."""

from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.conversations.accounts import Accounts
from bridge.conversations.change_store import ChangeStore
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.model import Scope
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import FrozenClock
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.festimo.answers import is_for_festimo
from bridge.leads.service import Leads
from bridge.leads.store import LeadStore
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.pins.service import Pins
from bridge.messages.pins.store import PinStore
from bridge.messages.polls.service import Polls
from bridge.messages.polls.store import PollStore
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
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
from bridge.quotes.gone import QuotesOfErased
from bridge.quotes.outcomes import Outcomes
from bridge.quotes.store import QuoteStore
from bridge.search.index import BlindIndex
from bridge.search.rules import Words
from bridge.search.store import SearchStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore
from bridge.wiring.cards import QuotesOnCards


class Services:
    """What conversations, messages and platform events need, wired as in the bridge; who listens is the test's."""

    def __init__(
        self,
        database: Database,
        *,
        master_key: bytes,
        max_text_length: int,
        indexed: bool = False,
        scope: Scope = "party_vendor",
    ) -> None:
        """`indexed`: what is said is put into the search index."""
        self.database = database
        self.clock = FrozenClock()
        self.sealer = Sealer(master_key, self.clock)
        self.inbox = Inbox(database, self.sealer, self.clock)
        self.outbox = Outbox(database, self.sealer, self.clock)
        self.participants = ParticipantStore(self.clock)
        self.conversation_store = ConversationStore(self.clock)
        self.words, self.search_store = Words(["english", "german"]), SearchStore()
        self.index = BlindIndex(self.sealer, self.words, self.search_store)
        index = self.index if indexed else None
        self.message_store = MessageStore(self.sealer, index)
        self.conversations = Conversations(
            self.conversation_store, self.participants, self.outbox, self.clock, scope=scope
        )
        self.change_store = ChangeStore(self.sealer, self.clock)
        self.conversation_changes = ConversationChanges(
            self.conversations,
            self.conversation_store,
            self.change_store,
            self.participants,
            self.outbox,
            self.clock,
        )
        self.accounts = Accounts(
            self.conversation_store, self.participants, PartyLists(self.outbox), self.outbox
        )
        self.lead_store = LeadStore(self.sealer, self.clock)
        self.messages = Messages(
            self.message_store,
            self.conversation_store,
            self.outbox,
            self.clock,
            leads=self.lead_store,
            is_for_festimo=is_for_festimo,
            max_text_length=max_text_length,
        )
        self.changes = MessageChanges(
            self.message_store,
            EditStore(self.sealer, index),
            self.outbox,
            self.clock,
            max_text_length=max_text_length,
        )
        self.reaction_store = ReactionStore(self.sealer)
        self.reactions = Reactions(
            self.reaction_store, self.message_store, self.conversation_store, self.outbox, self.clock
        )
        self.pin_store = PinStore()
        self.pins = Pins(self.pin_store, self.message_store, self.conversation_store, self.outbox)
        self.poll_store = PollStore()
        self.polls = Polls(
            self.poll_store,
            self.messages,
            self.message_store,
            self.conversation_store,
            self.outbox,
            self.clock,
        )
        self.quote_store = QuoteStore(self.sealer)
        self.booking_store = BookingStore(self.sealer, self.clock)
        self.bookings = Bookings(
            self.booking_store,
            self.messages,
            self.message_store,
            self.changes,
            self.pins,
            self.conversation_store,
            QuotesOnCards(self.quote_store),
            self.outbox,
            self.clock,
        )
        self.vendor_store = VendorStore(self.sealer, self.clock)
        self.rating_store = RatingStore(self.sealer, self.clock)
        self.vendors = Vendors(
            self.vendor_store, self.rating_store, self.participants, self.outbox, self.clock
        )
        people = People(self.participants, self.outbox)
        self.leads = Leads(
            self.lead_store,
            self.conversations,
            self.conversation_store,
            self.conversation_changes,
            self.messages,
            self.outbox,
            self.clock,
        )
        self.outcomes = Outcomes(
            self.quote_store, self.messages, self.polls, self.conversation_store, self.outbox, self.clock
        )
        self.erasures = Erasures(
            self.participants,
            self.conversation_store,
            self.conversation_changes,
            QuotesOfErased(self.quote_store, self.outcomes, self.clock),
            self.clock,
        )
        openings = Openings(self.conversations, self.participants)
        self.platform = PlatformEvents(
            database,
            self.inbox,
            Effects(
                openings=openings,
                messages=MessageEffects(self.conversation_store, self.messages),
                bookings=BookingEffects(openings, self.bookings, self.conversation_store),
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
            self.clock,
        )
