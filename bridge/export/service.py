"""Reads a conversation page by page, however long it is: no more than a page is in memory."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from bridge.conversations.absences import ALL, Seen
from bridge.conversations.model import Conversation
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import MessageId, ParticipantId
from bridge.export import html
from bridge.export.model import Said, Subject
from bridge.messages.hidden.store import hidden_among
from bridge.messages.labels.model import NONE
from bridge.messages.listing import Listing, Wanted
from bridge.messages.model import Message
from bridge.messages.pins.store import PinStore
from bridge.messages.polls.store import PollStore
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.store import MessageStore
from bridge.storage.database import Reader

AT_ONCE = 100


class Exports:
    def __init__(
        self, conversations: ConversationStore, messages: MessageStore, reactions: ReactionStore, clock: Clock
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._reactions = reactions
        self._pins, self._polls = PinStore(), PollStore()
        self._listing = Listing(messages)
        self._clock = clock

    async def subject(
        self,
        reader: Reader,
        conversation: Conversation,
        *,
        seen_by: ParticipantId | None = None,
        seen: Seen = ALL,
    ) -> Subject:
        members = await self._conversations.members(reader, conversation.conversation_id)
        newest = await self._messages.newest(reader, conversation.conversation_id, limit=1)
        until = newest[0].position if newest else 0
        return Subject(conversation, members, until, self._clock.now(), seen_by, seen)

    async def messages(self, reader: Reader, subject: Subject) -> AsyncIterator[list[Said]]:
        """Pages, oldest first: what was said until it was asked for."""
        here = subject.conversation.conversation_id
        pinned = set(await self._pins.of(reader, here))
        wanted = Wanted(conversation_id=here, seen_by=subject.seen_by, seen=subject.seen)
        after = 0
        while after < subject.until:
            page = await self._listing.following(reader, wanted, after=after, limit=AT_ONCE)
            if not page:
                return
            after = page[-1].position
            told = [message for message in page if message.position <= subject.until]
            yield await self._said(reader, subject, told, pinned)

    async def html(self, reader: Reader, subject: Subject) -> AsyncIterator[str]:
        yield html.beginning(subject)
        async for page in self.messages(reader, subject):
            yield "".join(html.article(subject, said) for said in page)
        yield html.END

    async def _said(
        self, reader: Reader, subject: Subject, page: Sequence[Message], pinned: Collection[MessageId]
    ) -> list[Said]:
        ids = [message.message_id for message in page]
        reactions = await self._reactions.of_messages(reader, ids)
        polls = [message.message_id for message in page if message.kind == "poll"]
        votes, ends = await self._polls.of_messages(reader, polls), await self._polls.ends(reader, polls)
        labels = await self._messages.labels.of_messages(reader, ids)
        answered = await self._answered(reader, subject, page)
        return [
            Said(
                message=message,
                reactions=() if message.is_deleted else reactions.get(message.message_id, ()),
                votes=votes.get(message.message_id, ()),
                end=ends.get(message.message_id),
                is_pinned=message.message_id in pinned and not message.is_deleted,
                labels=labels.get(message.message_id, NONE),
                answered=None if message.reply_to is None else answered.get(message.reply_to),
            )
            for message in page
        ]

    async def _answered(
        self, reader: Reader, subject: Subject, page: Sequence[Message]
    ) -> Mapping[MessageId, Message]:
        """What these answer, but for what is hidden from who reads it."""
        known = {message.message_id: message for message in page}
        found = {}
        for message_id in {message.reply_to for message in page if message.reply_to is not None}:
            one = known.get(message_id) or await self._messages.get(reader, message_id)
            if one is not None and subject.seen.includes(one.position):
                found[message_id] = one
        hidden: Collection[MessageId] = ()
        if subject.seen_by is not None:
            hidden = await hidden_among(reader, subject.seen_by, list(found.values()))
        return {message_id: one for message_id, one in found.items() if message_id not in hidden}
