"""Figures by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.access import Access
from bridge.conversations.model import Member, Role
from bridge.conversations.store import ConversationStore
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId
from bridge.statistics.rules import Answers, Tally
from bridge.statistics.service import Statistics
from bridge.storage.database import Database
from bridge.web.fields import Data, Id, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.times import Timestamp, milliseconds


class Asked(Data):
    conversation_id: Id
    from_: Annotated[Timestamp | None, Field(alias="from", description="said at this moment or later")] = None
    to: Annotated[Timestamp | None, Field(description="said before this moment")] = None


class Day(BaseModel):
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="in UTC")
    count: int


class ParticipantFigures(BaseModel):
    participant_id: str
    name: str
    role: Role
    message_count: int
    last_message_at: Time | None


class ResponseTimes(BaseModel):
    """In seconds, from the first message that waits for an answer; null where there was none."""

    answers: int = Field(description="how many")
    average: float | None
    median: float | None
    first: float | None


class Figures(BaseModel):
    conversation_id: str
    total_messages: int = Field(description="deleted ones included")
    edited_messages: int
    deleted_messages: int
    messages_by_day: list[Day] = Field(description="days on which something was said, oldest first")
    participants: list[ParticipantFigures]
    vendor_response_time: ResponseTimes
    host_response_time: ResponseTimes


STATS = Operation(
    method="GET",
    path="/api/v1/messages/stats",
    name="getMessageStats",
    summary="Figures of a conversation",
    description="How much was said, when, by whom, and how fast each side answered the other.",
    tag="messages",
    params=Asked,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The figures.", Figures)},
    refusals=("not_found",),
    roles=EVERYBODY,
)
OPERATIONS = (STATS,)


class StatisticsApi:
    def __init__(
        self, database: Database, statistics: Statistics, conversations: ConversationStore, access: Access
    ) -> None:
        self._database = database
        self._statistics = statistics
        self._conversations = conversations
        self._access = access

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(STATS, self.stats),)

    async def stats(self, caller: Caller, asked: Asked) -> Answer:
        conversation_id = ConversationId(asked.conversation_id)
        await self._access.to(self._database, caller, conversation_id)
        members = await self._conversations.members(self._database, conversation_id)
        tally = await self._statistics.of(
            self._database,
            conversation_id,
            start=None if asked.from_ is None else milliseconds(asked.from_),
            end=None if asked.to is None else milliseconds(asked.to),
        )
        return answer(_figures(conversation_id, members, tally))


def _figures(conversation_id: ConversationId, members: Sequence[Member], tally: Tally) -> Figures:
    return Figures(
        conversation_id=conversation_id,
        total_messages=tally.total,
        edited_messages=tally.edited,
        deleted_messages=tally.deleted,
        messages_by_day=[
            Day(date=day.isoformat(), count=count) for day, count in sorted(tally.by_day.items())
        ],
        participants=[_of(member, tally) for member in members],
        vendor_response_time=_times(tally.answers["vendor"]),
        host_response_time=_times(tally.answers["user"]),
    )


def _of(member: Member, tally: Tally) -> ParticipantFigures:
    person = member.participant
    last = tally.last_of.get(person.participant_id)
    return ParticipantFigures(
        participant_id=person.participant_id,
        name=person.name,
        role=member.role,
        message_count=tally.by_sender[person.participant_id],
        last_message_at=None if last is None else rfc3339(last),
    )


def _times(answers: Answers) -> ResponseTimes:
    return ResponseTimes(
        answers=len(answers.times),
        average=in_seconds(answers.average),
        median=in_seconds(answers.median),
        first=in_seconds(answers.first),
    )


def in_seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
