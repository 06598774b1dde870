"""Take a conversation away by REST, as JSON or as a page for a browser."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId
from bridge.export.model import Subject
from bridge.export.service import Exports
from bridge.export.views import ExportedConversation, head_of, view_of
from bridge.storage.database import Database
from bridge.web.fields import Data, Id
from bridge.web.operations import JSON, Operation, Says, Streamed, Toolkit

HTML = "text/html"


class ConversationToExport(Data):
    conversation_id: Id


class Wish(Data):
    format: Annotated[
        Literal["json", "html"], Field(description="html: one page, for a browser or a printer")
    ] = "json"


EXPORT = Operation(
    method="POST",
    path=f"{CONVERSATIONS}/{{conversation_id}}/export",
    name="exportConversation",
    summary="Take a conversation away: who said what, and when",
    description="All that was said until now, with edits, deletions, answers, reactions and votes told as such, and the"
    " names of files.",
    tag="conversations",
    params=ConversationToExport,
    body=Wish,
    answers={HTTPStatus.OK: Says("All of it.", ExportedConversation, others=(HTML,))},
    refusals=("not_found",),
    roles=EVERYBODY,
    only_reads=True,
)
OPERATIONS = (EXPORT,)


class ExportApi:
    def __init__(self, database: Database, exports: Exports, access: Access) -> None:
        self._database = database
        self._exports = exports
        self._access = access

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.stream(EXPORT, self.export),)

    async def export(self, caller: Caller, asked: ConversationToExport, wish: Wish) -> Streamed:
        stored = await self._access.to(self._database, caller, ConversationId(asked.conversation_id))
        conversation = stored.conversation
        seen = await self._access.seen(self._database, caller, conversation.conversation_id)
        subject = await self._exports.subject(
            self._database, conversation, seen_by=caller.participant_id, seen=seen
        )
        # The id has no character that means something in a header.
        filename = f"conversation-{conversation.conversation_id}.{wish.format}"
        if wish.format == "html":
            return Streamed(HTML, filename, self._exports.html(self._database, subject))
        return Streamed(JSON, filename, self._json(subject))

    async def _json(self, subject: Subject) -> AsyncIterator[str]:
        head = head_of(subject).model_dump_json()
        end = "]}"
        assert head.endswith(f"[{end}"), "the messages come last"
        yield head.removesuffix(end)
        comma = ""
        async for page in self._exports.messages(self._database, subject):
            for said in page:
                yield comma + view_of(subject, said).model_dump_json()
                comma = ","
        yield end
