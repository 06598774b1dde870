"""Signals by REST: reading, typing, presence."""

from collections.abc import Sequence

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.store import ConversationStore
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.signals.api.presence import OPERATIONS as PRESENCE
from bridge.signals.api.presence import PresenceApi
from bridge.signals.api.reading import OPERATIONS as READING
from bridge.signals.api.reading import ReadingApi
from bridge.signals.api.typing import OPERATIONS as TYPING
from bridge.signals.api.typing import TypingApi
from bridge.signals.ports import TypingOutside
from bridge.signals.service import Signals
from bridge.storage.database import Database
from bridge.web.operations import Toolkit
from bridge.web.paging import Cursors

OPERATIONS = (*READING, *TYPING, *PRESENCE)


class SignalsApi:
    def __init__(
        self,
        *,
        database: Database,
        signals: Signals,
        outside: TypingOutside,
        conversations: ConversationStore,
        messages: MessageStore,
        participants: ParticipantStore,
        access: Access,
        cursors: Cursors,
    ) -> None:
        self.reading = ReadingApi(
            database, signals.reads, signals.unread, signals.read_store, messages, access, cursors
        )
        self.typing = TypingApi(database, signals.typing, outside, signals.reads, participants, access)
        self.presence = PresenceApi(database, signals.presence, conversations, participants, access)

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return [
            *self.reading.routes(toolkit),
            *self.typing.routes(toolkit),
            *self.presence.routes(toolkit),
        ]
