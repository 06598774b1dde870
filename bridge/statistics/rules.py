"""Counts what was said, one message after the other, and never what it says. Pure."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from bridge.core.ids import ParticipantId
from bridge.messages.model import SenderType

Side = Literal["user", "vendor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Of a message all but what it says. Times in epoch ms."""

    sender_id: ParticipantId | None
    sender_type: SenderType
    created_at: int
    is_edited: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one side to the other, in ms: from the first message that waits for an answer to the first that is one."""

    times: list[int] = field(default_factory=list)

    @property
    def average(self) -> int | None:
        return round(statistics.fmean(self.times)) if self.times else None

    @property
    def median(self) -> int | None:
        return round(statistics.median(self.times)) if self.times else None

    @property
    def first(self) -> int | None:
        return self.times[0] if self.times else None


@dataclass(slots=True)
class Tally:
    """A deleted message counts as said, and answers nothing; Festimo and the platform neither ask nor answer."""

    total: int = 0
    edited: int = 0
    deleted: int = 0
    by_day: Counter[date] = field(default_factory=Counter)
    by_side: Counter[SenderType] = field(default_factory=Counter)
    by_sender: Counter[ParticipantId] = field(default_factory=Counter)
    last_of: dict[ParticipantId, int] = field(default_factory=dict)
    answers: dict[Side, Answers] = field(default_factory=lambda: {"user": Answers(), "vendor": Answers()})
    _waits: tuple[Side, int] | None = None
    """Which side waits for an answer, and since when."""

    def add(self, fact: Fact) -> None:
        """In the conversation's order."""
        self.total += 1
        self.edited += fact.is_edited and not fact.is_deleted
        self.deleted += fact.is_deleted
        self.by_side[fact.sender_type] += 1
        self.by_day[datetime.fromtimestamp(fact.created_at / 1000, UTC).date()] += 1
        if fact.sender_id is not None:
            self.by_sender[fact.sender_id] += 1
            self.last_of[fact.sender_id] = max(self.last_of.get(fact.sender_id, 0), fact.created_at)
        if fact.is_deleted or fact.sender_type not in ("user", "vendor"):
            return
        side: Side = "vendor" if fact.sender_type == "vendor" else "user"
        if self._waits is None:
            self._waits = (side, fact.created_at)
        elif self._waits[0] != side:
            # What a client says was said earlier can stand behind what it answers.
            self.answers[side].times.append(max(0, fact.created_at - self._waits[1]))
            self._waits = (side, fact.created_at)


@dataclass(slots=True)
class Engagement:
    """Of one vendor, over all their conversations. `firsts`: how long each took until its first answer."""

    total: int = 0
    by_vendor: int = 0
    by_hosts: int = 0
    by_day: Counter[date] = field(default_factory=Counter)
    answers: Answers = field(default_factory=Answers)
    firsts: Answers = field(default_factory=Answers)
    active: int = 0
    completed: int = 0

    def add(self, tally: Tally, *, is_completed: bool) -> None:
        """One conversation. It is active where a person said something."""
        self.total += tally.total
        self.by_vendor += tally.by_side["vendor"]
        self.by_hosts += tally.by_side["user"]
        self.by_day += tally.by_day
        answers = tally.answers["vendor"]
        self.answers.times.extend(answers.times)
        if answers.first is not None:
            self.firsts.times.append(answers.first)
        if tally.by_side["vendor"] or tally.by_side["user"]:
            self.active += 1
            self.completed += is_completed

    @property
    def completion(self) -> float | None:
        """The share of the active conversations that have come to their end."""
        return round(self.completed / self.active, 4) if self.active else None
