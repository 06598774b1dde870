"""A poll as the API takes it."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from bridge.messages.held import PollKind
from bridge.messages.polls.rules import LONGEST_ANSWER, LONGEST_QUESTION, MOST_ANSWERS
from bridge.web.fields import NOT_IN_A_LINE, Data, line, refuse_empty, schema, visible, whole

Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_QUESTION),
    AfterValidator(line),
    schema(1, LONGEST_QUESTION, visible(NOT_IN_A_LINE)),
]
AnswerText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ANSWER),
    AfterValidator(line),
    schema(1, LONGEST_ANSWER, visible(NOT_IN_A_LINE)),
]


def differ(answers: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(answers)) < len(answers):
        raise ValueError("Holds the same answer twice")
    return answers


class PollToAsk(Data):
    question: Question
    answers: Annotated[
        tuple[AnswerText, ...],
        Field(max_length=MOST_ANSWERS, json_schema_extra={"minItems": 1, "uniqueItems": True}),
        AfterValidator(refuse_empty),
        AfterValidator(differ),
    ]
    kind: Annotated[
        PollKind,
        Field(description="disclosed: everybody sees the votes as they come; undisclosed: once it is closed"),
    ] = "disclosed"
    max_selections: Annotated[
        int,
        Field(
            ge=1, le=MOST_ANSWERS, description="how many answers one may choose; more than there are is all"
        ),
        BeforeValidator(whole),
    ] = 1
