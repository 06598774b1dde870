"""What may be asked, and which votes count: tables at the exact limits, and properties."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.held import Poll, PollKind, held_in, sealed_as
from bridge.messages.polls import rules
from bridge.messages.polls.errors import PollInvalid, TooManyAnswers, UnknownAnswer
from bridge.messages.polls.model import End, Vote
from bridge.messages.polls.rules import LONGEST_ANSWER, LONGEST_QUESTION, MOST_ANSWERS
from tests.examples import examples

NUMBERS = [str(number) for number in range(1, MOST_ANSWERS + 2)]


def poll(*answers: str, most: int = 1, kind: PollKind = "disclosed") -> Poll:
    return rules.poll_of("Which menu?", answers or ("Vegan", "Meat", "Both"), kind=kind, max_selections=most)


def vote(voter: str, *answers: str, at: int = 0, outsider: bool = False, in_room: bool = True) -> Vote:
    return Vote(
        vote_id=f"{voter}-{at}",
        tenant_id=TenantId("festipin"),
        conversation_id=ConversationId("c"),
        message_id=MessageId("m"),
        participant_id=None if outsider else ParticipantId(voter),
        outsider=voter if outsider else None,
        answers=answers,
        in_room=in_room,
        voted_at=at,
    )


ASKED: list[tuple[str, list[str], int, str | None]] = [
    # One answer to twenty of them; none; one more.
    ("Which?", ["Vegan"], 1, None),
    ("Which?", NUMBERS[:MOST_ANSWERS], 1, None),
    ("Which?", [], 1, "poll.answers"),
    ("Which?", NUMBERS[: MOST_ANSWERS + 1], 1, "poll.answers"),
    # The question and each answer: as long as may be; a character longer; nothing.
    ("?" * LONGEST_QUESTION, ["Vegan"], 1, None),
    ("?" * (LONGEST_QUESTION + 1), ["Vegan"], 1, "poll.question"),
    (" \n", ["Vegan"], 1, "poll.question"),
    ("Which?", ["Vegan", "x" * LONGEST_ANSWER], 1, None),
    ("Which?", ["Vegan", "x" * (LONGEST_ANSWER + 1)], 1, "poll.answers[1]"),
    ("Which?", ["Vegan", ""], 1, "poll.answers[1]"),
    # Two that nobody can tell apart.
    ("Which?", ["Vegan", "Vegan"], 1, "poll.answers"),
    # How many one may choose; more than there are means all of them.
    ("Which?", ["Vegan"], MOST_ANSWERS, None),
    ("Which?", ["Vegan"], 0, "poll.max_selections"),
    ("Which?", ["Vegan"], MOST_ANSWERS + 1, "poll.max_selections"),
]


@pytest.mark.parametrize(("question", "answers", "most", "field"), ASKED)
def test_a_poll_is_of_a_question_and_one_to_twenty_answers(
    question: str, answers: list[str], most: int, field: str | None
) -> None:
    if field is None:
        rules.check_poll(question, answers, most)
        return
    with pytest.raises(PollInvalid) as refused:
        rules.check_poll(question, answers, most)
    assert refused.value.field == field


def test_one_may_not_choose_more_than_there_are() -> None:
    assert [poll("Vegan", "Meat", most=most).max_selections for most in (1, 2, 3, MOST_ANSWERS)] == [
        1,
        2,
        2,
        2,
    ]


VOTED: list[tuple[int, list[str], type[Exception] | None]] = [
    (1, ["1"], None),
    (1, ["3"], None),
    (1, [], None),  # taken back
    (2, ["1", "3"], None),
    (2, ["1", "2", "3"], TooManyAnswers),
    (1, ["1", "2"], TooManyAnswers),
    (1, ["0"], UnknownAnswer),
    (1, ["4"], UnknownAnswer),
    (1, ["01"], UnknownAnswer),
    (2, ["1", "4"], UnknownAnswer),
]


@pytest.mark.parametrize(("most", "answers", "refusal"), VOTED)
def test_one_votes_for_answers_of_the_poll_and_not_for_too_many(
    most: int, answers: list[str], refusal: type[Exception] | None
) -> None:
    if refusal is None:
        rules.check_answers(poll(most=most), answers)
        return
    with pytest.raises(refusal):
        rules.check_answers(poll(most=most), answers)


CHOSEN: list[tuple[int, list[object] | None, tuple[str, ...]]] = [
    (1, ["a"], ("1",)),
    (2, ["b", "a"], ("2", "1")),
    # Too many: the first count.
    (1, ["b", "a"], ("2",)),
    (2, ["c", "b", "a"], ("3", "2")),
    # Repeated: one of them counts, after the cut.
    (2, ["a", "a"], ("1",)),
    (2, ["a", "a", "b"], ("1",)),
    # One that is not known spoils all, even behind the cut.
    (2, ["a", "x"], ()),
    (1, ["a", "x"], ()),
    # Ours are not the outside's.
    (1, ["1"], ()),
    # No choice, and what is no vote at all.
    (1, [], ()),
    (1, None, ()),
    (1, [1], ()),
    (2, ["a", None], ()),
    (2, ["a", ["b"]], ()),
]


@pytest.mark.parametrize(("most", "selections", "answers"), CHOSEN)
def test_a_clients_vote_is_for_what_matrix_says(
    most: int, selections: list[object] | None, answers: tuple[str, ...]
) -> None:
    asked = rules.poll_from_outside(
        "Which?", [("a", "Vegan"), ("b", "Meat"), ("c", "Both")], kind="disclosed", max_selections=most
    )
    assert asked is not None
    assert rules.chosen(asked, selections) == answers


MAX_SELECTIONS: list[tuple[object, int]] = [
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 3),
    # What is none means one.
    (0, 1),
    (-1, 1),
    (None, 1),
    ("2", 1),
    (True, 1),
    ([2], 1),
]


@pytest.mark.parametrize(("given_", "most"), MAX_SELECTIONS)
def test_how_many_a_client_lets_one_choose(given_: object, most: int) -> None:
    answers = [("a", "1"), ("b", "2"), ("c", "3")]
    asked = rules.poll_from_outside("Which?", answers, kind="disclosed", max_selections=given_)
    assert asked is not None
    assert asked.max_selections == most


def test_of_a_clients_answers_the_first_twenty_count() -> None:
    answers = [(f"id-{number}", number) for number in NUMBERS]
    asked = rules.poll_from_outside("Which?", answers, kind="disclosed", max_selections=1)
    assert asked is not None
    assert len(asked.answers) == MOST_ANSWERS
    assert rules.chosen(asked, [f"id-{MOST_ANSWERS}"]) == (str(MOST_ANSWERS),)
    assert rules.chosen(asked, [f"id-{MOST_ANSWERS + 1}"]) == ()
    assert rules.poll_from_outside("Which?", [], kind="disclosed", max_selections=1) is None


COUNTED: list[tuple[list[Vote], End | None, dict[str, int]]] = [
    ([vote("anna", "1"), vote("ben", "1"), vote("chef", "2")], None, {"1": 2, "2": 1, "3": 0}),
    # Of one person the latest, whenever it came; of two at once the first.
    ([vote("anna", "1", at=1), vote("anna", "2", at=2)], None, {"1": 0, "2": 1, "3": 0}),
    ([vote("anna", "2", at=2), vote("anna", "1", at=1)], None, {"1": 0, "2": 1, "3": 0}),
    ([vote("anna", "1", at=1), vote("anna", "2", at=1)], None, {"1": 1, "2": 0, "3": 0}),
    # Taken back.
    ([vote("anna", "1", at=1), vote("anna", at=2)], None, {"1": 0, "2": 0, "3": 0}),
    # Until the end, and at it; a millisecond later the one before counts.
    ([vote("anna", "1", at=1), vote("anna", "2", at=5)], End(5, None), {"1": 0, "2": 1, "3": 0}),
    ([vote("anna", "1", at=1), vote("anna", "2", at=6)], End(5, None), {"1": 1, "2": 0, "3": 0}),
    # Somebody who takes no part here, and has the name of somebody who does.
    ([vote("anna", "1"), vote("anna", "1", outsider=True)], None, {"1": 2, "2": 0, "3": 0}),
]


@pytest.mark.parametrize(("votes", "end", "counts"), COUNTED)
def test_each_person_counts_once(votes: list[Vote], end: End | None, counts: dict[str, int]) -> None:
    assert rules.result(poll(), votes, end).counts == counts


ENDS: list[tuple[End | None, int, bool, End]] = [
    (None, 5, False, End(5, "$end")),
    # What we closed ourselves is closed when the room saw it, and not before what it says here.
    (End(3, None), 5, True, End(5, "$end")),
    (End(5, None), 3, True, End(5, "$end")),
    # Somebody was faster.
    (End(5, None), 3, False, End(3, "$end")),
    # The first counts, in whatever order they come.
    (End(3, "$first"), 5, False, End(3, "$first")),
    (End(5, "$first"), 5, True, End(5, "$first")),
    (End(5, "$first"), 4, False, End(4, "$end")),
]


@pytest.mark.parametrize(("known", "at", "is_ours", "end"), ENDS)
def test_the_first_end_counts(known: End | None, at: int, end: End, *, is_ours: bool) -> None:
    assert rules.end_after(known, at=at, origin_id="$end", is_ours=is_ours) == end


def test_what_was_voted_before_we_closed_it_counts() -> None:
    assert rules.end_of_ours([], now=5) == End(5, None)
    assert rules.end_of_ours([vote("anna", "1", at=4), vote("ben", "1", at=7)], now=5) == End(7, None)


VOTES = st.lists(
    st.builds(
        lambda who, answers, at: vote(who, *answers, at=at),
        st.sampled_from(["anna", "ben", "chef"]),
        st.lists(st.sampled_from(["1", "2", "3"]), unique=True, max_size=2).map(tuple),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=examples(100))
@given(VOTES, st.none() | st.integers(0, 5))
def test_nobody_counts_twice_and_nobody_is_lost(votes: list[Vote], closed_at: int | None) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 12: all that count a poll's votes come to the same,
    whatever came when."""
    end = None if closed_at is None else End(closed_at, None)
    found = rules.result(poll(most=2), votes, end)
    in_time = [one for one in votes if closed_at is None or one.voted_at <= closed_at]
    assert found.choices.keys() == {one.participant_id for one in in_time}
    for who, answers in found.choices.items():
        latest = max(one.voted_at for one in in_time if one.participant_id == who)
        first = next(one for one in in_time if (one.participant_id, one.voted_at) == (who, latest))
        assert answers == first.answers
    assert sum(found.counts.values()) == sum(len(answers) for answers in found.choices.values())
    assert found.voters == sum(1 for answers in found.choices.values() if answers)


@settings(max_examples=examples(100))
@given(
    st.text(min_size=1, max_size=20),
    st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=20, unique=True),
    st.sampled_from(["disclosed", "undisclosed"]),
    st.integers(1, 20),
)
def test_a_poll_comes_back_as_it_was_sealed(
    question: str, answers: list[str], kind: PollKind, most: int
) -> None:
    asked = rules.poll_of(question, answers, kind=kind, max_selections=most)
    assert held_in(sealed_as(asked)) == asked
    assert [line.partition(". ")[0] for line in rules.text_of(poll(*"abc")).splitlines()[1:]] == [
        "1",
        "2",
        "3",
    ]


def test_what_is_said_of_a_hidden_vote_does_not_tell_it() -> None:
    hidden, shown = poll(kind="undisclosed"), poll()
    assert "Vegan" not in rules.on_behalf("Anna", hidden, ["1"])
    assert "“Vegan”" in rules.on_behalf("Anna", shown, ["1"])
    assert "Anna" in rules.on_behalf("Anna", hidden, [])
    long = rules.poll_of("?" * LONGEST_QUESTION, ["Vegan"], kind="disclosed", max_selections=1)
    assert len(rules.on_behalf("Anna", long, ["1"])) < LONGEST_QUESTION
