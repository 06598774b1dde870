"""What a command is, and what it may know when it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.bookings.model import Booking
from bridge.conversations.model import Conversation, Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The conversation in which somebody asks."""

    conversation: Conversation
    members: Sequence[Member]
    bookings: Sequence[Booking]


@dataclass(frozen=True, slots=True)
class Command:
    """`words`: what in a plain question asks for this; `answer` gets the scene and what stands after the name."""

    name: str
    summary: str
    words: frozenset[str]
    answer: Callable[[Scene, str], str]
