"""The REST API as a whole: which operations there are, and an application's routes for them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from aiohttp import web

from bridge.admin.dead_letters import api as dead_letters_api
from bridge.admin.dead_letters.service import DeadLetters
from bridge.bookings import api as bookings_api
from bridge.bookings.store import BookingStore
from bridge.conversations import accounts_api, members_api, openings_api, pair_api
from bridge.conversations import api as conversations
from bridge.conversations import changes_api as conversation_changes_api
from bridge.conversations.access import Access
from bridge.conversations.accounts import Accounts
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.model import Scope
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.clock import Clock
from bridge.delivery.inbox import Inbox
from bridge.export import api as export
from bridge.export.service import Exports
from bridge.leads import api as leads_api
from bridge.leads.service import Leads
from bridge.leads.store import LeadStore
from bridge.messages import api as messages
from bridge.messages import list_api as message_list
from bridge.messages import older_api as older_messages_api
from bridge.messages.access import MessageAccess
from bridge.messages.bookmarks import api as bookmarks_api
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.changes import MessageChanges
from bridge.messages.gallery import api as gallery_api
from bridge.messages.gallery.store import GalleryStore
from bridge.messages.hidden.service import Hiding
from bridge.messages.pins import api as pins_api
from bridge.messages.pins.service import Pins
from bridge.messages.polls import api as polls_api
from bridge.messages.polls.service import Polls
from bridge.messages.quick_replies import api as quick_replies_api
from bridge.messages.quick_replies.service import QuickReplies
from bridge.messages.quick_replies.store import QuickReplyStore
from bridge.messages.reactions import api as reactions_api
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.scheduled import api as scheduled_api
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import ScheduledStore
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.participants.store import ParticipantStore
from bridge.platform import api as events
from bridge.platform import states_api as event_states
from bridge.platform.bus import asyncapi as bus_asyncapi
from bridge.platform.replay import EventReplays
from bridge.platform.store import EventStore
from bridge.quotes import api as quotes_api
from bridge.quotes.service import Quotes
from bridge.quotes.store import QuoteStore
from bridge.search import api as search
from bridge.search.service import Searching
from bridge.signals import api as signals_api
from bridge.signals.ports import TypingOutside
from bridge.signals.service import Signals
from bridge.sockets import asyncapi as sockets_asyncapi
from bridge.sockets.commands import Handlers
from bridge.sockets.live import Live
from bridge.statistics import api as statistics
from bridge.statistics import vendor_api as vendor_statistics
from bridge.statistics.service import Statistics
from bridge.statistics.store import StatisticsStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.tokens import api as tokens_api
from bridge.tokens.service import Tokens
from bridge.vendors import api as vendors_api
from bridge.vendors import ratings_api
from bridge.vendors.access import VendorAccess
from bridge.vendors.listing import Listing
from bridge.vendors.rating_store import RatingStore
from bridge.vendors.service import Vendors
from bridge.vendors.store import VendorStore
from bridge.vendors.views import VendorViews
from bridge.web import docs
from bridge.web.aliases import with_aliases
from bridge.web.asyncapi import document as asyncapi_document
from bridge.web.fields import MAX_TEXT_LENGTH
from bridge.web.idempotency import IdempotencyKeys
from bridge.web.openapi import AnyOperation, document
from bridge.web.operations import Keys, Toolkit
from bridge.web.pace import Pace
from bridge.web.paging import Cursors
from bridge.webhooks import api as webhooks_api
from bridge.webhooks import deliveries_api as webhook_deliveries_api
from bridge.webhooks import payload as webhook_payload
from bridge.webhooks.delivery_store import DeliveryStore
from bridge.webhooks.service import Webhooks

OPERATIONS: tuple[AnyOperation, ...] = (
    *conversations.OPERATIONS,
    *openings_api.OPERATIONS,
    *pair_api.OPERATIONS,
    *conversation_changes_api.OPERATIONS,
    *members_api.OPERATIONS,
    *accounts_api.OPERATIONS,
    *messages.OPERATIONS,
    *older_messages_api.OPERATIONS,
    *message_list.OPERATIONS,
    *scheduled_api.OPERATIONS,
    *quick_replies_api.OPERATIONS,
    *search.OPERATIONS,
    *export.OPERATIONS,
    *statistics.OPERATIONS,
    *vendors_api.OPERATIONS,
    *ratings_api.OPERATIONS,
    *vendor_statistics.OPERATIONS,
    *signals_api.OPERATIONS,
    *reactions_api.OPERATIONS,
    *pins_api.OPERATIONS,
    *polls_api.OPERATIONS,
    *quotes_api.OPERATIONS,
    *gallery_api.OPERATIONS,
    *bookmarks_api.OPERATIONS,
    *leads_api.OPERATIONS,
    *bookings_api.OPERATIONS,
    *events.OPERATIONS,
    *event_states.OPERATIONS,
    *dead_letters_api.OPERATIONS,
    *webhooks_api.OPERATIONS,
    *webhook_deliveries_api.OPERATIONS,
    *tokens_api.OPERATIONS,
)
SCOPES = frozenset(operation.scope for operation in OPERATIONS if operation.security == "api_key")
"""All that an API key can be limited to."""


def openapi(*, max_text_length: int = 10_000) -> dict[str, Any]:
    limits = {MAX_TEXT_LENGTH: max_text_length}
    return document(
        OPERATIONS, limits=limits, webhooks=webhook_payload.document(), headers=webhook_payload.HEADERS
    )


def asyncapi(*, max_text_length: int = 10_000) -> dict[str, Any]:
    return asyncapi_document(
        (sockets_asyncapi.part(), bus_asyncapi.part()),
        title="Festimo Bridge: WebSockets and bus",
        about="What happens in one's conversations, as it happens, and on from where one was: by WebSockets, for people"
        " and programs, and by the bus, for programs, which takes what happens on the platform, too. Each message is a"
        " JSON object; `type` tells them apart.",
        limits={MAX_TEXT_LENGTH: max_text_length},
    )


@cache
def document_routes(max_text_length: int) -> Sequence[web.AbstractRouteDef]:
    """Made once: to describe all operations takes longer than all else that is done to get ready."""
    return docs.routes(openapi(max_text_length=max_text_length), asyncapi(max_text_length=max_text_length))


def routes(
    *,
    database: Database,
    sealer: Sealer,
    clock: Clock,
    master_key: bytes,
    keys: Keys,
    tokens: Tokens,
    conversation_service: Conversations,
    conversation_store: ConversationStore,
    conversation_changes: ConversationChanges,
    conversation_views: ConversationViews,
    accounts: Accounts,
    message_service: Messages,
    message_changes: MessageChanges,
    message_store: MessageStore,
    message_views: MessageViews,
    bookmark_store: BookmarkStore,
    hiding: Hiding,
    schedule: Schedule,
    reactions: Reactions,
    reaction_store: ReactionStore,
    pins: Pins,
    polls: Polls,
    quotes: Quotes,
    quote_store: QuoteStore,
    searching: Searching,
    participants: ParticipantStore,
    vendors: Vendors,
    vendor_store: VendorStore,
    vendor_views: VendorViews,
    rating_store: RatingStore,
    leads: Leads,
    lead_store: LeadStore,
    booking_store: BookingStore,
    signals: Signals,
    typing_outside: TypingOutside,
    events_api: events.EventsApi,
    inbox: Inbox,
    dead_letters: DeadLetters,
    webhooks: Webhooks,
    webhook_hosts: webhooks_api.Hosts,
    http_webhooks: bool,
    max_text_length: int,
    pace: Pace,
    live: Live,
    scope: Scope = "party_vendor",
) -> Sequence[web.AbstractRouteDef]:
    toolkit = Toolkit(
        database, keys, IdempotencyKeys(sealer, clock), limits={MAX_TEXT_LENGTH: max_text_length}, pace=pace
    )
    cursors = Cursors(master_key)
    access = Access(conversation_store)
    message_access = MessageAccess(message_store, access)
    quick_replies = QuickReplies(
        QuickReplyStore(sealer), conversation_store, clock, max_text_length=max_text_length
    )
    vendor_access, figures = VendorAccess(vendor_store), Statistics(StatisticsStore())
    messages_api = messages.MessagesApi(
        database,
        message_service,
        message_changes,
        message_store,
        hiding,
        schedule,
        quick_replies,
        access,
        message_views,
    )
    message_list_api = message_list.MessageListApi(database, message_store, access, message_views, cursors)
    on_signals = signals_api.SignalsApi(
        database=database,
        signals=signals,
        outside=typing_outside,
        conversations=conversation_store,
        messages=message_store,
        participants=participants,
        access=access,
        cursors=cursors,
    )
    by_frames = Handlers(
        post=messages_api.post,
        read=on_signals.reading.read,
        typing=on_signals.typing.set,
        presence=on_signals.presence.set,
    )
    operations = [
        *conversations.ConversationsApi(
            database,
            conversation_service,
            conversation_changes,
            conversation_store,
            access,
            conversation_views,
            cursors,
        ).routes(toolkit),
        *openings_api.OpeningsApi(
            conversation_service, conversation_changes, conversation_store, conversation_views, clock
        ).routes(toolkit),
        *pair_api.PairApi(
            conversation_service, conversation_changes, conversation_store, participants, conversation_views
        ).routes(toolkit),
        *conversation_changes_api.ConversationChangesApi(
            conversation_changes, access, conversation_views
        ).routes(toolkit),
        *members_api.MembersApi(conversation_changes, access, conversation_views).routes(toolkit),
        *accounts_api.AccountsApi(accounts).routes(toolkit),
        *messages_api.routes(toolkit),
        *older_messages_api.OlderMessagesApi(messages_api, message_list_api).routes(toolkit),
        *message_list_api.routes(toolkit),
        *scheduled_api.ScheduledApi(database, schedule, ScheduledStore(sealer), cursors).routes(toolkit),
        *quick_replies_api.QuickRepliesApi(database, quick_replies, cursors).routes(toolkit),
        *reactions_api.ReactionsApi(database, reactions, reaction_store, message_access).routes(toolkit),
        *bookmarks_api.BookmarksApi(
            database,
            bookmark_store,
            message_store,
            conversation_store,
            message_access,
            message_views,
            cursors,
        ).routes(toolkit),
        *pins_api.PinsApi(pins, message_access, message_views).routes(toolkit),
        *polls_api.PollsApi(polls, message_access, message_views).routes(toolkit),
        *quotes_api.QuotesApi(database, quotes, quote_store, access, cursors, clock).routes(toolkit),
        *gallery_api.GalleryApi(database, GalleryStore(), message_store, access, cursors).routes(toolkit),
        *search.SearchApi(database, searching, access, message_views, cursors).routes(toolkit),
        *export.ExportApi(
            database, Exports(conversation_store, message_store, reaction_store, clock), access
        ).routes(toolkit),
        *statistics.StatisticsApi(database, figures, conversation_store, access).routes(toolkit),
        *vendors_api.VendorsApi(
            database,
            vendors,
            vendor_access,
            vendor_views,
            Listing(vendor_store, signals.presence, clock),
            cursors,
        ).routes(toolkit),
        *ratings_api.RatingsApi(database, vendors, rating_store, vendor_access, cursors).routes(toolkit),
        *vendor_statistics.VendorStatisticsApi(database, figures, vendor_access).routes(toolkit),
        *leads_api.LeadsApi(database, leads, lead_store, access, message_access, cursors).routes(toolkit),
        *on_signals.routes(toolkit),
        *bookings_api.BookingsApi(database, booking_store, access, cursors).routes(toolkit),
        *events_api.routes(),
        *event_states.EventStatesApi(
            database, EventStore(), EventReplays(inbox, EventStore(), scope=scope), cursors
        ).routes(toolkit),
        *dead_letters_api.DeadLettersApi(dead_letters, cursors).routes(toolkit),
        *webhooks_api.WebhooksApi(
            database, webhooks, webhook_hosts, cursors, http_allowed=http_webhooks
        ).routes(toolkit),
        *webhook_deliveries_api.DeliveriesApi(database, webhooks, DeliveryStore(), cursors).routes(toolkit),
        *tokens_api.TokensApi(tokens).routes(toolkit),
    ]
    return [
        *with_aliases(operations),
        *live.routes(toolkit, keys, by_frames),
        *document_routes(max_text_length),
    ]
