"""The REST API as a whole: which operations there are, and an application's routes for them."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bridge.admin.dead_letters import api as dead_letters_api
from bridge.admin.dead_letters.service import DeadLetters
from bridge.api_keys.service import ApiKeys
from bridge.conversations import api as conversations
from bridge.conversations.access import Access
from bridge.conversations.ports import RoomIds
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.clock import Clock
from bridge.messages import api as messages
from bridge.messages.changes import MessageChanges
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.platform import api as events
from bridge.platform.store import EventStore
from bridge.sockets.live import Live
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from bridge.web import docs
from bridge.web.aliases import with_aliases
from bridge.web.fields import MAX_TEXT_LENGTH
from bridge.web.idempotency import IdempotencyKeys
from bridge.web.openapi import AnyOperation, document
from bridge.web.operations import Toolkit
from bridge.web.pace import Pace
from bridge.web.paging import Cursors

OPERATIONS: tuple[AnyOperation, ...] = (
    *conversations.OPERATIONS,
    *messages.OPERATIONS,
    *events.OPERATIONS,
    *dead_letters_api.OPERATIONS,
)


def openapi(*, max_text_length: int = 10_000) -> dict[str, Any]:
    return document(OPERATIONS, limits={MAX_TEXT_LENGTH: max_text_length})


def routes(
    *,
    database: Database,
    sealer: Sealer,
    clock: Clock,
    master_key: bytes,
    keys: ApiKeys,
    conversation_service: Conversations,
    conversation_store: ConversationStore,
    message_service: Messages,
    message_changes: MessageChanges,
    message_store: MessageStore,
    rooms: RoomIds,
    events_api: events.EventsApi,
    dead_letters: DeadLetters,
    max_text_length: int,
    pace: Pace,
    live: Live,
) -> Sequence[web.AbstractRouteDef]:
    toolkit = Toolkit(
        database, keys, IdempotencyKeys(sealer, clock), limits={MAX_TEXT_LENGTH: max_text_length}, pace=pace
    )
    cursors = Cursors(master_key)
    access = Access(conversation_store)
    views = ConversationViews(conversation_store, message_store, rooms)
    messages_api = messages.MessagesApi(
        database, message_service, message_changes, message_store, access, cursors
    )
    operations = [
        *conversations.ConversationsApi(
            database, conversation_service, conversation_store, access, views, cursors
        ).routes(toolkit),
        *messages_api.routes(toolkit),
        *events_api.routes(),
        *events.EventStatesApi(database, EventStore()).routes(toolkit),
        *dead_letters_api.DeadLettersApi(dead_letters, cursors).routes(toolkit),
    ]
    return [
        *with_aliases(operations),
        *live.routes(toolkit, keys, post=messages_api.post),
        *docs.routes(openapi(max_text_length=max_text_length)),
    ]
