"""How fast those of each role answer the others, counted message by message: no list has to look through what was said.

An answer stays one when it is deleted later; the statistics of a conversation, which look at each message, forget it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.conversations.model import Role
from bridge.core.ids import ConversationId
from bridge.storage.database import Reader, Row, Transaction

ROLES: Sequence[Role] = ("host", "vendor", "staff")
COLUMNS = """waiting, waiting_since, host_answers, host_total, vendor_answers, vendor_total, staff_answers,
    staff_total"""
SELECT = f"SELECT {COLUMNS} FROM response_times WHERE conversation_id = $1"
_SELECT_OF = f"SELECT conversation_id, {COLUMNS} FROM response_times WHERE conversation_id IN ({{places}})"
PUT = f"""
INSERT INTO response_times (conversation_id, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (conversation_id) DO UPDATE SET waiting = excluded.waiting, waiting_since = excluded.waiting_since,
    host_answers = excluded.host_answers, host_total = excluded.host_total, vendor_answers = excluded.vendor_answers,
    vendor_total = excluded.vendor_total, staff_answers = excluded.staff_answers, staff_total = excluded.staff_total
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """`total`: of all the times they took, in ms."""

    count: int = 0
    total: int = 0

    @property
    def average(self) -> int | None:
        return round(self.total / self.count) if self.count else None


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """`waiting`: whose message was the last, and the first of them that nobody has answered is from `waiting_since`."""

    waiting: Role
    waiting_since: int
    of: Mapping[Role, Answers] = field(default_factory=dict)


def said(times: ResponseTimes | None, role: Role, *, at: int) -> ResponseTimes:
    """After somebody of this role has said something. The same one where that answers nobody."""
    if times is None:
        return ResponseTimes(role, at)
    if role == times.waiting:
        return times
    # What a client says was said earlier can stand behind what it answers.
    took = max(0, at - times.waiting_since)
    before = times.of.get(role, Answers())
    answers = {**times.of, role: Answers(before.count + 1, before.total + took)}
    return dataclasses.replace(times, waiting=role, waiting_since=at, of=answers)


class ResponseTimeStore:
    async def said(self, tx: Transaction, conversation_id: ConversationId, role: Role, *, at: int) -> None:
        """Somebody has said something; the caller holds the conversation's messages."""
        row = await tx.fetch_one(SELECT, conversation_id)
        before = None if row is None else _times(row)
        after = said(before, role, at=at)
        if after == before:
            return
        counts = [number for one in ROLES for number in dataclasses.astuple(after.of.get(one, Answers()))]
        await tx.execute(PUT, conversation_id, after.waiting, after.waiting_since, *counts)

    async def of(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, ResponseTimes]:
        """Of those in which somebody has said something."""
        if not conversation_ids:
            return {}
        places = ", ".join(f"${number}" for number in range(1, len(conversation_ids) + 1))
        rows = await reader.fetch(_SELECT_OF.format(places=places), *conversation_ids)
        return {ConversationId(row["conversation_id"]): _times(row) for row in rows}


def _times(row: Row) -> ResponseTimes:
    answers: dict[Role, Answers] = {
        role: Answers(row[f"{role}_answers"], row[f"{role}_total"])
        for role in ROLES
        if row[f"{role}_answers"]
    }
    return ResponseTimes(row["waiting"], row["waiting_since"], answers)
