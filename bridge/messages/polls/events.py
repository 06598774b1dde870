"""What happened to polls."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import MessageId, ParticipantId


@dataclass(frozen=True, slots=True, kw_only=True)
class PollVoted(Event):
    """Somebody voted, voted otherwise or took their vote back: read the poll for what counts now.

    `vote_id`: where the room has yet to be told; None where everybody there has seen it, or nobody can show it there.
    `voter_id`: who voted; None where nobody did anew, or somebody who is no participant.
    """

    message_id: MessageId
    vote_id: str | None
    voter_id: ParticipantId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollEnded(Event):
    """A poll was closed. `in_client`: in the room, where everybody has seen it.

    `by_staff`: of the platform, and not by who had asked.
    """

    message_id: MessageId
    in_client: bool
    by_staff: bool
