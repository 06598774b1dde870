"""What of a conversation somebody sees: the messages that were said while they were there, by position. The one rule of
lists, search, figures, exports and frames (docs/decisions/0017-seen-while-there.md). Pure; and as SQL."""

from dataclasses import dataclass

LAST = 2**63 - 1
"""No position is behind it."""

_WAS_THERE = """NOT EXISTS (
    SELECT 1 FROM absences a WHERE a.conversation_id = {conversation} AND a.participant_id = {person}
        AND a.after_position < {position} AND (a.until_position IS NULL OR a.until_position >= {position}))"""


@dataclass(frozen=True, slots=True)
class Span:
    """Positions behind `after`, up to `until`."""

    after: int
    until: int = LAST


@dataclass(frozen=True, slots=True)
class Seen:
    """All but what was said in these `absences`, which are in the order of their positions and do not overlap."""

    absences: tuple[Span, ...] = ()

    def includes(self, position: int) -> bool:
        return not any(away.after < position <= away.until for away in self.absences)

    def spans(self) -> list[Span]:
        """What is seen, the oldest first."""
        found, after = [], 0
        for away in self.absences:
            if away.after > after:
                found.append(Span(after, away.after))
            after = away.until
        return found if after == LAST else [*found, Span(after)]

    @property
    def since(self) -> int:
        """Nothing up to this position is seen."""
        first = next(iter(self.absences), None)
        return 0 if first is None or first.after > 0 else first.until


ALL = Seen()


def was_there(*, conversation: str, person: str, position: str) -> str:
    """`Seen.includes` as a condition, of placeholders or columns."""
    return _WAS_THERE.format(conversation=conversation, person=person, position=position)
