"""What an export tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.conversations.absences import ALL, Seen
from bridge.conversations.model import Conversation, Member
from bridge.core.ids import ParticipantId
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.model import Message
from bridge.messages.polls.model import End, Vote
from bridge.messages.reactions.model import Reaction

FESTIMO = "Festimo"
SOMEBODY = "Somebody"


@dataclass(frozen=True, slots=True)
class Subject:
    """`until`: the position of the last message that is told; `at`: when it was asked for, in epoch ms;
    `seen_by`: without what this person has deleted for themselves; `seen`: what they see of it."""

    conversation: Conversation
    members: Sequence[Member]
    until: int
    at: int
    seen_by: ParticipantId | None = None
    seen: Seen = ALL

    def name_of(self, participant_id: ParticipantId | None, sender_type: str) -> str:
        if participant_id is None:
            return FESTIMO if sender_type in ("festimo", "system") else SOMEBODY
        names = {member.participant.participant_id: member.participant.name for member in self.members}
        return names.get(participant_id, SOMEBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and what others made of it. `reactions`, `votes` (and the `end` of them): oldest first.

    `answered`: what it answers, where that is seen.
    """

    message: Message
    reactions: Sequence[Reaction] = ()
    votes: Sequence[Vote] = ()
    end: End | None = None
    is_pinned: bool = False
    labels: Labels = NONE
    answered: Message | None = None
