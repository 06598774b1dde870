"""A vote in a poll, and what all of them come to."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """`outsider`: the outside's name of somebody who is no participant. `answers`: ids of the poll's; none: no choice.

    `in_room`: whether the room can show it; `origin_id`, `origin_sender`: the outside's id of it, once it has one, and
    who sent it there. `voted_at`: epoch ms.
    """

    vote_id: str
    tenant_id: TenantId
    conversation_id: ConversationId
    message_id: MessageId
    participant_id: ParticipantId | None
    outsider: str | None
    answers: tuple[str, ...]
    in_room: bool
    voted_at: int
    origin_id: str | None = None
    origin_sender: str | None = None

    @property
    def voter(self) -> tuple[ParticipantId | None, str | None]:
        return self.participant_id, self.outsider


@dataclass(frozen=True, slots=True)
class End:
    """When a poll was closed, in epoch ms; `origin_id`: of what closed it in the room, once that is known."""

    closed_at: int
    origin_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`counts`: votes by answer id, of each answer. `choices`: by participant; `voters`: how many people chose."""

    counts: Mapping[str, int]
    choices: Mapping[ParticipantId, tuple[str, ...]]
    voters: int
    all_in_room: bool
