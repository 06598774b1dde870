"""Conversations in which something is said, changed and deleted, and what a search finds of it."""

from collections.abc import Sequence
from typing import Any

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, PartyId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.held import Poll, PollAnswer
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.search.backfill import Backfill
from bridge.search.index import BlindIndex
from bridge.search.model import Search
from bridge.search.rules import Words
from bridge.search.service import Searching
from bridge.search.store import SearchStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from tests.bridge.conversations.features import MASTER_KEY, TENANT, person

LANGUAGES = ("english", "german")


class Talk:
    """`indexed`: False is a release that knew no index."""

    def __init__(
        self, database: Database, *, languages: Sequence[str] = LANGUAGES, indexed: bool = True
    ) -> None:
        self.database = database
        self.clock = FrozenClock()
        self.sealer = Sealer(MASTER_KEY, self.clock)
        self.words, store = Words(languages), SearchStore()
        self.index = index = BlindIndex(self.sealer, self.words, store)
        used = index if indexed else None
        self.messages = MessageStore(self.sealer, used)
        self.searching = Searching(self.messages, index, self.words, store)
        self.backfill = Backfill(database, self.messages, index, self.words, store)
        self.outbox = outbox = Outbox(database, self.sealer, self.clock)
        conversations = ConversationStore(self.clock)
        self.conversations = Conversations(conversations, ParticipantStore(self.clock), outbox, self.clock)
        self.service = Messages(self.messages, conversations, outbox, self.clock)
        edits = EditStore(self.sealer, used)
        self.changes = MessageChanges(self.messages, edits, outbox, self.clock)

    async def open(
        self, party: str = "p1", *, host: str = "anna", vendor: str = "chef", tenant: TenantId = TENANT
    ) -> Conversation:
        async with self.database.transaction() as tx:
            return await self.conversations.open(
                tx,
                tenant_id=tenant,
                party_id=PartyId(party),
                party_title="A party",
                hosts=[person(host, "Host", tenant=tenant)],
                vendor=person(vendor, "Vendor", tenant=tenant),
            )

    async def say(self, conversation: Conversation, text: str, *, by: str = "anna") -> MessageId:
        async with self.database.transaction() as tx:
            return await self.service.post(tx, conversation, sender_id=ParticipantId(by), text=text)

    async def ask(self, conversation: Conversation, question: str, *, by: str = "anna") -> MessageId:
        """In a poll, of which nothing but the question holds a word."""
        poll = Poll(
            question=question,
            answers=tuple(PollAnswer(answer_id=one, text=one, origin_id=one) for one in "!?"),
            kind="disclosed",
            max_selections=1,
        )
        async with self.database.transaction() as tx:
            return await self.service.post(
                tx, conversation, sender_id=ParticipantId(by), text=question, kind="poll", held=poll
            )

    async def hear(self, conversation: Conversation, text: str, *, origin_id: str, by: str) -> None:
        """As it was said in a client."""
        async with self.database.transaction() as tx:
            await self.service.receive(
                tx,
                conversation,
                sender=None,
                text=text,
                origin_id=origin_id,
                origin_sender=by,
                sent_at=self.clock.now(),
            )

    async def edit(self, message_id: MessageId, text: str) -> None:
        async with self.database.transaction() as tx:
            message = await self.messages.get(tx, message_id)
            assert message is not None
            assert message.sender_id is not None
            await self.changes.edit(tx, message, sender_id=message.sender_id, text=text)

    async def delete(self, message_id: MessageId) -> None:
        async with self.database.transaction() as tx:
            message = await self.messages.get(tx, message_id)
            assert message is not None
            await self.changes.delete(tx, message, sender_id=None)

    async def texts(self, words: str | None, *, limit: int = 3, **narrowed: object) -> list[str]:
        return [text for _, text in await self.found(words, limit=limit, **narrowed)]

    async def found(
        self, words: str | None, *, limit: int = 3, **narrowed: object
    ) -> list[tuple[MessageId, str]]:
        """All pages."""
        search = Search(**{"tenant_id": TENANT, "words": words} | narrowed)  # type: ignore[arg-type]
        found: list[tuple[MessageId, str]] = []
        before: int | None = None
        while True:
            page = await self.searching.find(self.database, search, before=before, limit=limit)
            assert len(page.messages) <= limit
            assert page.messages or not page.more
            found += [(message.message_id, message.text) for message in page.messages]
            if not page.more:
                return found
            before = page.messages[-1].position

    async def indexed(self) -> int:
        """How often a word is noted."""
        count: int = await self.database.fetch_value("SELECT COUNT(*) FROM message_words")
        return count

    async def to_the_end(self) -> int:
        """Fill the index; how many steps it took."""
        steps = 1
        while await self.backfill.step():
            steps += 1
        return steps

    async def dump(self) -> bytes:
        """What somebody gets who takes the database."""
        tables = ("message_words", "search_index", "content_keys", "messages", "message_edits", "outbox")
        rows: list[Any] = []
        for table in tables:
            rows += await self.database.fetch(f"SELECT * FROM {table}")
        return repr([tuple(row) for row in rows]).encode()


def conversation_id_of(conversation: Conversation | None) -> ConversationId | None:
    return None if conversation is None else conversation.conversation_id
