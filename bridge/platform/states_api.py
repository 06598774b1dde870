"""What became of events, by REST: look at one, list them, have one applied after all."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.core.caller import STAFF, Caller
from bridge.platform.api import PATH
from bridge.platform.fields import Attribute, UriReference
from bridge.platform.replay import EventReplays, not_found
from bridge.platform.store import EventPlace, EventState, EventStore, Status
from bridge.storage.database import Database, Transaction
from bridge.web.fields import Data, Time, rfc3339
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.paging import Cursor, Cursors, Limit

ONE = f"{PATH}/{{event_id}}"
PAGE = 50


class OneEvent(Data):
    event_id: Attribute
    source: UriReference


class ListOfEvents(Data):
    status: Annotated[
        Status | None, Field(description="`kept_unknown_type`: waits for a version that knows it")
    ] = None
    type: Attribute | None = None
    cursor: Annotated[Cursor | None, Field(description="`next_cursor` of the page before")] = None
    limit: Annotated[Limit, Field(description="events of a page")] = PAGE


class EventView(BaseModel):
    id: str
    source: str
    type: str
    status: Status
    failure: str | None = Field(description="why it could not be applied, or was to have no effect")
    received_at: Time
    finished_at: Time | None


class EventPage(BaseModel):
    events: list[EventView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


LIST = Operation(
    method="GET",
    path=PATH,
    name="listEvents",
    summary="List what the platform told, the latest first",
    tag="events",
    params=ListOfEvents,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("A page of it.", EventPage)},
    refusals=("invalid_cursor",),
)
GET = Operation(
    method="GET",
    path=ONE,
    name="getEvent",
    summary="See what became of an event",
    tag="events",
    params=OneEvent,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("Its state.", EventView)},
    refusals=("not_found",),
    siblings=("batch",),
)
REPLAY = Operation(
    method="POST",
    path=f"{ONE}/replay",
    name="replayEvent",
    summary="Have an event applied that could not be",
    description="One that failed, or whose type was unknown when it came, waits at the end of its lane. One that waits"
    " already stays as it is.",
    tag="events",
    params=OneEvent,
    body=Nothing,
    roles=STAFF,
    answers={HTTPStatus.OK: Says("Its state.", EventView)},
    refusals=("not_found", "already_done", "cannot_be_replayed"),
)
OPERATIONS = (LIST, GET, REPLAY)


class EventStatesApi:
    def __init__(
        self, database: Database, store: EventStore, replays: EventReplays, cursors: Cursors
    ) -> None:
        self._database = database
        self._store = store
        self._replays = replays
        self._cursors = cursors

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.read(LIST, self.list),
            toolkit.read(GET, self.get),
            toolkit.write(REPLAY, self.replay),
        )

    async def list(self, caller: Caller, asked: ListOfEvents) -> Answer:
        this_list = ("events", caller.tenant_id, asked.status, asked.type)
        before = None
        if asked.cursor is not None:
            received_at, item_id = self._cursors.place(asked.cursor, of=this_list, field="cursor")
            before = EventPlace(int(received_at), str(item_id))
        found = await self._store.newest(
            self._database,
            caller.tenant_id,
            status=asked.status,
            event_type=asked.type,
            before=before,
            limit=asked.limit + 1,
        )
        shown, more = found[: asked.limit], len(found) > asked.limit
        next_cursor = None
        if more:
            last = shown[-1].place
            next_cursor = self._cursors.at((last.received_at, last.item_id), of=this_list)
        return answer(EventPage(events=[_view(one) for one in shown], next_cursor=next_cursor))

    async def get(self, caller: Caller, asked: OneEvent) -> Answer:
        state = await self._store.find(
            self._database, caller.tenant_id, source=asked.source, event_id=asked.event_id
        )
        if state is None:
            raise not_found()
        return answer(_view(state))

    async def replay(self, tx: Transaction, caller: Caller, asked: OneEvent, _: Nothing) -> Answer:
        state = await self._replays.replay(tx, caller.tenant_id, source=asked.source, event_id=asked.event_id)
        return answer(_view(state))


def _view(state: EventState) -> EventView:
    return EventView(
        id=state.event_id,
        source=state.source,
        type=state.type,
        status=state.status,
        failure=state.failure,
        received_at=rfc3339(state.place.received_at),
        finished_at=None if state.finished_at is None else rfc3339(state.finished_at),
    )
