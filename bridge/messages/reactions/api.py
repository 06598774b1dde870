"""Reactions by REST: react, take it back, see who did."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, StringConstraints

from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.access import MessageAccess
from bridge.messages.errors import NOT_WRITABLE
from bridge.messages.model import Message
from bridge.messages.reactions.rules import LONGEST_EMOJI
from bridge.messages.reactions.service import Reactions
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.reactions.views import ReactionsView, views_of
from bridge.participants.rules import acting_as_somebody
from bridge.storage.database import Database, Reader, Transaction
from bridge.web.fields import NOT_IN_A_LINE, Data, Id, line, schema, visible
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer

PATH = "/api/v1/messages/{message_id}/reactions"


def _no_slash(emoji: str) -> str:
    if "/" in emoji:
        raise ValueError("May not hold a slash: it could not stand in a path")
    return emoji


Emoji = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_EMOJI),
    AfterValidator(line),
    AfterValidator(_no_slash),
    schema(1, LONGEST_EMOJI, visible(NOT_IN_A_LINE + "/")),
    Field(description="an emoji; some clients show a word, too"),
]
_SENDER = Field(description="who reacts; a person may leave it out: they act as themselves")


class ReactionsOfMessage(Data):
    message_id: Id


class NewReaction(Data):
    sender_id: Annotated[Id | None, _SENDER] = None
    emoji: Emoji


class ReactionToRemove(ReactionsOfMessage):
    emoji: Emoji
    sender_id: Annotated[Id | None, _SENDER] = None


_ONE_OF_THE_PEOPLE = ("not_found", "not_a_participant", "not_yourself", *NOT_WRITABLE)

ADD = Operation(
    method="POST",
    path=PATH,
    name="addReaction",
    summary="React to a message",
    description="One reaction per message, person and emoji: the same again changes nothing. Reactions are not"
    " encrypted in Matrix: homeservers see the emoji.",
    tag="messages",
    params=ReactionsOfMessage,
    body=NewReaction,
    answers={
        HTTPStatus.CREATED: Says("It is on its way to the room.", ReactionsView),
        HTTPStatus.OK: Says("They had reacted like that already.", ReactionsView),
    },
    refusals=(*_ONE_OF_THE_PEOPLE, "message_deleted", "not_a_reaction", "too_many_reactions"),
    roles=EVERYBODY,
)
LIST = Operation(
    method="GET",
    path=PATH,
    name="listReactions",
    summary="Who reacted to a message, and how",
    tag="messages",
    params=ReactionsOfMessage,
    body=Nothing,
    answers={HTTPStatus.OK: Says("All reactions to it.", ReactionsView)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
REMOVE = Operation(
    method="DELETE",
    path=f"{PATH}/{{emoji}}",
    name="removeReaction",
    summary="Take a reaction back",
    description="However it was made: one that was made in the person's own Matrix client is taken from the room, too."
    " The same again changes nothing more.",
    tag="messages",
    params=ReactionToRemove,
    body=Nothing,
    answers={HTTPStatus.OK: Says("They react like that no longer.", ReactionsView)},
    refusals=_ONE_OF_THE_PEOPLE,
    roles=EVERYBODY,
)
OPERATIONS = (ADD, LIST, REMOVE)


class ReactionsApi:
    def __init__(
        self, database: Database, reactions: Reactions, store: ReactionStore, messages: MessageAccess
    ) -> None:
        self._database = database
        self._reactions = reactions
        self._store = store
        self._messages = messages

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(ADD, self.add),
            toolkit.read(LIST, self.list),
            toolkit.write(REMOVE, self.remove),
        )

    async def add(
        self, tx: Transaction, caller: Caller, asked: ReactionsOfMessage, new: NewReaction
    ) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        by = acting_as_somebody(caller, new.sender_id, field="sender_id")
        added = await self._reactions.add(tx, message, by=by, emoji=new.emoji)
        status = HTTPStatus.CREATED if added else HTTPStatus.OK
        return answer(await self._view(tx, caller, message), status=status)

    async def remove(self, tx: Transaction, caller: Caller, asked: ReactionToRemove, _: Nothing) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        by = acting_as_somebody(caller, asked.sender_id, field="sender_id")
        await self._reactions.remove(tx, message, by=by, emoji=asked.emoji)
        return answer(await self._view(tx, caller, message))

    async def list(self, caller: Caller, asked: ReactionsOfMessage) -> Answer:
        message = await self._messages.message(self._database, caller, asked.message_id)
        return answer(await self._view(self._database, caller, message))

    async def _view(self, reader: Reader, caller: Caller, message: Message) -> ReactionsView:
        shown = () if message.is_deleted else await self._store.of(reader, message.message_id)
        return ReactionsView(
            message_id=message.message_id, reactions=views_of(shown, me=caller.participant_id)
        )
