"""Reads a conversation page by page, however long it is: no more than a page is in memory."""

from collections.abc import AsyncIterator

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ParticipantId
from bridge.export import html
from bridge.export.model import Subject
from bridge.messages.listing import Listing, Wanted
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Reader

AT_ONCE = 100


class Exports:
    def __init__(self, conversations: ConversationStore, messages: MessageStore, clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._listing = Listing(messages)
        self._clock = clock

    async def subject(
        self, reader: Reader, conversation: Conversation, *, seen_by: ParticipantId | None = None
    ) -> Subject:
        members = await self._conversations.members(reader, conversation.conversation_id)
        newest = await self._messages.newest(reader, conversation.conversation_id, limit=1)
        until = newest[0].position if newest else 0
        return Subject(conversation, members, until, self._clock.now(), seen_by)

    async def messages(self, reader: Reader, subject: Subject) -> AsyncIterator[list[Message]]:
        """Pages, oldest first: what was said until it was asked for."""
        wanted = Wanted(conversation_id=subject.conversation.conversation_id, seen_by=subject.seen_by)
        after = 0
        while after < subject.until:
            page = await self._listing.following(reader, wanted, after=after, limit=AT_ONCE)
            if not page:
                return
            after = page[-1].position
            yield [message for message in page if message.position <= subject.until]

    async def html(self, reader: Reader, subject: Subject) -> AsyncIterator[str]:
        yield html.beginning(subject)
        async for page in self.messages(reader, subject):
            yield "".join(html.article(subject, message) for message in page)
        yield html.END
