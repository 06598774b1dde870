"""What a command is, and what it may know when it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bridge.bookings.model import Booking
from bridge.conversations.model import Conversation, Member
from bridge.core.ids import ParticipantId, VendorId
from bridge.vendors.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The conversation in which somebody asks. `asker`: who does, if they take part in it."""

    conversation: Conversation
    members: Sequence[Member]
    bookings: Sequence[Booking]
    asker: Member | None = None


@dataclass(frozen=True, slots=True)
class SetStatus:
    """A vendor says whether they are there; None: as their presence is."""

    vendor_id: VendorId
    status: Status | None


@dataclass(frozen=True, slots=True)
class WriteQuote:
    """A vendor writes something about quotes, which the quotes read: they answer it, too."""

    vendor_id: ParticipantId
    rest: str


Deed: TypeAlias = SetStatus | WriteQuote


def nothing(scene: Scene, rest: str) -> Deed | None:
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """`words`: what in a plain question asks for this; `answer` gets the scene and what stands after the name.

    `deed`: what is to be done as well, of the same.
    """

    name: str
    summary: str
    words: frozenset[str]
    answer: Callable[[Scene, str], str]
    deed: Callable[[Scene, str], Deed | None] = nothing
