"""The files of a conversation by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId
from bridge.messages.attachment_views import AttachmentView, attachments_of
from bridge.messages.gallery.store import GalleryStore
from bridge.messages.model import Kind
from bridge.messages.store import MessageStore
from bridge.storage.database import Database
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PAGE = 50


class ListOfMedia(Data):
    conversation_id: Id
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of a page: the next one")] = None
    limit: Annotated[Limit, Field(description="files of a page")] = PAGE


class MediaView(AttachmentView):
    message_type: Kind
    sender_id: str | None = Field(description="who sent it; null for who takes no part here")


class MediaPage(BaseModel):
    media: list[MediaView] = Field(description="newest first")
    next_cursor: str | None = Field(description="for `cursor`; null at the end")


LIST = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/{{conversation_id}}/media",
    name="listMedia",
    summary="List the files of a conversation",
    description="Images, videos, sounds and other files; those of deleted messages not.",
    tag="conversations",
    params=ListOfMedia,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of it.", MediaPage)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
)
OPERATIONS = (LIST,)


class GalleryApi:
    def __init__(
        self,
        database: Database,
        store: GalleryStore,
        messages: MessageStore,
        access: Access,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._access = access
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(LIST, self.list),)

    async def list(self, caller: Caller, asked: ListOfMedia) -> Answer:
        conversation_id = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, conversation_id)
        seen = await self._access.seen(self._database, caller, conversation_id)
        this_list = ("media", caller.tenant_id, conversation_id)
        before = None
        if asked.cursor is not None:
            (place,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = int(place)
        found = await self._store.newest(
            self._database, conversation_id, seen, before=before, limit=asked.limit + 1
        )
        shown = found[: asked.limit]
        media = [
            MediaView(**attachment.model_dump(), message_type=message.kind, sender_id=message.sender_id)
            for message in await self._messages.at(self._database, shown)
            for attachment in attachments_of(message)
        ]
        more = len(found) > asked.limit
        next_cursor = self._cursors.at([shown[-1]], of=this_list) if more else None
        return answer(MediaPage(media=media, next_cursor=next_cursor))
