"""Signals by REST: reading, typing, presence."""

from collections.abc import Sequence

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.store import ConversationStore
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.signals.api import presence, reading, typing
from bridge.signals.ports import TypingOutside
from bridge.signals.service import Signals
from bridge.storage.database import Database
from bridge.web.operations import Toolkit
from bridge.web.paging import Cursors

OPERATIONS = (*reading.OPERATIONS, *typing.OPERATIONS, *presence.OPERATIONS)


def routes(
    toolkit: Toolkit,
    *,
    database: Database,
    signals: Signals,
    outside: TypingOutside,
    conversations: ConversationStore,
    messages: MessageStore,
    participants: ParticipantStore,
    access: Access,
    cursors: Cursors,
) -> Sequence[web.RouteDef]:
    return [
        *reading.ReadingApi(
            database, signals.reads, signals.unread, signals.read_store, messages, access, cursors
        ).routes(toolkit),
        *typing.TypingApi(database, signals.typing, outside, signals.reads, participants, access).routes(
            toolkit
        ),
        *presence.PresenceApi(database, signals.presence, conversations, participants, access).routes(
            toolkit
        ),
    ]
