"""A reaction of one person to one message."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """`outsider`: the outside's name of somebody who is no participant. Who is neither is Festimo. `removed_at`: taken
    back."""

    reaction_id: str
    tenant_id: TenantId
    conversation_id: ConversationId
    message_id: MessageId
    participant_id: ParticipantId | None
    outsider: str | None
    emoji: str
    created_at: int
    removed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What stands in the room for a reaction, by its id there and who sent it, by the outside's names."""

    origin_id: str
    reaction_id: str
    sender: str


@dataclass(frozen=True, slots=True)
class Tally:
    """All reactions with one emoji. `count` holds those of outsiders and of Festimo, too."""

    emoji: str
    count: int
    participants: tuple[ParticipantId, ...]


def tallies(reactions: Iterable[Reaction]) -> Sequence[Tally]:
    """Of one message, from its reactions oldest first: in the order in which each emoji came up."""
    by_emoji: dict[str, list[Reaction]] = {}
    for reaction in reactions:
        by_emoji.setdefault(reaction.emoji, []).append(reaction)
    return [
        Tally(
            emoji,
            len(found),
            tuple(one.participant_id for one in found if one.participant_id is not None),
        )
        for emoji, found in by_emoji.items()
    ]
