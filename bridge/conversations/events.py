"""What happened to a conversation."""

from dataclasses import dataclass

from bridge.conversations.model import Status
from bridge.core.events import Event
from bridge.core.ids import ParticipantId, PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOpened(Event):
    """`again`: it was open before, and goes on where nothing has been said yet."""

    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationStatusChanged(Event):
    """Somebody closed, reopened, archived, ... it. Read the conversation for what it is now."""

    before: Status
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationChanged(Event):
    """What everybody sees of it (its title), or who may do what in it. Read it for what it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDeleted(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeAsked(Event):
    """It is to go on in a new place. `place`: where it is held; once it is held elsewhere, that has been done."""

    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAdded(Event):
    participant_id: ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantHeld(Event):
    """Where they are to be reached nobody answers yet. `asked_at`: since when, in epoch ms."""

    participant_id: ParticipantId
    asked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantLeft(Event):
    """They asked us to leave. `in_client`: they left in their own client, where everybody has seen it."""

    participant_id: ParticipantId
    in_client: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantDeclined(Event):
    """They do not want to come, as their own client has told the room."""

    participant_id: ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRemoved(Event):
    """Somebody has asked us to take them out. `in_client`: somebody did so in their client."""

    participant_id: ParticipantId
    in_client: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantCame(Event):
    """They are there with their own account.

    `spoken_for`: somebody may have spoken for them so far, which nobody needs to do any more.
    """

    participant_id: ParticipantId
    spoken_for: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnlinked(Event):
    """`address` is theirs no more."""

    participant_id: ParticipantId
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRefused(Event):
    """Somebody invited `address` who may not be there."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyListChanged(Event):
    """Which conversations of a party are open, or who is to see that. `conversation_id` is the list's own id: what
    happens to one list happens in order."""

    party_id: PartyId
