"""When people were not there, in the database.

Positions are given in the order of commits. Whoever notes here that somebody comes or goes has locked the conversation:
what is said meanwhile is said before or after that, and gets a position on the right side of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridge.conversations.absences import LAST, Seen, Span
from bridge.core.ids import ConversationId, ParticipantId
from bridge.storage.database import Reader, Row, Transaction

# To whom nothing was said before they came, all is theirs.
INSERT_BEFORE_COMING = """
INSERT INTO absences (conversation_id, participant_id, after_position, until_position)
SELECT conversation_id, $2, 0, position FROM messages WHERE conversation_id = $1 ORDER BY position DESC LIMIT 1
"""
_NOW = "COALESCE((SELECT MAX(u.position) FROM messages u WHERE u.conversation_id = $1), 0)"
BEGIN = f"""
INSERT INTO absences (conversation_id, participant_id, after_position)
SELECT m.conversation_id, m.participant_id, {_NOW} FROM conversation_members m
WHERE m.conversation_id = $1 AND m.away IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM absences a WHERE a.conversation_id = m.conversation_id AND a.participant_id = m.participant_id
        AND a.until_position IS NULL)
"""
END = f"""
UPDATE absences SET until_position = {_NOW} WHERE conversation_id = $1 AND until_position IS NULL AND EXISTS (
    SELECT 1 FROM conversation_members m WHERE m.conversation_id = absences.conversation_id
        AND m.participant_id = absences.participant_id AND m.away IS NULL)
"""
FORGET_EMPTY = "DELETE FROM absences WHERE conversation_id = $1 AND until_position = after_position"
FORGET_PRESENT = """
DELETE FROM absences WHERE conversation_id = $1 AND participant_id = $2 AND until_position IS NULL
"""
SELECT_OF_PERSON = """
SELECT after_position, until_position FROM absences WHERE conversation_id = $1 AND participant_id = $2
ORDER BY after_position
"""
SELECT_IN = """
SELECT participant_id, after_position, until_position FROM absences WHERE conversation_id = $1 ORDER BY after_position
"""
_WAS_EVER_AWAY = """
SELECT 1 FROM absences WHERE conversation_id IN ({places}) AND participant_id = $1 LIMIT 1
"""


async def seen_by(reader: Reader, conversation_id: ConversationId, person: ParticipantId) -> Seen:
    rows = await reader.fetch(SELECT_OF_PERSON, conversation_id, person)
    return Seen(tuple(_absence(row) for row in rows))


async def seen_by_those_away(reader: Reader, conversation_id: ConversationId) -> Mapping[ParticipantId, Seen]:
    """By each who was not always there; to all others, all is theirs."""
    found: defaultdict[ParticipantId, list[Span]] = defaultdict(list)
    for row in await reader.fetch(SELECT_IN, conversation_id):
        found[ParticipantId(row["participant_id"])].append(_absence(row))
    return {person: Seen(tuple(absences)) for person, absences in found.items()}


async def was_ever_away(
    reader: Reader, conversation_ids: Sequence[ConversationId], person: ParticipantId
) -> bool:
    """From any of these."""
    places = ", ".join(f"${number}" for number in range(2, len(conversation_ids) + 2))
    return (
        await reader.fetch_value(_WAS_EVER_AWAY.format(places=places), person, *conversation_ids) is not None
    )


class AbsenceStore:
    async def note_coming(
        self, tx: Transaction, conversation_id: ConversationId, person: ParticipantId
    ) -> None:
        """They take part from now on, and never did before."""
        await tx.execute(INSERT_BEFORE_COMING, conversation_id, person)

    async def note_away(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Who is away now, or back, is so from here on. Asked again, it changes nothing more."""
        await tx.execute(BEGIN, conversation_id)
        await tx.execute(END, conversation_id)
        await tx.execute(FORGET_EMPTY, conversation_id)

    async def note_never_away(
        self, tx: Transaction, conversation_id: ConversationId, person: ParticipantId
    ) -> None:
        """That they are away was a mistake: what was said meanwhile is theirs, too."""
        await tx.execute(FORGET_PRESENT, conversation_id, person)


def _absence(row: Row) -> Span:
    until = row["until_position"]
    return Span(row["after_position"], LAST if until is None else until)
