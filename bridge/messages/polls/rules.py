"""What may be asked, who may vote for what, and which votes count: pure.

Matrix' polls (MSC3381) say how votes count; a client that counts for itself has to come to the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from bridge.messages.errors import MessageIsDeleted, NotTheSender
from bridge.messages.held import Poll, PollAnswer, PollKind
from bridge.messages.model import Message
from bridge.messages.polls.errors import (
    NotAPoll,
    PollClosed,
    PollHasVotes,
    PollInvalid,
    TooManyAnswers,
    UnknownAnswer,
)
from bridge.messages.polls.model import End, Result, Vote

MOST_ANSWERS = 20
"""What comes after them in a client's poll is cut off."""
LONGEST_QUESTION = 340
LONGEST_ANSWER = 340
"""Characters; as many as Element's own form takes."""
_QUOTED = 100
"""Characters of a question that is spoken of."""


def check_poll(question: str, answers: Sequence[str], max_selections: int) -> None:
    _check_line(question, LONGEST_QUESTION, field="poll.question")
    if not 1 <= len(answers) <= MOST_ANSWERS:
        raise PollInvalid(
            f"A poll has 1 to {MOST_ANSWERS} answers to choose from; this one has {len(answers)}.",
            field="poll.answers",
        )
    for number, answer in enumerate(answers):
        _check_line(answer, LONGEST_ANSWER, field=f"poll.answers[{number}]")
    if len(set(answers)) < len(answers):
        raise PollInvalid(
            "Two answers are the same: nobody could tell them apart. Leave one out.", field="poll.answers"
        )
    if not 1 <= max_selections <= MOST_ANSWERS:
        raise PollInvalid(
            f"One may choose 1 to {MOST_ANSWERS} answers of a poll.", field="poll.max_selections"
        )


def poll_of(question: str, answers: Sequence[str], *, kind: PollKind, max_selections: int) -> Poll:
    """One of ours: its answers have the same ids everywhere, "1", "2" ..."""
    return Poll(
        question=question,
        answers=tuple(
            PollAnswer(answer_id=str(number), text=text, origin_id=str(number))
            for number, text in enumerate(answers, start=1)
        ),
        kind=kind,
        max_selections=min(max_selections, len(answers)),
    )


def poll_from_outside(
    question: str, answers: Sequence[tuple[str, str]], *, kind: PollKind, max_selections: object
) -> Poll | None:
    """`answers`: the outside's id and the text of each. None where there is nothing to choose from."""
    if not answers:
        return None
    most = 1
    if isinstance(max_selections, int) and not isinstance(max_selections, bool) and max_selections > 0:
        most = max_selections
    chosen = answers[:MOST_ANSWERS]
    return Poll(
        question=question,
        answers=tuple(
            PollAnswer(answer_id=str(number), text=text, origin_id=origin_id)
            for number, (origin_id, text) in enumerate(chosen, start=1)
        ),
        kind=kind,
        max_selections=min(most, len(chosen)),
    )


def text_of(poll: Poll) -> str:
    """For whoever cannot show polls: the question, and the answers by their numbers."""
    return "\n".join((poll.question, *(f"{one.answer_id}. {one.text}" for one in poll.answers)))


def check_votable(message: Message, end: End | None) -> Poll:
    """That one can vote in it. `end`: of the poll, if it has one."""
    poll = poll_in(message)
    if end is not None:
        raise PollClosed("The poll is closed: nobody can vote in it any more. Ask anew in another one.")
    return poll


def check_answers(poll: Poll, answers: Sequence[str]) -> None:
    known = {one.answer_id for one in poll.answers}
    for number, answer in enumerate(answers):
        if answer not in known:
            raise UnknownAnswer(
                "The poll has no answer with this id. Take the ids from its `answers`. Nothing was changed.",
                field=f"answers[{number}]",
            )
    if len(answers) > poll.max_selections:
        raise TooManyAnswers(
            f"One may choose {poll.max_selections} of the poll's answers at most, and these are {len(answers)}."
            " Nothing was changed.",
            field="answers",
        )


def check_unanswered(votes: Sequence[Vote]) -> None:
    """That what is asked can still be edited: nobody voted for something else."""
    if votes:
        raise PollHasVotes("Somebody has voted, so the poll cannot be edited any more. Ask anew.")


def check_closable(message: Message, *, is_sender: bool, is_staff: bool) -> Poll:
    if not is_sender and not is_staff:
        raise NotTheSender(
            "Only who asked, or the platform's staff, may close a poll. Nothing was changed.",
            field="sender_id",
        )
    return poll_in(message)


def chosen(poll: Poll, selections: Sequence[object] | None) -> tuple[str, ...]:
    """What a vote that was made in a client is for. None, or none of the answers: for nothing, which counts as such.

    An answer that is not known spoils it all; of too many the first count, and of a repeated one, one.
    """
    ids: dict[object, str] = {}
    for answer in poll.answers:
        ids.setdefault(answer.origin_id, answer.answer_id)
    if selections is None or any(not isinstance(one, str) or one not in ids for one in selections):
        return ()
    return tuple(dict.fromkeys(ids[one] for one in selections[: poll.max_selections]))


def counting(votes: Iterable[Vote], end: End | None) -> list[Vote]:
    """Of each person the latest vote until the end; of two at once the one that came first."""
    latest: dict[object, Vote] = {}
    for vote in votes:
        if end is not None and vote.voted_at > end.closed_at:
            continue
        known = latest.get(vote.voter)
        if known is None or known.voted_at < vote.voted_at:
            latest[vote.voter] = vote
    return list(latest.values())


def result(poll: Poll, votes: Iterable[Vote], end: End | None) -> Result:
    """`votes`: all, in the order in which they came."""
    counted = counting(votes, end)
    counts = Counter(answer for vote in counted for answer in vote.answers)
    return Result(
        counts={one.answer_id: counts[one.answer_id] for one in poll.answers},
        choices={vote.participant_id: vote.answers for vote in counted if vote.participant_id is not None},
        voters=sum(1 for vote in counted if vote.answers),
        all_in_room=all(vote.in_room for vote in counted),
    )


def end_of_ours(votes: Iterable[Vote], *, now: int) -> End:
    """Of a poll that is closed here: all votes until now count, in whatever haste they were made."""
    return End(max([now, *(vote.voted_at for vote in votes)]), None)


def end_after(end: End | None, *, at: int, origin_id: str, is_ours: bool) -> End:
    """Of the poll, now that the room has seen an end of it at `at`: the first counts.

    `is_ours`: it is what we told the room of a poll that had been closed here, by a clock that may be ahead.
    """
    if end is None:
        return End(at, origin_id)
    if end.origin_id is None:
        return End(max(at, end.closed_at) if is_ours else at, origin_id)
    return End(at, origin_id) if at < end.closed_at else end


def outcome(poll: Poll, found: Result) -> str:
    """What a closed poll came to, for people."""
    lines = [f"- {one.text}: {found.counts[one.answer_id]}" for one in poll.answers]
    return "\n".join((f"The poll “{_quoted(poll)}” is closed. Votes:", *lines))


def on_behalf(name: str, poll: Poll, answers: Sequence[str]) -> str:
    """What is said where a vote was made for somebody whose own client alone could show it."""
    if not answers:
        what = "took back their vote"
    elif poll.kind == "undisclosed":
        what = "voted"
    else:
        texts = {one.answer_id: one.text for one in poll.answers}
        what = "voted for " + ", ".join(f"“{texts[one]}”" for one in answers)
    return (
        f"On behalf of {name}: {what} in the poll “{_quoted(poll)}”. The platform counts this; the count that Matrix"
        " apps show cannot."
    )


def poll_in(message: Message) -> Poll:
    if message.is_deleted:
        raise MessageIsDeleted("The message was deleted, and the poll with it. Ask anew in another one.")
    if not isinstance(message.held, Poll):
        raise NotAPoll("This message is no poll, so there is nothing to vote for or to close. Check its id.")
    return message.held


def _quoted(poll: Poll) -> str:
    question = " ".join(poll.question.split())
    return question if len(question) <= _QUOTED else f"{question[:_QUOTED]} …"


def _check_line(text: str, longest: int, *, field: str) -> None:
    if not text.strip():
        raise PollInvalid("A poll's question and its answers are not empty. Write something.", field=field)
    if len(text) > longest:
        raise PollInvalid(f"At most {longest} characters; these are {len(text)}. Shorten it.", field=field)
