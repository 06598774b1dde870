"""Who is told what: facts, their topics, and the handler of each topic."""

from appservice.continuity import Continuity
from appservice.outbound.erased import ErasedStaySilent
from appservice.transactions import TOPIC as MATRIX_EVENT
from bridge.conversations.events import (
    AccountUnlinked,
    ConversationChanged,
    ConversationDeleted,
    ConversationOpened,
    ConversationStatusChanged,
    InviteRefused,
    ParticipantAdded,
    ParticipantCame,
    ParticipantHeld,
    ParticipantLeft,
    ParticipantRemoved,
    PartyListChanged,
    UpgradeAsked,
)
from bridge.core.clock import Clock
from bridge.delivery.dispatcher import Dispatcher
from bridge.delivery.outbox import Outbox
from bridge.festimo.listeners import is_to_be_answered
from bridge.messages.events import (
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    MessageReceived,
    SaidToFestimo,
)
from bridge.messages.pins.events import PinsChanged
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.participants.events import AppearanceChanged
from bridge.platform.intake import TOPIC as PLATFORM_EVENT
from bridge.quotes.events import QuoteAccepted
from bridge.quotes.listeners import may_be_a_vote_for_one, may_be_an_answer
from bridge.recap.events import RecapChanged, RecapDue, RecapHeld
from bridge.signals.events import ConversationRead
from bridge.storage.database import Database
from bridge.wiring.inbound import Inbound
from bridge.wiring.outbound import Outbound
from bridge.wiring.product import Product


def subscribe(outbox: Outbox) -> None:
    """Who is told what: a row for each, in the transaction of the fact."""
    outbox.subscribe("matrix", ConversationOpened, ParticipantAdded, MessagePosted)
    outbox.subscribe("matrix", ConversationStatusChanged, ConversationChanged, ConversationDeleted)
    outbox.subscribe("matrix", ParticipantLeft, only=lambda left: not left.in_client)
    outbox.subscribe("matrix", ParticipantRemoved, only=lambda removed: not removed.in_client)
    outbox.subscribe("matrix", ParticipantCame, only=lambda came: came.spoken_for)
    outbox.subscribe("matrix", AccountUnlinked)
    outbox.subscribe("matrix", UpgradeAsked, InviteRefused)
    outbox.subscribe("held", ParticipantHeld)  # in a lane of its own, as everything goes on without them
    outbox.subscribe("space", PartyListChanged)
    outbox.subscribe("profiles", AppearanceChanged)
    outbox.subscribe("matrix", MessageEdited, MessageDeleted)
    outbox.subscribe("matrix", ReactionAdded, ReactionRemoved, PinsChanged)
    outbox.subscribe("matrix", PollVoted, only=lambda voted: voted.vote_id is not None)
    outbox.subscribe("matrix", PollEnded, only=lambda ended: not ended.in_client)
    outbox.subscribe("pins", MessageDeleted)
    outbox.subscribe("matrix", RecapDue, RecapChanged)
    outbox.subscribe("recap", MessageEdited, MessageDeleted)
    outbox.subscribe("recap-held", RecapHeld)
    # In a lane of their own: nothing that is said waits for them.
    outbox.subscribe("receipts", ConversationRead, only=lambda read: not read.in_client)
    outbox.subscribe("festimo", ConversationOpened)
    outbox.subscribe("bookings", ConversationOpened, only=lambda opened: opened.again)
    outbox.subscribe("bookings", QuoteAccepted)
    outbox.subscribe("festimo", MessageReceived, only=is_to_be_answered)
    outbox.subscribe("festimo", SaidToFestimo, only=is_to_be_answered)
    outbox.subscribe("quotes", ReactionAdded)
    outbox.subscribe("quotes", MessageReceived, only=may_be_an_answer)
    outbox.subscribe("quotes", SaidToFestimo, only=may_be_an_answer)
    outbox.subscribe("quotes", PollVoted, only=may_be_a_vote_for_one)


def inbox_dispatcher(
    database: Database, product: Product, inbound: Inbound, continuity: Continuity, clock: Clock
) -> Dispatcher:
    return Dispatcher(
        database,
        product.inbox,
        {PLATFORM_EVENT: product.platform.apply, MATRIX_EVENT: inbound.events.apply},
        clock,
        on_dead={MATRIX_EVENT: inbound.events.given_up},
        gate=continuity,
    )


def outbox_dispatcher(database: Database, product: Product, outbound: Outbound, clock: Clock) -> Dispatcher:
    silence = ErasedStaySilent(
        database, product.outbox, product.messages, product.message_store, outbound.timeline
    )
    return Dispatcher(
        database,
        product.outbox,
        silence.before(
            {
                "matrix.ConversationOpened": outbound.rooms.opened,
                "matrix.ParticipantAdded": outbound.rooms.added,
                "held.ParticipantHeld": outbound.rooms.held,
                "matrix.ConversationStatusChanged": outbound.room_state.changed,
                "matrix.ConversationChanged": outbound.room_state.changed,
                "matrix.ConversationDeleted": outbound.room_state.deleted,
                "matrix.UpgradeAsked": outbound.upgrades.asked,
                "matrix.ParticipantLeft": outbound.room_state.left,
                "matrix.ParticipantRemoved": outbound.room_state.left,
                "matrix.ParticipantCame": outbound.room_state.came,
                "matrix.AccountUnlinked": outbound.room_state.unlinked,
                "matrix.InviteRefused": outbound.room_state.invite_refused,
                "space.PartyListChanged": outbound.spaces.changed,
                "profiles.AppearanceChanged": outbound.profiles.changed,
                "matrix.MessagePosted": outbound.timeline.posted,
                "matrix.MessageEdited": outbound.edits.edited,
                "matrix.MessageDeleted": outbound.redactions.deleted,
                "matrix.ReactionAdded": outbound.reactions_in_room.changed,
                "matrix.ReactionRemoved": outbound.reactions_in_room.changed,
                "matrix.PinsChanged": outbound.pins_in_room.changed,
                "matrix.PollVoted": outbound.polls_in_room.voted,
                "matrix.PollEnded": outbound.polls_in_room.ended,
                "pins.MessageDeleted": product.pin_listener.deleted,
                "matrix.RecapDue": outbound.recap_delivery.due,
                "matrix.RecapChanged": outbound.recap_delivery.changed,
                "recap-held.RecapHeld": outbound.recap_delivery.held,
                "recap.MessageEdited": product.recap_listener.source_changed,
                "recap.MessageDeleted": product.recap_listener.source_changed,
                "receipts.ConversationRead": outbound.receipts.read,
                "festimo.ConversationOpened": product.festimo.opened,
                "bookings.ConversationOpened": product.booking_listener.opened,
                "bookings.QuoteAccepted": product.booking_listener.accepted,
                "festimo.MessageReceived": product.festimo.heard,
                "festimo.SaidToFestimo": product.festimo.heard,
                "quotes.ReactionAdded": product.quote_listener.reacted,
                "quotes.MessageReceived": product.quote_listener.replied,
                "quotes.SaidToFestimo": product.quote_listener.replied,
                "quotes.PollVoted": product.quote_listener.voted,
            }
        ),
        clock,
        on_dead={
            "matrix.ConversationOpened": outbound.rooms.not_opened,
            "matrix.ParticipantAdded": outbound.rooms.not_added,
            "held.ParticipantHeld": outbound.rooms.not_added,
            "matrix.MessagePosted": outbound.timeline.given_up,
            "matrix.RecapChanged": outbound.recap_delivery.not_changed,
        },
    )
