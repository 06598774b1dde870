"""Read among a million messages in 10,000 conversations, by the REST API: lists, pages, unread counts and search.

    python -m benchmarks.reading [--database sqlite|postgresql] [--messages 100000 1000000] [--url URL]

Fills a database to the first size, measures, fills it to the next, measures again: what is flat stays as it was. The
rows are made directly, every tenth of them in one conversation; the bridge that answers is put together as by
`festimo run`, without a homeserver. A database of yours (`--url`) stays as it is then, and is not filled again.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded.synapse import free_port
from appservice.homeserver import Homeserver
from bridge import logs
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.config.rate_limits import MOST
from bridge.conversations.model import Conversation
from bridge.core.clock import SystemClock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, PartyId, TenantId, new_id
from bridge.messages.store import INSERT as INSERT_MESSAGE
from bridge.messages.store import content_of, content_place
from bridge.participants.model import Participant
from bridge.search.index import BlindIndex
from bridge.search.rules import Words
from bridge.search.store import INSERT as INSERT_WORD
from bridge.search.store import SearchStore
from bridge.signals.store import MOVE
from bridge.storage.database import Transaction, Value
from bridge.web.server import serve
from bridge.wiring import Parts, api_keys, assembled
from tests.bridge.tokens.sign_in import SignIn
from tests.servers.postgres import PostgresServer

TENANT = TenantId("bench")
VOCABULARY = 20_000
WORDS_OF_A_MESSAGE = range(4, 17)
IN_ONE_COMMIT = 5_000
LONG = 0
"""The number of the conversation that gets every tenth message."""
VENDORS = 500
ROUNDS = 200
NEWEST = "SELECT COALESCE(MAX(position), 0) FROM messages"
CONVERSATIONS = "SELECT conversation_id, party_id FROM conversations ORDER BY created_at, conversation_id"

Row = Sequence[Value]


class _Kept(SearchStore):
    """Keeps the words, to be stored together."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    async def put(
        self, tx: Transaction, conversation_id: ConversationId, position: int, words: Iterable[int]
    ) -> None:
        self.rows += [(word, conversation_id, position) for word in words]


class Library:
    """Conversations of a tenant with made-up messages, as often in each word as in people's."""

    def __init__(self, parts: Parts) -> None:
        self._database, self._product = parts.database, parts.product
        self._words = _Kept()
        self._index = BlindIndex(self._product.sealer, Words(["english", "german"]), self._words)
        self._random = random.Random(1)
        # Zipf: the n-th word comes 1/n as often as the first.
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
        self.conversation_ids: list[ConversationId] = []
        self._parties: list[str] = []

    @property
    def long(self) -> tuple[ConversationId, str]:
        """The conversation that holds a tenth of all, and its vendor."""
        return self.conversation_ids[LONG], f"vendor-{int(self._parties[LONG]) % VENDORS}"

    async def open(self, count: int) -> None:
        there = len(await self._database.fetch(CONVERSATIONS))
        for number in range(there, count):
            async with self._database.transaction() as tx:
                await self._open(tx, number)
        rows = await self._database.fetch(CONVERSATIONS)
        self.conversation_ids = [ConversationId(row["conversation_id"]) for row in rows]
        self._parties = [row["party_id"] for row in rows]

    async def fill(self, messages: int) -> None:
        done = await self._database.fetch_value(NEWEST)
        while done < messages:
            some = range(done + 1, min(messages, done + IN_ONE_COMMIT) + 1)
            async with self._database.transaction() as tx:
                rows = [await self._message(tx, position) for position in some]
                await tx.execute_many(INSERT_MESSAGE, rows)
                await tx.execute_many(INSERT_WORD, self._words.rows)
                assert await tx.fetch_value(NEWEST) == some[-1], "positions are given out one after the other"
            self._words.rows.clear()
            done = some[-1]
            print(f"\r  {done:>9} messages", end="", flush=True)
        print()

    async def read(self) -> None:
        """Of each conversation its host has read up to some place, and its vendor nothing."""
        newest = await self._database.fetch_value(NEWEST)
        rows: list[Row] = [
            (TENANT, conversation_id, f"host-{party}", self._random.randrange(1, newest), 1)
            for conversation_id, party in zip(self.conversation_ids, self._parties, strict=True)
        ]
        async with self._database.transaction() as tx:
            await tx.execute_many(MOVE, rows)

    async def _open(self, tx: Transaction, number: int) -> Conversation:
        return await self._product.conversations.open(
            tx,
            tenant_id=TENANT,
            party_id=PartyId(str(number)),
            party_title="Party",
            hosts=[_person(f"host-{number}")],
            vendor=_person(f"vendor-{number % VENDORS}"),  # of 20 parties, where there are 10,000
        )

    async def _message(self, tx: Transaction, position: int) -> Row:
        number = LONG if position % 10 == 0 else self._random.randrange(len(self.conversation_ids))
        here, message_id = self.conversation_ids[number], MessageId(new_id())
        text = self._text()
        await self._index.put(
            tx, tenant_id=TENANT, conversation_id=here, position=position, text=text, is_new=True
        )
        content = await self._product.sealer.seal(
            tx, TENANT, f"conversation:{here}", content_of(text), place=content_place(message_id)
        )
        sender = f"host-{self._parties[number]}"
        now = SystemClock().now()
        head: Row = (TENANT, message_id, here, sender, "user", "text", content, "sent", None, now, None, 0)
        return (*head, None, None, None, None, 0)

    def _text(self) -> str:
        count = self._random.choice(WORDS_OF_A_MESSAGE)
        ranks = self._random.choices(range(VOCABULARY), cum_weights=self._weights, k=count)
        return " ".join(word(rank) for rank in ranks)


@dataclass(frozen=True, slots=True)
class Question:
    """`given`: the query of a GET, the body of a POST. `person`: the vendor who asks; None: a program."""

    path: str
    given: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    person: str | None = None


class Reader:
    """Asks one thing after another."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: Callable[[str | None], str]) -> None:
        self._session = session
        self._url = f"{url}/api/v1"
        self._token = token

    async def measure(self, name: str, asked: Sequence[Question]) -> float:
        """In turns. Return the 95th percentile in ms."""
        for one in asked:
            await self._ask(one)
        times = []
        for number in range(ROUNDS):
            start = time.perf_counter()
            await self._ask(asked[number % len(asked)])
            times.append((time.perf_counter() - start) * 1000)
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
        print(f"  {name:<52} p50 {p50:6.1f}   p95 {p95:6.1f}   most {max(times):6.1f} ms")
        return p95

    async def _ask(self, question: Question) -> None:
        given: dict[str, Any] = {"params" if question.method == "GET" else "json": question.given}
        headers = {"Authorization": f"Bearer {self._token(question.person)}"}
        url = self._url + question.path
        async with self._session.request(question.method, url, headers=headers, **given) as response:
            if not response.ok:
                raise RuntimeError(f"{question.path}: {response.status} {await response.text()}")
            await response.read()


async def measured(reader: Reader, library: Library) -> dict[str, float]:
    """The 95th percentile (ms) of each kind of question."""
    ids, (long, of_long) = library.conversation_ids, library.long
    some = ids[:: max(1, len(ids) // 50)]
    vendors = [f"vendor-{number}" for number in range(0, VENDORS, 10)]
    often, seldom = [word(rank) for rank in range(20)], [word(rank) for rank in range(5_000, 5_200)]
    questions = {
        "conversations of the tenant": [Question("/conversations")],
        "conversations of a person": [Question("/conversations", person=one) for one in vendors],
        "conversations of a person with something unread": [
            Question("/conversations", {"has_unread": "true"}, person=one) for one in vendors
        ],
        "one conversation": [Question(f"/conversations/{one}") for one in some],
        "messages of a conversation": [Question(f"/conversations/{one}/messages") for one in some],
        "what a person has not read": [Question("/conversations/unread", person=one) for one in vendors],
        "search in a conversation: a common word": [
            Question(f"/conversations/{one}/search", {"q": common}) for one in some for common in often[:2]
        ],
        "one conversation with a tenth of all messages": [Question(f"/conversations/{long}")],
        "its messages": [Question(f"/conversations/{long}/messages")],
        "what its vendor has not read": [Question("/conversations/unread", person=of_long)],
        "conversations of its vendor": [Question("/conversations", person=of_long)],
        "search in it: a common word": [
            Question(f"/conversations/{long}/search", {"q": common}) for common in often[:2]
        ],
        "search of its vendor: a common word": [_search(one, person=of_long) for one in often],
        "search of a person: a common word": [
            _search(often[number % 20], person=one) for number, one in enumerate(vendors)
        ],
        "search of a person: a rare word": [
            _search(seldom[number], person=one) for number, one in enumerate(vendors)
        ],
        "search of the tenant: a common word": [_search(one) for one in often],
        "search of the tenant: a rare word": [_search(one) for one in seldom],
        "search of the tenant: a common and a rare word": [
            _search(f"{often[number % 20]} {one}") for number, one in enumerate(seldom)
        ],
        "search of the tenant: two common words": [_search(f"{one} {word(3)}") for one in often],
        "search of the tenant: a common word of one sender": [
            _search(one, sender_id=f"host-{number}") for number, one in enumerate(often)
        ],
    }
    return {name: await reader.measure(name, asked) for name, asked in questions.items()}


def _search(words: str, *, person: str | None = None, **narrowed: str) -> Question:
    return Question("/messages/search", {"words": words, **narrowed}, method="POST", person=person)


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


@asynccontextmanager
async def answering(
    folder: Path, database_url: str
) -> AsyncIterator[tuple[Parts, str, Callable[[str | None], str]]]:
    """A bridge that answers the REST API and does nothing else; where, and tokens for a vendor or a program."""
    clock = SystemClock()
    sign_in = SignIn(TENANT, clock)
    jwks = folder / "jwks.json"
    jwks.write_bytes(await sign_in.fetch())
    settings = fresh_settings(
        server_name="bench.localhost",
        homeserver_url="http://127.0.0.1:1",
        listen=f"127.0.0.1:{free_port()}",
        database_url=database_url,
        tenant=TENANT,
    )
    settings["storage"]["master_key"] = "A" * 43 + "="  # a database that is kept is opened again
    settings["rate_limits"] = {"requests_per_minute": MOST}
    issuer = sign_in.issuer
    settings["platform"]["tenants"][0]["tokens"] = {
        "issuer": issuer.issuer,
        "audience": issuer.audience,
        "jwks_file": str(jwks),
    }
    config = Config.model_validate(settings)
    async with aiohttp.ClientSession() as session:
        homeserver = Homeserver(config.homeserver.url, "a" * 32, session=session)
        async with assembled(config, homeserver, clock) as parts:
            key = str(await api_keys(config, parts.database, clock).create(TENANT, name="bench"))
            tokens: dict[str | None, str] = {None: key}

            def token(person: str | None) -> str:
                if person not in tokens:
                    tokens[person] = sign_in.token(person or "", role="vendor")
                return tokens[person]

            server = await serve(parts.app(), host="127.0.0.1", port=config.appservice.listen_port)
            try:
                yield parts, f"http://127.0.0.1:{server.port}", token
            finally:
                await server.stop()


async def run(
    folder: Path, url: str, sizes: Sequence[int], conversations: int
) -> dict[int, dict[str, float]]:
    found = {}
    async with answering(folder, url) as (parts, address, token), aiohttp.ClientSession() as session:
        library = Library(parts)
        await library.open(conversations)
        for size in sizes:
            await library.fill(size)
            await library.read()
            found[size] = await measured(Reader(session, address, token), library)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--messages", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--url", help="of a database for nothing else, which is kept")
    parser.add_argument("--output", type=Path, help="write the 95th percentiles there, as JSON")
    asked = parser.parse_args()
    logs.set_up("error")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = asked.url or f"sqlite:///{folder / 'reading.db'}"
        if asked.database == "postgresql" and asked.url is None:
            url = stack.enter_context(PostgresServer(durable=True)).create_database("bridge")
        found = asyncio.run(run(folder, url, asked.messages, asked.conversations))
    if asked.output:
        asked.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
