"""Search by REST: in one conversation, or in all that one may see."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Self

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from bridge.conversations.absences import ALL
from bridge.conversations.access import Access
from bridge.conversations.api import PATH as CONVERSATIONS
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId, ParticipantId
from bridge.messages.model import Kind
from bridge.messages.views import MessageView, MessageViews
from bridge.search.errors import NothingToLookFor
from bridge.search.model import Search
from bridge.search.service import Searching
from bridge.storage.database import Database
from bridge.web.fields import Data, Id, whole
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import MOST, Cursor, Cursors, Limit
from bridge.web.times import Timestamp, milliseconds

PAGE = 20
LONGEST = 200

_LOOKED_FOR = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=LONGEST,
        description="words, each of which the message must hold in some form; case and accents do not count."
        " An emoji is a word, too; what holds no letter, digit or emoji is refused. Left out: whatever it says",
    ),
]
_SENDER = Field(description="who said it: a participant's id")
_FROM = Field(alias="from", description="said at this moment or later")
_TO = Field(description="said before this moment")
_CURSOR = Field(description="`next_cursor` of the page before")
_LIMIT = Field(description="messages of a page")


class SearchInConversation(Data):
    conversation_id: Id
    q: _LOOKED_FOR = None
    sender_id: Annotated[Id | None, _SENDER] = None
    kind: Kind | None = None
    from_: Annotated[Timestamp | None, _FROM] = None
    to: Annotated[Timestamp | None, _TO] = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, _LIMIT] = PAGE


_NARROWING = ("words", "conversation_id", "sender_id", "kind", "from", "to")
_ANY_OF: list[JsonValue] = [
    {"required": [name], "properties": {name: {"type": "string"}}} for name in _NARROWING
]
"""For a JSON Schema: what the validator below says."""


class SearchEverywhere(Data):
    """At least one of `words`, `conversation_id`, `sender_id`, `kind`, `from` and `to`."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _ANY_OF})

    words: _LOOKED_FOR = None
    conversation_id: Id | None = None
    sender_id: Annotated[Id | None, _SENDER] = None
    kind: Kind | None = None
    from_: Annotated[Timestamp | None, _FROM] = None
    to: Annotated[Timestamp | None, _TO] = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(whole), _LIMIT] = PAGE

    @model_validator(mode="after")
    def _something(self) -> Self:
        given = (self.words, self.conversation_id, self.sender_id, self.kind, self.from_, self.to)
        if all(one is None for one in given):
            raise ValueError("Say what is looked for: `words`, or a conversation, sender, kind or time")
        return self


class FoundMessages(BaseModel):
    messages: list[MessageView] = Field(description="newest first")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")
    complete: bool = Field(
        description="false while messages of before an upgrade are still being made searchable: there may be more"
    )


IN_CONVERSATION = Operation(
    method="GET",
    path=f"{CONVERSATIONS}/{{conversation_id}}/search",
    name="searchConversation",
    summary="Find messages of a conversation by their words, sender, kind or time",
    description="The newest first. Without any of these, all of them.",
    tag="messages",
    params=SearchInConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("A page of them.", FoundMessages)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
)
EVERYWHERE = Operation(
    method="POST",
    path="/api/v1/messages/search",
    name="searchMessages",
    summary="Find messages by their words, conversation, sender, kind or time",
    description="The newest first, in all conversations of the tenant; people find those of their own conversations.",
    tag="messages",
    params=Nothing,
    body=SearchEverywhere,
    answers={HTTPStatus.OK: Says("A page of them.", FoundMessages)},
    refusals=("not_found", "invalid_cursor"),
    roles=EVERYBODY,
    only_reads=True,
)
OPERATIONS = (IN_CONVERSATION, EVERYWHERE)


class SearchApi:
    def __init__(
        self,
        database: Database,
        searching: Searching,
        access: Access,
        views: MessageViews,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._searching = searching
        self._access = access
        self._views = views
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(IN_CONVERSATION, self.in_conversation),
            toolkit.ask(EVERYWHERE, self.everywhere),
        )

    async def in_conversation(self, caller: Caller, asked: SearchInConversation) -> Answer:
        return await self._page(caller, asked, words=asked.q, field="q")

    async def everywhere(self, caller: Caller, _: Nothing, asked: SearchEverywhere) -> Answer:
        return await self._page(caller, asked, words=asked.words, field="words")

    async def _page(
        self,
        caller: Caller,
        asked: SearchInConversation | SearchEverywhere,
        *,
        words: str | None,
        field: str,
    ) -> Answer:
        """`field`: where the words stand in what is asked."""
        conversation_id = None if asked.conversation_id is None else ConversationId(asked.conversation_id)
        seen = ALL
        if conversation_id is not None:
            await self._access.to(self._database, caller, conversation_id)
            seen = await self._access.seen(self._database, caller, conversation_id)
        if words is not None and not self._searching.can_find(words):
            raise NothingToLookFor(
                "There is no letter, digit or emoji in this, so nothing is found by it. Give a word, or leave it out"
                " and look for a sender, a kind or a time.",
                field=field,
            )
        search = Search(
            tenant_id=caller.tenant_id,
            words=words,
            # No caller is a person without an id; should one come about, nothing is theirs.
            participant_id=(caller.participant_id or ParticipantId("")) if caller.is_person else None,
            conversation_id=conversation_id,
            sender_id=None if asked.sender_id is None else ParticipantId(asked.sender_id),
            kind=asked.kind,
            start=None if asked.from_ is None else milliseconds(asked.from_),
            end=None if asked.to is None else milliseconds(asked.to),
            since=seen.since,
        )
        this_list = _list(search)
        before = None
        if asked.cursor is not None:
            (position,) = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = int(position)
        # Before the search: what is indexed meanwhile may be missing in it.
        complete = words is None or await self._searching.is_complete(self._database)
        found = await self._searching.find(self._database, search, before=before, limit=asked.limit)
        next_cursor = self._cursors.at([found.messages[-1].position], of=this_list) if found.more else None
        return answer(
            FoundMessages(
                messages=await self._views.of(self._database, caller, found.messages),
                next_cursor=next_cursor,
                complete=complete,
            )
        )


def _list(search: Search) -> Sequence[str | None]:
    return (
        "search",
        search.tenant_id,
        search.words,
        search.participant_id,
        search.conversation_id,
        search.sender_id,
        search.kind,
        None if search.start is None else str(search.start),
        None if search.end is None else str(search.end),
    )
