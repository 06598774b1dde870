"""Reads a conversation page by page, however long it is: no more than a page is in memory."""

from collections.abc import AsyncIterator

from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.export import html
from bridge.export.model import Subject
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Reader

AT_ONCE = 100


class Exports:
    def __init__(self, conversations: ConversationStore, messages: MessageStore, clock: Clock) -> None:
        self._conversations = conversations
        self._messages = messages
        self._clock = clock

    async def subject(self, reader: Reader, conversation: Conversation) -> Subject:
        members = await self._conversations.members(reader, conversation.conversation_id)
        newest = await self._messages.newest(reader, conversation.conversation_id, limit=1)
        until = newest[0].position if newest else 0
        return Subject(conversation, members, until, self._clock.now())

    async def messages(self, reader: Reader, subject: Subject) -> AsyncIterator[list[Message]]:
        """Pages, oldest first: what was said until it was asked for."""
        after = 0
        while after < subject.until:
            page = await self._messages.history(
                reader, subject.conversation.conversation_id, after=after, limit=AT_ONCE
            )
            if not page:
                return
            after = page[-1].position
            yield [message for message in page if message.position <= subject.until]

    async def html(self, reader: Reader, subject: Subject) -> AsyncIterator[str]:
        yield html.beginning(subject)
        async for page in self.messages(reader, subject):
            yield "".join(html.article(subject, message) for message in page)
        yield html.END
