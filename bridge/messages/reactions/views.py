"""How reactions look to the API."""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from bridge.core.ids import ParticipantId
from bridge.messages.reactions.model import Reaction, tallies


class ReactionView(BaseModel):
    emoji: str
    count: int = Field(
        description="how many people, those included that take no part here, and Festimo where it suggests this"
    )
    participants: list[str] = Field(description="who, those first who did first")
    mine: bool = Field(description="whether the one who asks is among them; false for a program")


class ReactionsView(BaseModel):
    message_id: str
    reactions: list[ReactionView] = Field(description="in the order in which each emoji came up")


def views_of(reactions: Iterable[Reaction], *, me: ParticipantId | None) -> list[ReactionView]:
    """`reactions`: of one message, oldest first."""
    return [
        ReactionView(
            emoji=tally.emoji,
            count=tally.count,
            participants=list(tally.participants),
            mine=me is not None and me in tally.participants,
        )
        for tally in tallies(reactions)
    ]
