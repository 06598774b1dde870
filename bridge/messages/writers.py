"""Who may say, change, delete, react or pin in a conversation: one rule for all of it, asked before anything is stored.

Of what is done in a Matrix client nothing is asked here: there the homeserver has refused it, or everybody has seen it.
"""

from bridge.conversations.model import Member
from bridge.conversations.rules import check_may_write
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId, ParticipantId
from bridge.messages.errors import NotAParticipant
from bridge.storage.database import Reader


class Writers:
    def __init__(self, conversations: ConversationStore) -> None:
        self._conversations = conversations

    async def check(
        self, reader: Reader, conversation_id: ConversationId, who: ParticipantId, *, field: str = "sender_id"
    ) -> Member:
        """That nothing keeps this person from doing something in the conversation now; return as what they would."""
        conversation = await self._conversations.get(reader, conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        member = await self._conversations.member(reader, conversation_id, who)
        if member is None:
            raise NotAParticipant(
                f"{who} takes no part in this conversation. Only who does can do something in it.",
                field=field,
            )
        check_may_write(conversation, member)
        return member
