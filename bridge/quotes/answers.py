"""What reactions, votes and replies to a quote mean: pure. All that is none of these is talk, and means nothing."""

from collections.abc import Mapping, Sequence
from typing import Literal

Answer = Literal["accept", "decline", "confirm", "leave"]

ACCEPT, DECLINE, LEAVE = "✅", "❌", "↩️"
TO_QUOTE = (ACCEPT, DECLINE)
"""With which Festimo reacts to a quote itself: a tap on one does the same."""
TO_QUESTION = (ACCEPT, LEAVE)

_VARIATION = "\ufe0f"
"""Some clients send it behind an emoji, some don't."""
_REACTIONS: Mapping[bool, Mapping[str, Answer]] = {
    False: {ACCEPT: "accept", DECLINE: "decline"},
    # Who says no to a question has not said no to the quote.
    True: {ACCEPT: "confirm", LEAVE.removesuffix(_VARIATION): "leave", DECLINE: "leave"},
}
_VOTES: Mapping[bool, Mapping[tuple[str, ...], Answer]] = {
    False: {("1",): "accept", ("2",): "decline"},
    True: {("1",): "confirm", ("2",): "leave"},
}
"""By the ids of the answers of Festimo's polls. Who takes their vote back has said nothing."""
_WORDS: Mapping[bool, Mapping[str, Answer]] = {
    False: {"accept": "accept", "decline": "decline"},
    True: {"confirm": "confirm", "accept": "confirm", "yes": "confirm", "cancel": "leave", "no": "leave"},
}


def of_reaction(emoji: str, *, to_question: bool) -> Answer | None:
    return _REACTIONS[to_question].get(emoji.replace(_VARIATION, ""))


def of_vote(choice: Sequence[str], *, to_question: bool) -> Answer | None:
    """`choice`: ids of answers."""
    return _VOTES[to_question].get(tuple(choice))


def of_words(text: str, *, to_question: bool) -> Answer | None:
    """The word alone, however it is written; or the emoji alone."""
    said = " ".join(text.split()).strip(" .!“”\"'").lower()
    return _WORDS[to_question].get(said) or of_reaction(said, to_question=to_question)
