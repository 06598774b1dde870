"""How a poll looks to the API."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from bridge.core.ids import ParticipantId
from bridge.messages.held import Poll, PollKind
from bridge.messages.polls.model import End, Vote
from bridge.messages.polls.rules import result
from bridge.web.fields import Time, rfc3339


class PollAnswerView(BaseModel):
    answer_id: str
    text: str
    votes: int | None = Field(description="null while they are not to be known")
    mine: bool = Field(description="whether who asks, or for whom a program asks, voted for it")


class PollView(BaseModel):
    question: str
    kind: PollKind = Field(
        description="disclosed: everybody sees the votes as they come; undisclosed: once it is closed"
    )
    max_selections: int = Field(description="how many answers one may choose")
    answers: list[PollAnswerView]
    voters: int | None = Field(
        description="how many people chose, those included that take no part here; null while it is not to be known"
    )
    is_closed: bool
    closed_at: Time | None


def view_of(poll: Poll, votes: Sequence[Vote], end: End | None, *, me: ParticipantId | None) -> PollView:
    """`votes`: all, in the order in which they came."""
    found = result(poll, votes, end)
    is_shown = poll.kind == "disclosed" or end is not None
    mine = () if me is None else found.choices.get(me, ())
    return PollView(
        question=poll.question,
        kind=poll.kind,
        max_selections=poll.max_selections,
        answers=[
            PollAnswerView(
                answer_id=one.answer_id,
                text=one.text,
                votes=found.counts[one.answer_id] if is_shown else None,
                mine=one.answer_id in mine,
            )
            for one in poll.answers
        ],
        voters=found.voters if is_shown else None,
        is_closed=end is not None,
        closed_at=None if end is None else rfc3339(end.closed_at),
    )
