"""Who is told of what happened to a message: who was there when it was said and has not deleted it for themselves, by
the rule that the REST API has, too. Asked once for all who are connected."""

from collections.abc import Collection, Mapping

from bridge.conversations.absence_store import seen_by_those_away
from bridge.conversations.absences import Seen
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.feed.kinds import PRIVATE
from bridge.feed.model import Entry
from bridge.messages.hidden.store import hidden_from, who_hides_in
from bridge.sockets.look import Look
from bridge.sockets.store import SocketStore


class Sight:
    """A person that is None is a program or staff: they see everything."""

    def __init__(self, store: SocketStore) -> None:
        self._store = store

    async def includes(self, look: Look, entry: Entry, person: ParticipantId | None) -> bool:
        """What is about no message, everybody may know who is there now."""
        if person is None:
            return True
        if await self._is_hidden(look, entry, person):
            return False
        seen = (await self._seen(look, entry.conversation_id)).get(person)
        if seen is None:
            return True
        position = await look.once(
            ("position", entry.event_id), lambda: self._store.position(look.reader, entry)
        )
        return position is None or seen.includes(position)

    async def includes_all(
        self, look: Look, conversation_id: ConversationId, person: ParticipantId | None
    ) -> bool:
        """Whatever was said in the conversation."""
        if person is None:
            return True
        hide = await look.once(
            ("who hides in", conversation_id), lambda: who_hides_in(look.reader, conversation_id)
        )
        return person not in hide and person not in await self._seen(look, conversation_id)

    async def away(
        self, look: Look, conversation_id: ConversationId, *, after: int
    ) -> Collection[ParticipantId]:
        """Who was not always there behind this position."""
        seen = await self._seen(look, conversation_id)
        return {
            person for person, theirs in seen.items() if any(one.until > after for one in theirs.absences)
        }

    async def _is_hidden(self, look: Look, entry: Entry, person: ParticipantId) -> bool:
        message_id = entry.about.get("message_id")
        if message_id is None or entry.kind in PRIVATE:
            return False
        hidden = await look.once(
            ("hidden from", message_id), lambda: hidden_from(look.reader, MessageId(message_id))
        )
        return person in hidden

    async def _seen(self, look: Look, conversation_id: ConversationId) -> Mapping[ParticipantId, Seen]:
        return await look.once(
            ("seen", conversation_id), lambda: seen_by_those_away(look.reader, conversation_id)
        )
