"""What a client is told of an entry of the feed: which frame, and what it shows, as it is now."""

import json
from collections.abc import Mapping
from typing import Literal

import structlog
from pydantic import BaseModel

from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationViews
from bridge.core.caller import Caller
from bridge.core.ids import MessageId, TenantId
from bridge.feed.model import Entry, Place
from bridge.messages.store import MessageStore
from bridge.messages.views import MessageViews
from bridge.storage.database import Reader
from bridge.storage.sealing import CannotOpen
from bridge.web.fields import rfc3339
from bridge.web.paging import Cursors

log = structlog.get_logger(__name__)

Shows = Literal["message", "conversation"]

FRAMES: Mapping[str, Shows] = {
    "message.sent": "message",
    "message.received": "message",
    "message.updated": "message",
    "message.deleted": "message",
    "message.delivered": "message",
    "reaction.changed": "message",
    "message.read": "conversation",
    "conversation.updated": "conversation",
}
"""Kind of entry, which is the frame's type, and what it shows."""
NOTICES: Mapping[str, str] = {
    "message.sent": "conversation.updated",
    "message.received": "conversation.updated",
    "message.read": "conversation.updated",
    "conversation.updated": "conversation.updated",
}
"""The same for a person's notifications: what changes how their list of conversations looks."""


class Frames:
    def __init__(
        self,
        messages: MessageStore,
        conversations: ConversationStore,
        message_views: MessageViews,
        views: ConversationViews,
        cursors: Cursors,
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._message_views = message_views
        self._views = views
        self._cursors = cursors

    async def of(self, reader: Reader, entry: Entry, *, notice: bool) -> str | None:
        """The frame; None where there is none of this kind, or what it would show is gone."""
        kind = NOTICES.get(entry.kind) if notice else entry.kind
        shows = None if kind is None else FRAMES.get(kind)
        if kind is None or shows is None:
            return None
        try:
            shown = await self._shown(reader, entry, shows, notice=notice)
        except CannotOpen as reason:
            log.error("unreadable_entry", event_id=entry.event_id, reason=str(reason))
            return None
        if shown is None:
            return None
        head = {
            "type": kind,
            "cursor": self.cursor(entry.tenant_id, entry.place),
            "event_id": entry.event_id,
            "conversation_id": entry.conversation_id,
            "number": entry.number,
            "occurred_at": rfc3339(entry.created_at),
        }
        return f'{json.dumps(head)[:-1]}, "{shows}": {shown.model_dump_json()}}}'

    def cursor(self, tenant_id: TenantId, place: Place) -> str:
        return self._cursors.at((place.seq, place.event_id), of=_this_list(tenant_id))

    def place(self, tenant_id: TenantId, cursor: str) -> Place:
        """Raise `InvalidCursor`."""
        seq, event_id = self._cursors.place(cursor, of=_this_list(tenant_id), field="cursor")
        return Place(int(seq), str(event_id))

    async def _shown(self, reader: Reader, entry: Entry, shows: Shows, *, notice: bool) -> BaseModel | None:
        if shows == "message":
            message = await self._messages.find(reader, entry.tenant_id, MessageId(entry.about["message_id"]))
            if message is None:
                return None
            # One frame for all who hear of it: as a program sees it, nobody's own marks in it.
            return await self._message_views.one(
                reader, Caller(tenant_id=entry.tenant_id, role="service"), message
            )
        stored = await self._conversations.find(reader, entry.tenant_id, entry.conversation_id)
        if stored is None:
            return None
        (view,) = await self._views.of(reader, [stored])
        # Notifications go further than what is read: nothing of what was said is in them.
        return view.model_copy(update={"last_message": None}) if notice else view


def _this_list(tenant_id: TenantId) -> tuple[str, str]:
    return ("feed", tenant_id)
