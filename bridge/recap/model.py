"""Whether somebody can read a conversation, and the recap of what they could not."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId

State = Literal["invited", "present", "away", "back", "due", "told"]
"""invited: whether they can read is not known yet; present: they can; away: they cannot; back: they can again, but
are not there yet; due: the recap is on its way; told: they have had it, and get no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recap:
    """Times in epoch ms. `asked_at`, `found_at` (when they could read) are by our clock, `invited_at` and `joined_at`
    by that of the place where the conversation is. `found_before`: the position from which our own messages reached
    them. `private`: told to them alone. `origin_id`: the outside's id of the recap, once it has one.
    """

    recap_id: str
    tenant_id: TenantId
    conversation_id: ConversationId
    participant_id: ParticipantId
    address: str
    state: State
    asked_at: int | None = None
    invited_at: int | None = None
    found_at: int | None = None
    found_before: int | None = None
    joined_at: int | None = None
    private: bool = False
    left_out: int = 0
    earliest: MessageId | None = None
    origin_id: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message that may have been missed. `at`: in epoch ms, by the clock of whoever took it first."""

    message_id: MessageId
    position: int
    at: int
    from_client: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Who said what and when, as it is repeated. `link` leads to where it was said, if there is such a place.

    `beside_text`: there is a file, place or poll with it, which is not repeated.
    """

    name: str
    at: int
    text: str
    link: str | None
    beside_text: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """The same twice: plain, and as HTML."""

    plain: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A recap before its wording: what it repeats, how many it only counts, the first of them, and where it is told."""

    recap: Recap
    title: str
    private: bool
    sources: tuple[MessageId, ...]
    left_out: int
    earliest: MessageId | None
