"""Quotes in the database; what is offered, and for how much, is sealed."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from bridge.core.ids import ConversationId, MessageId, ParticipantId, QuoteId, TenantId
from bridge.quotes.model import Line, Offer, Question, Quote, Revision, State, Target
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

_COLUMNS = "quote_id, tenant_id, conversation_id, vendor_id, number, revision, created_at, updated_at"
INSERT = f"INSERT INTO quotes ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, 1, $6, $6)"
INSERT_REVISION = """
INSERT INTO quote_revisions (quote_id, revision, content, valid_until, state, message_id, poll_id, created_at)
VALUES ($1, $2, $3, $4, 'sent', $5, $6, $7)
"""
SET_LATEST = "UPDATE quotes SET revision = $2, updated_at = $3 WHERE quote_id = $1"
SET_STATE = """
UPDATE quote_revisions SET state = $3, answered_by = $4, answered_at = $5 WHERE quote_id = $1 AND revision = $2
"""
TOUCH = "UPDATE quotes SET updated_at = $2 WHERE quote_id = $1"
SELECT = f"SELECT {_COLUMNS} FROM quotes WHERE quote_id = $1"
FIND = f"SELECT {_COLUMNS} FROM quotes WHERE tenant_id = $1 AND quote_id = $2"
SELECT_OF_CONVERSATION = f"""
SELECT {_COLUMNS} FROM quotes WHERE conversation_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3
"""
SELECT_ACCEPTED = f"""
SELECT {_COLUMNS} FROM quotes WHERE conversation_id = $1 AND quote_id = (
    SELECT r.quote_id FROM quote_revisions r JOIN quotes q ON q.quote_id = r.quote_id
    WHERE q.conversation_id = $1 AND r.state = 'accepted' ORDER BY r.answered_at DESC, q.number DESC LIMIT 1)
"""
_REVISIONS = """
SELECT quote_id, revision, content, valid_until, state, message_id, poll_id, answered_by, answered_at, created_at
FROM quote_revisions WHERE quote_id IN ({places}) ORDER BY quote_id, revision
"""
COUNT = "SELECT COUNT(*) FROM quotes WHERE conversation_id = $1"
SELECT_NEXT = """
SELECT quote_id, valid_until FROM quote_revisions WHERE state IN ('sent', 'asked')
ORDER BY valid_until, quote_id LIMIT 1
"""
SELECT_TARGET = """
SELECT q.quote_id, q.conversation_id, r.revision, r.message_id, 0 AS is_question
FROM quote_revisions r JOIN quotes q ON q.quote_id = r.quote_id WHERE r.message_id = $1
UNION ALL
SELECT q.quote_id, q.conversation_id, r.revision, r.poll_id, 0 AS is_question
FROM quote_revisions r JOIN quotes q ON q.quote_id = r.quote_id WHERE r.poll_id = $1
UNION ALL
SELECT q.quote_id, q.conversation_id, a.revision, a.message_id, 1 AS is_question
FROM quote_questions a JOIN quotes q ON q.quote_id = a.quote_id WHERE a.message_id = $1
"""
END_UNREAD = """
UPDATE quote_revisions SET state = $3, answered_at = $2 WHERE quote_id = $1 AND state IN ('sent', 'asked')
    AND (valid_until <= $2 OR $3 <> 'expired')
"""
# Rows of members stay, of who has gone, too.
SELECT_OPEN_OF = """
SELECT q.quote_id, q.conversation_id FROM conversation_members m
JOIN quotes q ON q.conversation_id = m.conversation_id AND q.vendor_id = m.participant_id
JOIN quote_revisions r ON r.quote_id = q.quote_id AND r.revision = q.revision
WHERE m.tenant_id = $1 AND m.participant_id = $2 AND r.state IN ('sent', 'asked') ORDER BY q.conversation_id, q.number
"""
SELECT_WHOSE = "SELECT tenant_id, conversation_id, revision FROM quotes WHERE quote_id = $1"
INSERT_QUESTION = """
INSERT INTO quote_questions (message_id, quote_id, revision, participant_id, asked_at) VALUES ($1, $2, $3, $4, $5)
"""
SELECT_QUESTIONS = """
SELECT message_id, quote_id, revision, participant_id, asked_at FROM quote_questions
WHERE quote_id = $1 AND closed_at IS NULL ORDER BY asked_at, message_id
"""
SELECT_ASKED = """
SELECT message_id FROM quote_questions WHERE quote_id = $1 AND revision = $2 ORDER BY asked_at, message_id
"""
CLOSE_QUESTION = "UPDATE quote_questions SET closed_at = $2 WHERE message_id = $1 AND closed_at IS NULL"
CLOSE_QUESTIONS = "UPDATE quote_questions SET closed_at = $2 WHERE quote_id = $1 AND closed_at IS NULL"
BEHIND_ALL = 2**31


@dataclass(frozen=True, slots=True)
class Next:
    quote_id: QuoteId
    valid_until: int


@dataclass(frozen=True, slots=True)
class Whose:
    tenant_id: TenantId
    conversation_id: ConversationId
    revision: int


class QuoteStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def lock(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """Nobody else does anything with the quotes of this conversation until the transaction ends."""
        await tx.lock(f"quotes:{conversation_id}")

    async def insert(self, tx: Transaction, quote: Quote) -> None:
        """With its first revision."""
        await tx.execute(
            INSERT,
            quote.quote_id,
            quote.tenant_id,
            quote.conversation_id,
            quote.vendor_id,
            quote.number,
            quote.created_at,
        )
        await self._insert_revision(tx, quote)

    async def add_revision(self, tx: Transaction, quote: Quote) -> None:
        """Its latest, which is new."""
        await self._insert_revision(tx, quote)
        await tx.execute(SET_LATEST, quote.quote_id, quote.latest.revision, quote.latest.created_at)

    async def set_state(
        self,
        tx: Transaction,
        quote: Quote,
        revision: int,
        state: State,
        *,
        now: int,
        by: ParticipantId | None = None,
        is_answer: bool = False,
    ) -> None:
        """`is_answer`: now, by `by` (nobody: the clock), it has become what it stays; else what was stays."""
        was = quote.of(revision)
        answered = (by, now) if is_answer else (was.answered_by, was.answered_at)
        await tx.execute(SET_STATE, quote.quote_id, revision, state, *answered)
        await tx.execute(TOUCH, quote.quote_id, now)

    async def accepted(self, reader: Reader, conversation_id: ConversationId) -> Quote | None:
        """The one that was accepted last in this conversation: its latest revision is what was."""
        found = await self._quotes(reader, await reader.fetch(SELECT_ACCEPTED, conversation_id))
        return found[0] if found else None

    async def get(self, reader: Reader, quote_id: QuoteId) -> Quote | None:
        found = await self._quotes(reader, await reader.fetch(SELECT, quote_id))
        return found[0] if found else None

    async def find(self, reader: Reader, tenant_id: TenantId, quote_id: QuoteId) -> Quote | None:
        """None where it is another tenant's, too."""
        found = await self._quotes(reader, await reader.fetch(FIND, tenant_id, quote_id))
        return found[0] if found else None

    async def of_conversation(
        self, reader: Reader, conversation_id: ConversationId, *, before: int | None = None, limit: int
    ) -> list[Quote]:
        """The newest first. `before`: the number of the last one seen."""
        last = BEHIND_ALL if before is None else before
        rows = await reader.fetch(SELECT_OF_CONVERSATION, conversation_id, last, limit)
        return await self._quotes(reader, rows)

    async def how_many(self, reader: Reader, conversation_id: ConversationId) -> int:
        return int(await reader.fetch_value(COUNT, conversation_id))

    async def next(self, reader: Reader) -> Next | None:
        """Which expires first, of all tenants."""
        row = await reader.fetch_one(SELECT_NEXT)
        return None if row is None else Next(QuoteId(row["quote_id"]), row["valid_until"])

    async def end_unread(
        self, tx: Transaction, quote_id: QuoteId, state: Literal["expired", "withdrawn"], *, now: int
    ) -> Whose | None:
        """What it offers is not opened. None where it is not open, or its time to expire has not come."""
        if not await tx.execute(END_UNREAD, quote_id, now, state):
            return None
        row = await tx.fetch_one(SELECT_WHOSE, quote_id)
        assert row is not None, "a revision is a quote's"
        return Whose(TenantId(row["tenant_id"]), ConversationId(row["conversation_id"]), row["revision"])

    async def open_of(
        self, reader: Reader, tenant_id: TenantId, vendor_id: ParticipantId
    ) -> list[tuple[QuoteId, ConversationId]]:
        """What they offer that can be answered still, and where; always in the same order."""
        rows = await reader.fetch(SELECT_OPEN_OF, tenant_id, vendor_id)
        return [(QuoteId(row["quote_id"]), ConversationId(row["conversation_id"])) for row in rows]

    async def target(self, reader: Reader, message_id: MessageId) -> Target | None:
        """What of which quote this message shows or asks; None of any other message."""
        row = await reader.fetch_one(SELECT_TARGET, message_id)
        if row is None:
            return None
        return Target(
            QuoteId(row["quote_id"]),
            ConversationId(row["conversation_id"]),
            row["revision"],
            MessageId(row["message_id"]),
            bool(row["is_question"]),
        )

    # What Festimo has asked

    async def ask(self, tx: Transaction, question: Question) -> None:
        await tx.execute(
            INSERT_QUESTION,
            question.message_id,
            question.quote_id,
            question.revision,
            question.participant_id,
            question.asked_at,
        )

    async def questions(self, reader: Reader, quote_id: QuoteId) -> Sequence[Question]:
        """Those that are open, oldest first."""
        return [
            Question(
                message_id=MessageId(row["message_id"]),
                quote_id=QuoteId(row["quote_id"]),
                revision=row["revision"],
                participant_id=ParticipantId(row["participant_id"]),
                asked_at=row["asked_at"],
            )
            for row in await reader.fetch(SELECT_QUESTIONS, quote_id)
        ]

    async def asked(self, reader: Reader, quote_id: QuoteId, revision: int) -> Sequence[MessageId]:
        """In which messages it asked about this revision, oldest first: those that are over, too."""
        rows = await reader.fetch(SELECT_ASKED, quote_id, revision)
        return [MessageId(row["message_id"]) for row in rows]

    async def close_question(self, tx: Transaction, message_id: MessageId, *, now: int) -> None:
        await tx.execute(CLOSE_QUESTION, message_id, now)

    async def close_questions(self, tx: Transaction, quote_id: QuoteId, *, now: int) -> None:
        """All of the quote: there is nothing left to confirm."""
        await tx.execute(CLOSE_QUESTIONS, quote_id, now)

    async def _insert_revision(self, tx: Transaction, quote: Quote) -> None:
        one = quote.latest
        sealed = await self._sealer.seal(
            tx,
            quote.tenant_id,
            f"conversation:{quote.conversation_id}",
            json.dumps(asdict(one.offer)).encode(),
            place=_place(quote.quote_id, one.revision),
        )
        await tx.execute(
            INSERT_REVISION,
            quote.quote_id,
            one.revision,
            sealed,
            one.valid_until,
            one.message_id,
            one.poll_id,
            one.created_at,
        )

    async def _quotes(self, reader: Reader, rows: Sequence[Row]) -> list[Quote]:
        if not rows:
            return []
        places = ", ".join(f"${number}" for number in range(1, len(rows) + 1))
        revisions: defaultdict[str, list[Revision]] = defaultdict(list)
        for row in await reader.fetch(_REVISIONS.format(places=places), *(row["quote_id"] for row in rows)):
            revisions[row["quote_id"]].append(await self._revision(reader, row))
        return [_quote(row, revisions[row["quote_id"]]) for row in rows]

    async def _revision(self, reader: Reader, row: Row) -> Revision:
        place = _place(row["quote_id"], row["revision"])
        content = json.loads(await self._sealer.open(reader, row["content"], place=place))
        answered_by = row["answered_by"]
        return Revision(
            revision=row["revision"],
            offer=Offer(**{**content, "lines": tuple(Line(**line) for line in content["lines"])}),
            valid_until=row["valid_until"],
            state=row["state"],
            message_id=MessageId(row["message_id"]),
            poll_id=None if row["poll_id"] is None else MessageId(row["poll_id"]),
            answered_by=None if answered_by is None else ParticipantId(answered_by),
            answered_at=row["answered_at"],
            created_at=row["created_at"],
        )


def _quote(row: Row, revisions: Sequence[Revision]) -> Quote:
    return Quote(
        quote_id=QuoteId(row["quote_id"]),
        tenant_id=TenantId(row["tenant_id"]),
        conversation_id=ConversationId(row["conversation_id"]),
        vendor_id=ParticipantId(row["vendor_id"]),
        number=row["number"],
        # Another transaction may have added one between the two queries.
        revisions=tuple(revisions[: max(row["revision"], 1)]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _place(quote_id: str, revision: int) -> str:
    return f"quote_revisions.content:{quote_id}:{revision}"
