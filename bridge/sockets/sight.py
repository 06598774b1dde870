"""Who is told of what happened to a message: who was there when it was said, by the rule that the REST API has, too."""

from collections.abc import Mapping

from bridge.conversations.absence_store import seen_by_those_away
from bridge.conversations.absences import Seen
from bridge.core.ids import ConversationId, ParticipantId
from bridge.feed.model import Entry
from bridge.sockets.look import Look
from bridge.sockets.store import SocketStore


class Sight:
    def __init__(self, store: SocketStore) -> None:
        self._store = store

    async def includes(self, look: Look, entry: Entry, person: ParticipantId | None) -> bool:
        """`person` None: a program or staff. What is about no message, everybody may know who is there now."""
        if person is None:
            return True
        seen = (await seen_by_some(look, entry.conversation_id)).get(person)
        if seen is None:
            return True
        position = await look.once(
            ("position", entry.event_id), lambda: self._store.position(look.reader, entry)
        )
        return position is None or seen.includes(position)


async def seen_by_some(look: Look, conversation_id: ConversationId) -> Mapping[ParticipantId, Seen]:
    """By those who do not see all that was said there."""
    return await look.once(
        ("seen", conversation_id), lambda: seen_by_those_away(look.reader, conversation_id)
    )
