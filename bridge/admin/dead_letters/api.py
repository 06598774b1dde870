"""Dead letters by REST: list a tenant's, look at one, replay one or many."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints

from bridge.admin.dead_letters.model import LETTER_ID, DeadLetter, Filter, Place, QueueName, State
from bridge.admin.dead_letters.service import DeadLetters
from bridge.core.caller import STAFF, Caller
from bridge.core.ids import ConversationId, TenantId
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

PATH = "/api/v1/admin/dead-letters"
ONE = f"{PATH}/{{dead_letter_id}}"
PAGE = 50

Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
_CURSOR = Field(description="`next_cursor` of the answer before")


class ListOfDeadLetters(Data):
    queue: QueueName | None = None
    topic: Topic | None = None
    conversation_id: Id | None = None
    cursor: Annotated[Cursor | None, _CURSOR] = None
    limit: Annotated[Limit, Field(description="dead letters of a page")] = PAGE


class OneDeadLetter(Data):
    dead_letter_id: Annotated[str, StringConstraints(pattern=LETTER_ID)]


class DeadLettersToReplay(Data):
    """All of the filter; without any, all."""

    queue: QueueName | None = None
    topic: Topic | None = None
    conversation_id: Id | None = None
    cursor: Annotated[Cursor | None, _CURSOR] = None


class DeadLetterView(BaseModel):
    dead_letter_id: str
    queue: QueueName = Field(description="inbox: came in, to be applied; outbox: to be delivered")
    state: State = Field(
        description="anything but `dead`: it was replayed since; `parked`: waits for a key, or for somebody to become"
        " known"
    )
    tenant_id: str
    conversation_id: str | None = Field(description="where it is known")
    lane: str = Field(description="what it stands in line with")
    topic: str = Field(description="who handles it, and as what")
    item_id: str = Field(description="its name in the log")
    reason: str | None = Field(description="why it was given up")
    attempts: int = Field(description="since it was recorded, or replayed last")
    created_at: Time
    died_at: Time | None


class DeadLetterPage(BaseModel):
    dead_letters: list[DeadLetterView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class NotReplayed(BaseModel):
    dead_letter_id: str
    reason: str


class ReplayedView(BaseModel):
    replayed: int = Field(description="how many wait to be tried again")
    refused: list[NotReplayed] = Field(description="those that cannot be; they stay dead letters")
    next_cursor: str | None = Field(
        description="for `cursor`, to go on; null when all have been gone through"
    )


LIST = Operation(
    method="GET",
    path=PATH,
    name="listDeadLetters",
    summary="List what could not be applied or delivered, newest first",
    tag="admin",
    params=ListOfDeadLetters,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("A page of them.", DeadLetterPage)},
    refusals=("invalid_cursor",),
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getDeadLetter",
    summary="Look at a dead letter, and what became of it since it was replayed",
    tag="admin",
    params=OneDeadLetter,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("The dead letter.", DeadLetterView)},
    refusals=("not_found",),
    siblings=("replay",),
)
REPLAY = Operation(
    method="POST",
    path=f"{ONE}/replay",
    name="replayDeadLetter",
    summary="Have a dead letter tried again",
    description="It waits at the end of its lane. One that waits already stays as it is.",
    tag="admin",
    params=OneDeadLetter,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("It waits.", DeadLetterView)},
    refusals=("not_found", "already_done", "cannot_be_replayed"),
)
REPLAY_ALL = Operation(
    method="POST",
    path=f"{PATH}/replay",
    name="replayDeadLetters",
    summary="Have all dead letters of a filter tried again, oldest first",
    description="Up to 500 at once; with `next_cursor` there are more.",
    tag="admin",
    params=Nothing,
    body=DeadLettersToReplay,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("They wait.", ReplayedView)},
    refusals=("invalid_cursor",),
)
OPERATIONS = (LIST, GET, REPLAY, REPLAY_ALL)

log = structlog.get_logger(__name__)


class DeadLettersApi:
    def __init__(self, dead_letters: DeadLetters, cursors: Cursors) -> None:
        self._dead_letters = dead_letters
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(REPLAY, self.replay),
            toolkit.write(REPLAY_ALL, self.replay_all),
        )

    async def list(self, caller: Caller, asked: ListOfDeadLetters) -> Answer:
        wanted = _filter(caller.tenant_id, asked)
        this_list = ("dead letters", *_key(wanted))
        before = self._place(asked.cursor, this_list)
        found = await self._dead_letters.newest(wanted, before=before, limit=asked.limit + 1)
        shown = found[: asked.limit]
        more = shown[-1].place if len(found) > asked.limit else None
        views = [_view(letter) for letter in shown]
        return answer(DeadLetterPage(dead_letters=views, next_cursor=self._cursor(more, this_list)))

    async def get(self, caller: Caller, asked: OneDeadLetter) -> Answer:
        return answer(_view(await self._dead_letters.get(caller.tenant_id, asked.dead_letter_id)))

    async def replay(self, tx: Transaction, caller: Caller, asked: OneDeadLetter, _: Nothing) -> Answer:
        letter = await self._dead_letters.replay(tx, caller.tenant_id, asked.dead_letter_id)
        tx.after_commit(
            lambda: log.info(
                "dead_letter_replayed", tenant=caller.tenant_id, topic=letter.topic, id=letter.item_id
            )
        )
        return answer(_view(letter))

    async def replay_all(
        self, tx: Transaction, caller: Caller, _: Nothing, asked: DeadLettersToReplay
    ) -> Answer:
        wanted = _filter(caller.tenant_id, asked)
        this_list = ("dead letters to replay", *_key(wanted))
        after = self._place(asked.cursor, this_list)
        replayed = await self._dead_letters.replay_all(tx, wanted, after=after)
        tx.after_commit(
            lambda: log.info("dead_letters_replayed", tenant=caller.tenant_id, count=replayed.count)
        )
        view = ReplayedView(
            replayed=replayed.count,
            refused=[NotReplayed(dead_letter_id=one, reason=reason) for one, reason in replayed.refused],
            next_cursor=self._cursor(replayed.next, this_list),
        )
        return answer(view)

    def _place(self, cursor: str | None, this_list: Sequence[str | None]) -> Place | None:
        if cursor is None:
            return None
        created_at, queue, seq = self._cursors.place(cursor, of=this_list, field="cursor")
        return Place(int(created_at), str(queue), int(seq))

    def _cursor(self, place: Place | None, this_list: Sequence[str | None]) -> str | None:
        if place is None:
            return None
        return self._cursors.at((place.created_at, place.queue, place.seq), of=this_list)


def _filter(tenant_id: TenantId, asked: ListOfDeadLetters | DeadLettersToReplay) -> Filter:
    return Filter(
        tenant_id=tenant_id,
        queue=asked.queue,
        topic=asked.topic,
        conversation_id=None if asked.conversation_id is None else ConversationId(asked.conversation_id),
    )


def _key(wanted: Filter) -> tuple[str | None, ...]:
    return wanted.tenant_id, wanted.queue, wanted.topic, wanted.conversation_id


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        dead_letter_id=letter.letter_id,
        queue=letter.queue,
        state=letter.state,
        tenant_id=letter.tenant_id,
        conversation_id=letter.conversation_id,
        lane=letter.lane,
        topic=letter.topic,
        item_id=letter.item_id,
        reason=letter.reason,
        attempts=letter.attempts,
        created_at=rfc3339(letter.created_at),
        died_at=None if letter.died_at is None else rfc3339(letter.died_at),
    )
