"""Figures of a vendor by REST."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.core.caller import Caller
from bridge.core.ids import VendorId
from bridge.statistics.api import Day, in_seconds
from bridge.statistics.rules import Answers, Engagement
from bridge.statistics.service import Statistics
from bridge.storage.database import Database
from bridge.vendors.access import VendorAccess
from bridge.vendors.api import ONE, OWN, OneVendor
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer
from bridge.web.times import Timestamp, milliseconds


class SpanOfVendor(OneVendor):
    from_: Annotated[Timestamp | None, Field(alias="from", description="said at this moment or later")] = None
    to: Annotated[Timestamp | None, Field(description="said before this moment")] = None


class AnswerTimes(BaseModel):
    """In seconds, from the first message that waits for an answer; null where there was none."""

    answers: int = Field(description="how many")
    average: float | None
    median: float | None


class VendorAnalytics(BaseModel):
    """Of the vendor's conversations that are not deleted; groups are nobody's alone."""

    vendor_id: str
    total_messages: int = Field(description="of everybody, Festimo's and deleted ones included")
    vendor_messages: int
    host_messages: int
    response_time: AnswerTimes
    first_response_time: AnswerTimes = Field(description="of each conversation its first answer")
    active_conversations: int = Field(description="in which a host or the vendor said something")
    completed_conversations: int = Field(description="of them those that are closed by now")
    completion_rate: float | None = Field(description="from 0 to 1; null where no conversation was active")
    messages_by_day: list[Day] = Field(description="days on which something was said, oldest first")


ANALYTICS = Operation(
    method="GET",
    path=f"{ONE}/analytics",
    name="getVendorAnalytics",
    summary="Figures of a vendor",
    description="What was said from one moment on and before another, in all their conversations, by the same rules as"
    " the figures of one. For the platform, its staff and the vendor.",
    tag="vendors",
    params=SpanOfVendor,
    body=Nothing,
    answers={HTTPStatus.OK: Says("The figures.", VendorAnalytics)},
    refusals=("not_found",),
    roles=OWN,
)
OPERATIONS = (ANALYTICS,)


class VendorStatisticsApi:
    def __init__(self, database: Database, statistics: Statistics, access: VendorAccess) -> None:
        self._database = database
        self._statistics = statistics
        self._access = access

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.read(ANALYTICS, self.analytics),)

    async def analytics(self, caller: Caller, asked: SpanOfVendor) -> Answer:
        vendor = await self._access.as_own(self._database, caller, VendorId(asked.vendor_id))
        engagement = await self._statistics.of_vendor(
            self._database,
            caller.tenant_id,
            vendor.vendor_id,
            start=None if asked.from_ is None else milliseconds(asked.from_),
            end=None if asked.to is None else milliseconds(asked.to),
        )
        return answer(_figures(vendor.vendor_id, engagement))


def _figures(vendor_id: VendorId, engagement: Engagement) -> VendorAnalytics:
    return VendorAnalytics(
        vendor_id=vendor_id,
        total_messages=engagement.total,
        vendor_messages=engagement.by_vendor,
        host_messages=engagement.by_hosts,
        response_time=_times(engagement.answers),
        first_response_time=_times(engagement.firsts),
        active_conversations=engagement.active,
        completed_conversations=engagement.completed,
        completion_rate=engagement.completion,
        messages_by_day=[
            Day(date=day.isoformat(), count=count) for day, count in sorted(engagement.by_day.items())
        ],
    )


def _times(answers: Answers) -> AnswerTimes:
    return AnswerTimes(
        answers=len(answers.times),
        average=in_seconds(answers.average),
        median=in_seconds(answers.median),
    )
