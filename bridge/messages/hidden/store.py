"""What is hidden from whom, in the database."""

from collections.abc import Sequence

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.model import Message
from bridge.storage.database import Reader, Transaction

PUT = """
INSERT INTO hidden_messages (participant_id, position, tenant_id, hidden_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (participant_id, position) DO NOTHING
"""
IS_HIDDEN = "SELECT 1 FROM hidden_messages WHERE participant_id = $1 AND position = $2"
SELECT_FROM_WHOM = """
SELECT h.participant_id FROM messages m JOIN hidden_messages h ON h.position = m.position WHERE m.message_id = $1
"""
SELECT_WHO_HIDES = """
SELECT c.participant_id FROM conversation_members c WHERE c.conversation_id = $1 AND EXISTS (
    SELECT 1 FROM hidden_messages h JOIN messages m ON m.position = h.position
    WHERE h.participant_id = c.participant_id AND m.conversation_id = c.conversation_id
)
"""
_AMONG = "SELECT position FROM hidden_messages WHERE participant_id = $1 AND position IN ({places})"
_NOT_HIDDEN = """NOT EXISTS (
    SELECT 1 FROM hidden_messages h WHERE h.participant_id = {person} AND h.position = {position})"""


def not_hidden(*, person: str, position: str) -> str:
    """A condition. `person`, `position`: a placeholder or a column."""
    return _NOT_HIDDEN.format(person=person, position=position)


class HiddenStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, tx: Transaction, message: Message, participant_id: ParticipantId) -> bool:
        """Return False, changing nothing, where it is hidden from them already."""
        now = self._clock.now()
        return bool(await tx.execute(PUT, participant_id, message.position, message.tenant_id, now))


async def is_hidden(reader: Reader, message: Message, participant_id: ParticipantId) -> bool:
    return await reader.fetch_value(IS_HIDDEN, participant_id, message.position) is not None


async def hidden_among(
    reader: Reader, participant_id: ParticipantId, messages: Sequence[Message]
) -> set[MessageId]:
    """Which of these are hidden from them."""
    if not messages:
        return set()
    places = ", ".join(f"${number}" for number in range(2, len(messages) + 2))
    positions = [one.position for one in messages]
    rows = await reader.fetch(_AMONG.format(places=places), participant_id, *positions)
    hidden = {row["position"] for row in rows}
    return {one.message_id for one in messages if one.position in hidden}


async def hidden_from(reader: Reader, message_id: MessageId) -> set[ParticipantId]:
    """From whom the message is."""
    rows = await reader.fetch(SELECT_FROM_WHOM, message_id)
    return {ParticipantId(row["participant_id"]) for row in rows}


async def who_hides_in(reader: Reader, conversation_id: ConversationId) -> set[ParticipantId]:
    """From whom anything is that was said there."""
    rows = await reader.fetch(SELECT_WHO_HIDES, conversation_id)
    return {ParticipantId(row["participant_id"]) for row in rows}
