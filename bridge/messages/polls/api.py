"""Polls by REST: vote, and close. They are asked, and looked at, as any message."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field, StringConstraints

from bridge.core.caller import EVERYBODY, Caller
from bridge.messages.access import MessageAccess
from bridge.messages.polls.input import differ
from bridge.messages.polls.rules import MOST_ANSWERS
from bridge.messages.polls.service import Polls
from bridge.messages.views import MessageView, MessageViews
from bridge.participants.rules import acting, acting_as_somebody
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id
from bridge.web.operations import Answer, Operation, Says, Toolkit, answer

PATH = "/api/v1/messages/{message_id}/poll"
AnswerId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}$")]


class PollOfMessage(Data):
    message_id: Id


class NewVote(Data):
    sender_id: Annotated[
        Id | None, Field(description="who votes; a person may leave it out: they act as themselves")
    ] = None
    answers: Annotated[
        tuple[AnswerId, ...],
        Field(
            max_length=MOST_ANSWERS,
            description="the `answer_id`s of all that they choose; none: they take their vote back",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(differ),
    ]


class Closing(Data):
    sender_id: Annotated[
        Id | None,
        Field(
            description="who closes it, having asked; left out: a person themselves, or the platform's staff, who"
            " always may"
        ),
    ] = None


VOTE = Operation(
    method="PUT",
    path=f"{PATH}/vote",
    name="votePoll",
    summary="Vote in a poll",
    description="For these answers, instead of those before. A ghost votes in its own name; nobody can vote in the"
    " Matrix client of an account holder, so of their vote Festimo tells the room. The same again changes nothing"
    " more.",
    tag="messages",
    params=PollOfMessage,
    body=NewVote,
    answers={HTTPStatus.OK: Says("It counts.", MessageView)},
    refusals=(
        "not_found",
        "not_a_poll",
        "poll_closed",
        "unknown_answer",
        "too_many_answers",
        "message_deleted",
        "not_a_participant",
        "not_yourself",
        "not_allowed",
        "conversation_closed",
        "conversation_blocked",
    ),
    roles=EVERYBODY,
)
CLOSE = Operation(
    method="POST",
    path=f"{PATH}/close",
    name="closePoll",
    summary="Close a poll",
    description="By who asked, or the platform's staff: nobody votes any more, and everybody sees what came out. The"
    " same again changes nothing more.",
    tag="messages",
    params=PollOfMessage,
    body=Closing,
    answers={HTTPStatus.OK: Says("It is closed.", MessageView)},
    refusals=(
        "not_found",
        "not_a_poll",
        "not_the_sender",
        "message_deleted",
        "not_a_participant",
        "not_yourself",
        "not_allowed",
        "conversation_closed",
        "conversation_blocked",
    ),
    roles=EVERYBODY,
)
OPERATIONS = (VOTE, CLOSE)


class PollsApi:
    def __init__(self, polls: Polls, messages: MessageAccess, views: MessageViews) -> None:
        self._polls = polls
        self._messages = messages
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.write(VOTE, self.vote), toolkit.write(CLOSE, self.close))

    async def vote(self, tx: Transaction, caller: Caller, asked: PollOfMessage, new: NewVote) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        by = acting_as_somebody(caller, new.sender_id, field="sender_id")
        await self._polls.vote(tx, message, by=by, answers=new.answers)
        return answer(await self._views.one(tx, caller, message, me=by))

    async def close(self, tx: Transaction, caller: Caller, asked: PollOfMessage, who: Closing) -> Answer:
        message = await self._messages.message(tx, caller, asked.message_id)
        by = acting(caller, who.sender_id, field="sender_id")
        await self._polls.close(tx, message, by=by)
        return answer(await self._views.one(tx, caller, message, me=by))
