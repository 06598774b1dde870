"""Search among many messages: how long a page takes, by how rare the words are and who asks.

    python -m benchmarks.search [--messages 1000000] [--conversations 10000] [--url postgresql://...]

Without `--url` it makes a SQLite file of its own. A database that is filled already is searched as it is.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import SystemClock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, PartyId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.messages.store import MessageStore
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.search.index import BlindIndex
from bridge.search.model import Search
from bridge.search.rules import Words
from bridge.search.service import Searching
from bridge.search.store import SearchStore
from bridge.storage.database import Database, open_database
from bridge.storage.sealing import Sealer

TENANT = TenantId("bench")
VOCABULARY = 20_000
WORDS_OF_A_MESSAGE = range(4, 17)
AT_ONCE = 2_000
ROUNDS = 200
PAGE = 20
COUNT = "SELECT COUNT(*) FROM messages"
A_CONVERSATION = "SELECT conversation_id FROM conversations WHERE tenant_id = $1 ORDER BY created_at LIMIT 1"


class Library:
    """Conversations of a tenant with made-up messages, as often in each word as in people's."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SystemClock()
        sealer, words, store = (
            Sealer(bytes(range(32)), self.clock),
            Words(["english", "german"]),
            SearchStore(),
        )
        index = BlindIndex(sealer, words, store)
        self.messages = MessageStore(sealer, index)
        self.searching = Searching(self.messages, index, words, store)
        self.conversations = Conversations(
            ConversationStore(self.clock),
            ParticipantStore(self.clock),
            Outbox(database, sealer, self.clock),
            self.clock,
        )
        self.random = random.Random(1)
        # Zipf: the n-th word comes 1/n as often as the first.
        self.weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))

    async def fill(self, messages: int, conversations: int) -> None:
        opened = [await self._open(number) for number in range(conversations)]
        done = 0
        while done < messages:
            async with self.database.transaction() as tx:
                for _ in range(min(AT_ONCE, messages - done)):
                    conversation = self.random.choice(opened)
                    await self.messages.insert(
                        tx,
                        tenant_id=TENANT,
                        message_id=MessageId(new_id()),
                        conversation_id=conversation.conversation_id,
                        sender_id=ParticipantId(f"host-{conversation.party_id}"),
                        sender_type="user",
                        kind="text",
                        text=self.text(),
                        status="sent",
                        origin_id=None,
                        created_at=self.clock.now(),
                    )
            done += AT_ONCE
            print(f"\r{min(done, messages):>9} messages", end="", flush=True)
        print()

    def text(self) -> str:
        count = self.random.choice(WORDS_OF_A_MESSAGE)
        ranks = self.random.choices(range(VOCABULARY), cum_weights=self.weights, k=count)
        return " ".join(word(rank) for rank in ranks)

    async def _open(self, number: int) -> Conversation:
        async with self.database.transaction() as tx:
            return await self.conversations.open(
                tx,
                tenant_id=TENANT,
                party_id=PartyId(str(number)),
                party_title="Party",
                hosts=[_person(f"host-{number}")],
                vendor=_person(f"vendor-{number % 500}"),  # of 20 parties, where there are 10,000
            )

    async def measure(self, name: str, words: Sequence[str], **narrowed: object) -> None:
        times = []
        for number in range(ROUNDS):
            search = Search(tenant_id=TENANT, words=words[number % len(words)], **narrowed)  # type: ignore[arg-type]
            start = time.perf_counter()
            await self.searching.find(self.database, search, before=None, limit=PAGE)
            times.append((time.perf_counter() - start) * 1000)
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
        print(f"{name:<44} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   most {max(times):7.1f} ms")


def word(rank: int) -> str:
    """The same word for the same rank, of letters."""
    letters = ""
    while rank >= 0:
        letters += "abdefgklmnoprtuvz"[rank % 17]
        rank = rank // 17 - 1
    return f"q{letters}"


def _person(participant_id: str) -> Participant:
    return Participant(
        tenant_id=TENANT,
        participant_id=ParticipantId(participant_id),
        name=participant_id,
        mxid=None,
        avatar_url=None,
    )


async def run(url: str, messages: int, conversations: int) -> None:
    database = await open_database(url)
    try:
        library = Library(database)
        if not await database.fetch_value(COUNT):
            await library.fill(messages, conversations)
        conversation_id = ConversationId(await database.fetch_value(A_CONVERSATION, TENANT))
        often, seldom = [word(rank) for rank in range(20)], [word(rank) for rank in range(5_000, 5_200)]
        both = [f"{one} {other}" for one, other in zip(often * 10, seldom, strict=True)]
        vendor = ParticipantId("vendor-7")
        for name, words in (
            ("often", often),
            ("seldom", seldom),
            ("often and seldom", both),
            ("two often", [f"{one} {word(3)}" for one in often]),
        ):
            await library.measure(f"the tenant's: {name}", words)
            await library.measure(f"a vendor's own: {name}", words, participant_id=vendor)
            await library.measure(f"one conversation: {name}", words, conversation_id=conversation_id)
        await library.measure("the tenant's: often, by one sender", often, sender_id=ParticipantId("host-1"))
    finally:
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{Path(folder) / 'search.db'}"
        asyncio.run(run(url, asked.messages, asked.conversations))


if __name__ == "__main__":
    main()
