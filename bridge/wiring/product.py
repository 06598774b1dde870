"""The objects that know conversations and the platform, not Matrix."""

from collections.abc import Sequence
from datetime import timedelta

from appservice.inbound.lanes import RoomLanes
from appservice.names import Names
from appservice.outbound.recaps import ConversationRoom
from appservice.outbound.replays import Replays
from appservice.room_map import rooms_of
from appservice.transactions import TOPIC as MATRIX_EVENT
from bridge.admin.dead_letters.service import DeadLetters
from bridge.bookings.listeners import BookingListener
from bridge.bookings.service import Bookings
from bridge.bookings.store import BookingStore
from bridge.config import Config
from bridge.config.messages import LONGEST_TEXT
from bridge.conversations.accounts import Accounts
from bridge.conversations.change_store import ChangeStore
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId
from bridge.delivery.inbox import Inbox
from bridge.delivery.outbox import Outbox
from bridge.feed.service import Feed
from bridge.feed.store import FeedStore
from bridge.festimo.answers import is_for_festimo
from bridge.festimo.listeners import Festimo
from bridge.leads.service import Leads
from bridge.leads.store import LeadStore
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.hidden.service import Hiding
from bridge.messages.pins.listeners import PinListener
from bridge.messages.pins.service import Pins
from bridge.messages.pins.store import PinStore
from bridge.messages.polls.service import Polls
from bridge.messages.polls.store import PollStore
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.scheduled.due import DueMessages
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.participants.service import People
from bridge.participants.store import ParticipantStore
from bridge.platform.apply import Effects, PlatformEvents
from bridge.platform.effects.bookings import BookingEffects
from bridge.platform.effects.leads import LeadEffects
from bridge.platform.effects.messages import MessageEffects
from bridge.platform.effects.openings import Openings
from bridge.platform.effects.people import PeopleEffects
from bridge.platform.effects.vendors import VendorEffects
from bridge.platform.intake import InboxIntake
from bridge.platform.reception import Reception
from bridge.platform.strangers import DueStrangers, Introductions
from bridge.privacy.service import Erasures
from bridge.quotes.answering import Answering
from bridge.quotes.asking import AskByPoll, AskByReactions, Asking
from bridge.quotes.desk import QuoteDesk
from bridge.quotes.due import DueQuotes
from bridge.quotes.gone import QuotesOfErased
from bridge.quotes.listeners import QuoteListener
from bridge.quotes.outcomes import Outcomes
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.recap.listeners import RecapListener
from bridge.recap.service import Recaps
from bridge.recap.store import RecapStore
from bridge.search.backfill import Backfill
from bridge.search.index import BlindIndex
from bridge.search.rules import Words
from bridge.search.service import Searching
from bridge.search.store import SearchStore
from bridge.signals.service import Signals
from bridge.statistics.answers import VendorAnswers
from bridge.storage.database import Database, Reader
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore
from bridge.vendors.views import VendorViews
from bridge.wiring.callers import sealer_of
from bridge.wiring.cards import QuotesOnCards
from bridge.wiring.webhooks import Sending


class Product:
    """Stores, the services above them, and who listens to what; a room is met behind two ports only."""

    def __init__(self, config: Config, database: Database, names: Names, clock: Clock) -> None:
        self.sealer = sealer = sealer_of(config, clock)
        self.inbox, self.outbox = inbox, outbox = (
            Inbox(database, sealer, clock),
            Outbox(database, sealer, clock),
        )

        self.participants = ParticipantStore(clock)
        self.conversation_store = conversation_store = ConversationStore(clock)
        self.conversations = Conversations(
            conversation_store, self.participants, outbox, clock, scope=config.conversation.scope
        )
        change_store = ChangeStore(sealer, clock)
        self.conversation_changes = ConversationChanges(
            self.conversations, conversation_store, change_store, self.participants, outbox, clock
        )
        self.accounts = Accounts(conversation_store, self.participants, PartyLists(outbox), outbox)

        words, search_store = Words(config.search.languages), SearchStore()
        index = BlindIndex(sealer, words, search_store)
        self.message_store = message_store = MessageStore(sealer, index)
        self.lead_store = LeadStore(sealer, clock)
        self.messages = Messages(
            message_store,
            conversation_store,
            outbox,
            clock,
            leads=self.lead_store,
            is_for_festimo=is_for_festimo,
            # What was accepted stays so when the operator lowers the limit: the edges hold people to that.
            max_text_length=LONGEST_TEXT,
            longest_in_client=config.messages.max_text_length,
        )
        self.edit_store = EditStore(sealer, index)
        self.message_changes = MessageChanges(
            message_store,
            self.edit_store,
            outbox,
            clock,
            max_text_length=LONGEST_TEXT,
            longest_in_client=config.messages.max_text_length,
        )
        self.searching = Searching(message_store, index, words, search_store)
        self.backfill = Backfill(database, message_store, index, words, search_store)

        self.reaction_store, self.pin_store = ReactionStore(sealer), PinStore()
        self.reactions = Reactions(self.reaction_store, message_store, conversation_store, outbox, clock)
        self.pins = Pins(self.pin_store, message_store, conversation_store, outbox)
        self.pin_listener = PinListener(database, message_store, self.pins, outbox)
        self.poll_store = PollStore()
        self.polls = Polls(self.poll_store, self.messages, message_store, conversation_store, outbox, clock)
        self.bookmark_store = BookmarkStore(clock)
        self.hiding = Hiding(conversation_store, outbox, clock)
        self.scheduled_store = scheduled_store = ScheduledStore(sealer)
        self.schedule = Schedule(
            scheduled_store,
            self.messages,
            conversation_store,
            outbox,
            clock,
            longest_ahead=timedelta(days=config.messages.schedule_days),
        )
        self.due_messages = DueMessages(database, scheduled_store, self.schedule, clock)

        self.quote_store = quote_store = QuoteStore(sealer)
        outcomes = Outcomes(quote_store, self.messages, self.polls, conversation_store, outbox, clock)
        asking: Asking = AskByReactions(self.messages, self.reactions)
        if config.quotes.ask == "poll":
            asking = AskByPoll(self.messages)
        self.quotes = Quotes(quote_store, outcomes, asking, conversation_store, outbox, clock)
        self.due_quotes = DueQuotes(database, quote_store, self.quotes, clock)
        self.quote_listener = QuoteListener(
            database=database,
            store=quote_store,
            answering=Answering(quote_store, outcomes, asking, clock),
            messages=message_store,
            reactions=self.reaction_store,
            polls=self.polls,
            outbox=outbox,
        )

        self.booking_store = BookingStore(sealer, clock)
        bookings = Bookings(
            self.booking_store,
            self.messages,
            message_store,
            self.message_changes,
            self.pins,
            conversation_store,
            QuotesOnCards(quote_store),
            outbox,
            clock,
        )
        self.booking_listener = BookingListener(
            database, self.booking_store, bookings, conversation_store, outbox
        )
        self.signals = Signals(database, outbox, clock)
        self.vendor_store, self.rating_store = VendorStore(sealer, clock), RatingStore(sealer, clock)
        self.vendors = Vendors(self.vendor_store, self.rating_store, self.participants, outbox, clock)
        self.intake = InboxIntake(database, inbox)
        self.reception = Reception(
            self.intake,
            max_text_length=config.messages.max_text_length,
            scope=config.conversation.scope,
        )
        self.people = People(self.participants, outbox)
        self.leads = Leads(
            self.lead_store,
            self.conversations,
            conversation_store,
            self.conversation_changes,
            self.messages,
            outbox,
            clock,
        )
        self.erasures = Erasures(
            self.participants,
            conversation_store,
            self.conversation_changes,
            QuotesOfErased(quote_store, outcomes, clock),
            clock,
        )
        openings = Openings(self.conversations, self.participants)
        self.platform = PlatformEvents(
            database,
            inbox,
            Effects(
                openings=openings,
                messages=MessageEffects(conversation_store, self.messages),
                bookings=BookingEffects(openings, bookings, conversation_store),
                leads=LeadEffects(openings, self.leads),
                vendors=VendorEffects(self.vendors, self.vendor_store),
                people=PeopleEffects(
                    self.participants,
                    self.people,
                    self.accounts,
                    self.vendors,
                    self.vendor_store,
                    self.erasures,
                ),
            ),
            clock,
        )
        self.due_strangers = DueStrangers(database, inbox, clock)
        vendor_answers = VendorAnswers(clock, outbox.record)
        self.vendor_views = VendorViews(
            self.vendor_store, self.rating_store, self.signals.presence, vendor_answers, clock
        )
        self.festimo = Festimo(
            database=database,
            conversations=conversation_store,
            bookings=self.booking_store,
            messages=self.messages,
            message_store=message_store,
            vendors=self.vendors,
            quotes=QuoteDesk(self.quotes, quote_store, clock),
            outbox=outbox,
        )
        self.recap_store = RecapStore()
        self.conversation_room = ConversationRoom(names, outbox)
        self.recaps = Recaps(self.recap_store, self.conversation_room, outbox, clock)
        self.recap_listener = RecapListener(database, self.recaps, outbox)

        self.feed_store = FeedStore()
        self.feed = Feed(database, self.feed_store, clock, kept=config.feed.kept)
        outbox.witness(self.feed.record)
        outbox.witness(self.leads.heard)
        outbox.witness(Introductions(inbox).heard)
        outbox.witness(vendor_answers.heard)  # an answer stands in the feed behind the message that it is
        self.sending = Sending(config, database, sealer, self.feed, clock)
        self.message_views = MessageViews(
            message_store, self.reaction_store, self.pin_store, self.bookmark_store, self.signals.deliveries
        )
        self.conversation_views = ConversationViews(
            conversation_store, change_store, message_store, RoomIds(), self.signals.unread
        )
        self.dead_letters = dead_letters_of(database, inbox, outbox, self.conversations, self.messages)


class RoomIds:
    """The conversations' port, by the Matrix side's map."""

    async def room_ids(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> dict[ConversationId, str]:
        return await rooms_of(reader, conversation_ids)


def dead_letters(config: Config, database: Database, clock: Clock) -> DeadLetters:
    """For the command line: a bridge that runs beside it finds what was replayed at its next sweep."""
    sealer = sealer_of(config, clock)
    inbox, outbox = Inbox(database, sealer, clock), Outbox(database, sealer, clock)
    conversation_store = ConversationStore(clock)
    conversations = Conversations(conversation_store, ParticipantStore(clock), outbox, clock)
    messages = Messages(MessageStore(sealer), conversation_store, outbox, clock)
    return dead_letters_of(database, inbox, outbox, conversations, messages)


def dead_letters_of(
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
            "held.ParticipantHeld": replays.added,
            "matrix.MessagePosted": replays.posted,
        },
    )
