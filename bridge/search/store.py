"""Which message holds which word, in the database: words as keyed numbers only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.conversations.absences import was_there
from bridge.core.ids import ConversationId, MessageId
from bridge.messages.hidden.store import not_hidden
from bridge.search.model import Origin, Search
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Transaction

INSERT = """
INSERT INTO message_words (word, conversation_id, position) VALUES ($1, $2, $3) ON CONFLICT (word, position) DO NOTHING
"""
DELETE = "DELETE FROM message_words WHERE position = $1"
_WIDTH = "SELECT COUNT(*) AS many, COALESCE(MIN(position), 0) AS back_to FROM"
WIDTH = f"""
{_WIDTH} (SELECT position FROM message_words WHERE word = $1 ORDER BY position DESC LIMIT $2) AS few
"""
WIDTH_IN = f"""
{_WIDTH} (
    SELECT position FROM message_words WHERE conversation_id = $3 AND word = $1 ORDER BY position DESC LIMIT $2
) AS few
"""
# CROSS JOIN has SQLite go by the person's conversations: by the word, it would look through what everybody has said.
# In no order: whoever takes part in many conversations would wait for it.
COUNT_OF_MEMBER = """
SELECT COUNT(*) AS many, 0 AS back_to FROM (
    SELECT 1 FROM conversation_members m CROSS JOIN message_words w
    WHERE w.conversation_id = m.conversation_id AND w.word = $1
        AND m.tenant_id = $3 AND m.participant_id = $4 AND m.away IS NULL LIMIT $2
) AS few
"""
WIDTH_SAID = f"""
{_WIDTH} (
    SELECT position FROM messages WHERE tenant_id = $1 AND sender_id = $2 ORDER BY position DESC LIMIT $3
) AS few
"""
# With each of these, the positions of one word, newest first.
SELECT_ALL = (
    "SELECT position FROM message_words WHERE word = $1 AND position < $2 ORDER BY position DESC LIMIT $3"
)
SELECT_IN = """
SELECT position FROM message_words WHERE conversation_id = $4 AND word = $1 AND position < $2
ORDER BY position DESC LIMIT $3
"""
SELECT_OF_MEMBER = """
SELECT w.position FROM conversation_members m CROSS JOIN message_words w
WHERE w.conversation_id = m.conversation_id AND w.word = $1 AND w.position < $2
    AND m.tenant_id = $4 AND m.participant_id = $5 AND m.away IS NULL ORDER BY w.position DESC LIMIT $3
"""
SELECT_SAID = """
SELECT position FROM messages WHERE tenant_id = $1 AND sender_id = $2 AND position < $3
ORDER BY position DESC LIMIT $4
"""
SELECT_CONVERSATION = """
SELECT position FROM messages WHERE conversation_id = $1 AND position < $2 ORDER BY position DESC LIMIT $3
"""
SELECT_EVERYWHERE = "SELECT position FROM messages WHERE position < $1 ORDER BY position DESC LIMIT $2"
# As `SELECT_OF_MEMBER`. What narrows it down stands in it, too: one statement, not one for each few of all they see.
_TOLD = """
SELECT w.position FROM conversation_members m CROSS JOIN messages w
WHERE w.conversation_id = m.conversation_id AND w.position < $1
    AND m.tenant_id = $2 AND m.participant_id = $3 AND m.away IS NULL{more} ORDER BY w.position DESC LIMIT $4
"""
SELECT_TOLD = _TOLD.format(more="")
_FITTING = """
SELECT position FROM messages WHERE position IN ({places}) AND tenant_id = $1 AND deleted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM conversations c WHERE c.conversation_id = messages.conversation_id AND c.deleted_at IS NOT NULL)"""
_TAKES_PART = """EXISTS (
    SELECT 1 FROM conversation_members m WHERE m.conversation_id = messages.conversation_id
        AND m.participant_id = {places} AND m.away IS NULL)"""
_HOLDS = "EXISTS (SELECT 1 FROM message_words WHERE word IN ({places}) AND position = messages.position)"

STATE = "SELECT made_of, done_from FROM search_index WHERE one = 1"
BEGIN = """
INSERT INTO search_index (one, made_of, done_from)
SELECT 1, $1, COALESCE(MAX(position), 0) + 1 FROM messages WHERE position > 0
ON CONFLICT (one) DO UPDATE SET made_of = excluded.made_of, done_from = excluded.done_from
"""
GO_ON = "UPDATE search_index SET done_from = $2 WHERE one = 1 AND done_from = $1"
SELECT_BEFORE = """
SELECT position, message_id, conversation_id FROM messages WHERE position < $1 ORDER BY position DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True, order=True)
class Width:
    """How many messages there are, as far as they were counted, and back to which position these go: of two with as
    many, those that go further back are rarer."""

    many: int
    back_to: int


class SearchStore:
    async def put(
        self, tx: Transaction, conversation_id: ConversationId, position: int, words: Iterable[int]
    ) -> None:
        rows = [(word, conversation_id, position) for word in words]
        if rows:
            await tx.execute_many(INSERT, rows)

    async def remove(self, tx: Transaction, position: int) -> None:
        await tx.execute(DELETE, position)

    async def width(self, reader: Reader, search: Search, words: Iterable[int], *, most: int) -> Width:
        """Of the messages that hold one of the words, where the search looks; `most` at most."""
        found = []
        for word in words:
            if search.conversation_id is not None:
                found += await reader.fetch(WIDTH_IN, word, most, search.conversation_id)
            elif search.participant_id is not None:
                page = (word, most, search.tenant_id, search.participant_id)
                found += await reader.fetch(COUNT_OF_MEMBER, *page)
            else:
                found += await reader.fetch(WIDTH, word, most)
        many = min(sum(row["many"] for row in found), most)
        return Width(many, max(row["back_to"] for row in found))

    async def width_of_sender(self, reader: Reader, search: Search, *, most: int) -> Width:
        """Of what the sender said, wherever; `most` at most."""
        (row,) = await reader.fetch(WIDTH_SAID, search.tenant_id, search.sender_id, most)
        return Width(row["many"], row["back_to"])

    async def positions(
        self, reader: Reader, search: Search, word: int, *, before: int, limit: int
    ) -> list[int]:
        """Of messages that hold the word, newest first, in the conversation or of the participant that is meant."""
        page = (word, before, limit)
        if search.conversation_id is not None:
            rows = await reader.fetch(SELECT_IN, *page, search.conversation_id)
        elif search.participant_id is not None:
            rows = await reader.fetch(SELECT_OF_MEMBER, *page, search.tenant_id, search.participant_id)
        else:
            rows = await reader.fetch(SELECT_ALL, *page)
        return [row["position"] for row in rows]

    async def newest(
        self, reader: Reader, search: Search, origin: Origin, *, before: int, limit: int
    ) -> list[int]:
        """Positions of messages from there, newest first, whatever they say."""
        match origin:
            case "sender":
                rows = await reader.fetch(SELECT_SAID, search.tenant_id, search.sender_id, before, limit)
            case "conversation":
                rows = await reader.fetch(SELECT_CONVERSATION, search.conversation_id, before, limit)
            case "person":
                args = Arguments(before, search.tenant_id, search.participant_id, limit)
                more = _narrowed(search, args, of="w.")
                rows = await reader.fetch(_TOLD.format(more=more), *args.values)
            case "everywhere":
                rows = await reader.fetch(SELECT_EVERYWHERE, before, limit)
        return [row["position"] for row in rows]

    async def fitting(
        self, reader: Reader, search: Search, positions: Sequence[int], groups: Sequence[Iterable[int]]
    ) -> list[int]:
        """Of the messages at these positions those that hold a word of each group, and fit otherwise; newest first."""
        args = Arguments(search.tenant_id)
        sql = _FITTING.format(places=args.place(*positions)) + _narrowed(search, args)
        if search.participant_id is not None:
            person, position = args.place(search.participant_id), "messages.position"
            there = was_there(conversation="messages.conversation_id", person=person, position=position)
            sql += f" AND {not_hidden(person=person, position=position)} AND {there}"
            if search.conversation_id is None:
                sql += f" AND {_TAKES_PART.format(places=args.place(search.participant_id))}"
        for group in groups:
            sql += f" AND {_HOLDS.format(places=args.place(*group))}"
        rows = await reader.fetch(f"{sql} ORDER BY position DESC", *args.values)
        return [row["position"] for row in rows]

    async def state(self, reader: Reader) -> tuple[str, int] | None:
        """What the index was made of, and the position from which on messages are in it; None before it was begun."""
        row = await reader.fetch_one(STATE)
        return None if row is None else (row["made_of"], row["done_from"])

    async def begin(self, tx: Transaction, made_of: str) -> None:
        """Everything there is has yet to be indexed; what comes from now on is."""
        await tx.execute(BEGIN, made_of)

    async def go_on(self, tx: Transaction, *, done: int, now_from: int) -> bool:
        """Return False where somebody else has gone on from there."""
        return bool(await tx.execute(GO_ON, done, now_from))

    async def before(
        self, reader: Reader, position: int, *, limit: int
    ) -> list[tuple[int, MessageId, ConversationId]]:
        rows = await reader.fetch(SELECT_BEFORE, position, limit)
        return [
            (row["position"], MessageId(row["message_id"]), ConversationId(row["conversation_id"]))
            for row in rows
        ]


def _narrowed(search: Search, args: Arguments, *, of: str = "") -> str:
    """What must be so of a message whatever it says. `of`: the messages' alias, with a dot."""
    told = (
        ("conversation_id =", search.conversation_id),
        ("sender_id =", search.sender_id),
        ("kind =", search.kind),
        ("created_at >=", search.start),
        ("created_at <", search.end),
    )
    return "".join(f" AND {of}{column} {args.place(value)}" for column, value in told if value is not None)
