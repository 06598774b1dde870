"""What a recap says: read from the messages as they are now, so that nothing deleted is repeated."""

from collections.abc import Mapping, Sequence

from bridge.conversations.model import Member
from bridge.conversations.store import ConversationStore
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.recap import rules
from bridge.recap.model import Draft, Line, Recap, Wording
from bridge.recap.ports import Place
from bridge.recap.store import RecapStore
from bridge.storage.database import Reader, Transaction
from bridge.storage.sealing import Sealer

OURS = "Festimo"
SOMEBODY = "Somebody"


class Drafts:
    def __init__(
        self,
        store: RecapStore,
        conversations: ConversationStore,
        messages: MessageStore,
        place: Place,
        sealer: Sealer,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._messages = messages
        self._place = place
        self._sealer = sealer

    async def of_due(self, reader: Reader, recap: Recap) -> Draft | None:
        """None where nothing was missed, or the person is not there any more."""
        conversation = await self._conversations.get(reader, recap.conversation_id)
        members = await self._conversations.members(reader, recap.conversation_id)
        me = next((m for m in members if m.participant.participant_id == recap.participant_id), None)
        missed = await self._missed(reader, recap)
        if conversation is None or me is None or me.away is not None or not missed:
            return None
        fit = rules.how_many_fit(await self._lines(reader, missed[-rules.MOST_LINES :], members))
        if not fit:
            return None  # all of it has been deleted just now
        shown, before = missed[-fit:], missed[:-fit]
        return Draft(
            recap=recap,
            title=conversation.title,
            private=rules.is_private(members, recap.participant_id),
            sources=tuple(shown),
            left_out=len(before),
            earliest=before[0] if before else None,
        )

    async def wording(self, reader: Reader, draft: Draft) -> Wording:
        """What is repeated, as it reads now."""
        members = await self._conversations.members(reader, draft.recap.conversation_id)
        names = _names(members)
        earliest = None if draft.earliest is None else await self._messages.get(reader, draft.earliest)
        return rules.wording(
            names.get(draft.recap.participant_id, SOMEBODY),
            await self._lines(reader, draft.sources, members),
            left_out=draft.left_out,
            link=None if earliest is None else await self._link(reader, earliest),
        )

    async def of_told(self, reader: Reader, recap: Recap) -> Draft:
        return Draft(
            recap=recap,
            title="",
            private=recap.private,
            sources=tuple(await self._store.sources(reader, recap.recap_id)),
            left_out=recap.left_out,
            earliest=recap.earliest,
        )

    async def fix(self, tx: Transaction, draft: Draft) -> None:
        """This is what it repeats, and where it is told."""
        await self._store.fix(
            tx,
            draft.recap.recap_id,
            private=draft.private,
            sources=draft.sources,
            left_out=draft.left_out,
            earliest=draft.earliest,
        )

    async def says(self, tx: Transaction, recap_id: str, words: Wording) -> None:
        """This is how it reads from now on."""
        await self._store.set_fingerprint(tx, recap_id, self._fingerprint(words))

    async def already_says(self, reader: Reader, recap_id: str, words: Wording) -> bool:
        return await self._store.fingerprint(reader, recap_id) == self._fingerprint(words)

    def _fingerprint(self, words: Wording) -> bytes:
        return self._sealer.fingerprint(f"{words.plain}\0{words.html}".encode())

    async def _missed(self, reader: Reader, recap: Recap) -> list[MessageId]:
        """Oldest first."""
        times = [time for time in (recap.asked_at, recap.invited_at) if time is not None]
        said = await self._store.said_since(reader, recap.conversation_id, min(times)) if times else []
        return [one.message_id for one in said if rules.missed(recap, one)]

    async def _lines(
        self, reader: Reader, message_ids: Sequence[MessageId], members: Sequence[Member]
    ) -> list[Line]:
        names = _names(members)
        messages = [await self._messages.get(reader, message_id) for message_id in message_ids]
        return [
            Line(
                _name(message, names),
                message.created_at,
                message.text,
                await self._link(reader, message),
                beside_text=message.held is not None,
            )
            for message in messages
            if message is not None and not message.is_deleted
        ]

    async def _link(self, reader: Reader, message: Message) -> str | None:
        if message.origin_id is None:
            return None
        return await self._place.link(reader, message.conversation_id, message.origin_id)


def _names(members: Sequence[Member]) -> dict[ParticipantId, str]:
    return {member.participant.participant_id: member.participant.name for member in members}


def _name(message: Message, names: Mapping[ParticipantId, str]) -> str:
    if message.sender_id is not None:
        return names.get(message.sender_id, SOMEBODY)
    return OURS if message.sender_type in ("festimo", "system") else SOMEBODY
