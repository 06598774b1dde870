"""What is stored of quotes: all that was offered, sealed; and nothing that does not belong together."""

import asyncio
from typing import Any

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import QuoteId, TenantId
from bridge.storage.sealing import CannotOpen
from tests.bridge.conversations.features import TABLES, TENANT
from tests.bridge.quotes.stall import ANNA, BEN, CHEF, DAY, Stall, offer

TOTAL = 123_456_700
SECRETS = ("123456700", "1,234,567", "Catering", "Menu", "EUR")
"""What no random id holds by chance."""


async def plain(stall: Stall) -> str:
    """Everything of all tables that is no bytes."""
    found = ""
    for table in (*TABLES, "feed"):
        rows: Any = await stall.database.fetch(f"SELECT * FROM {table}")
        found += "".join(str(value) for row in rows for value in tuple(row) if not isinstance(value, bytes))
    return found


async def test_a_quote_comes_back_as_it_was_and_no_price_is_plaintext(stall: Stall) -> None:
    sent = await stall.send(TOTAL)
    again = await stall.get(sent.quote_id)
    assert (again.latest.offer, again.number, again.vendor_id) == (offer(TOTAL), 1, CHEF)
    await stall.react(sent.latest.message_id, "✅")
    await stall.react((await stall.question()).message_id, "✅")
    accepted = (await stall.get(sent.quote_id)).latest
    assert (accepted.state, accepted.answered_by, accepted.answered_at) == (
        "accepted",
        ANNA,
        stall.clock.now(),
    )
    stored = await plain(stall)
    assert [secret for secret in SECRETS if secret in stored] == []
    rows: Any = await stall.database.fetch("SELECT content FROM quote_revisions")
    assert all(b"Menu" not in row["content"] for row in rows)


async def test_a_sealed_offer_moved_to_another_revision_does_not_open(stall: Stall) -> None:
    quote = await stall.send(100_000)
    await stall.revise(quote, 900_000)
    async with stall.database.transaction() as tx:
        await tx.execute(
            "UPDATE quote_revisions SET content = (SELECT content FROM quote_revisions WHERE revision = 1)"
        )
    with pytest.raises(CannotOpen):
        await stall.get(quote.quote_id)


async def test_quotes_are_found_by_tenant_message_and_page(stall: Stall) -> None:
    store, database = stall.store, stall.database
    made = [await stall.send(1_000 * number) for number in range(1, 4)]
    assert await store.find(database, TenantId("other"), made[0].quote_id) is None
    assert (await store.find(database, TENANT, made[0].quote_id)) == made[0]
    assert await store.get(database, QuoteId("unknown")) is None
    here = stall.conversation.conversation_id
    page = await store.of_conversation(database, here, limit=2)
    assert [one.number for one in page] == [3, 2]
    rest = await store.of_conversation(database, here, before=2, limit=2)
    assert [one.number for one in rest] == [1]
    target = await store.target(database, made[1].latest.message_id)
    assert target is not None
    assert (target.quote_id, target.revision, target.is_question) == (made[1].quote_id, 1, False)
    await stall.react(made[1].latest.message_id, "✅")
    asked = await store.target(database, (await stall.question()).message_id)
    assert asked is not None
    assert (asked.quote_id, asked.revision, asked.is_question) == (made[1].quote_id, 1, True)
    elsewhere = await stall.features.post(stall.conversation, text="Hello")
    assert await store.target(database, elsewhere) is None


async def test_what_expires_first_is_next_and_what_is_over_is_not(stall: Stall) -> None:
    late, soon = await stall.send(days=9), await stall.send(days=3)
    found = await stall.store.next(stall.database)
    assert found is not None
    assert (found.quote_id, found.valid_until) == (soon.quote_id, stall.clock.now() + 3 * DAY)
    await stall.withdraw(soon)
    found = await stall.store.next(stall.database)
    assert found is not None
    assert found.quote_id == late.quote_id
    await stall.decline(late, 1)
    assert await stall.store.next(stall.database) is None


async def test_of_two_at_once_one_is_the_outcome(stall: Stall) -> None:
    """By API and in the conversation, of two hosts and the vendor: as several processes do."""
    quote = await stall.send()
    await stall.react(quote.latest.message_id, "✅")
    question = await stall.store.target(stall.database, (await stall.question()).message_id)
    assert question is not None

    async def confirmed() -> None:
        async with stall.database.transaction() as tx:
            await stall.answering.answered(tx, question, by=ANNA, answer="confirm", in_words=False)

    found = await asyncio.gather(
        confirmed(),
        stall.accept(quote, 1, 384_000, by=BEN),
        stall.decline(quote, 1, by=BEN),
        stall.withdraw(quote),
        _done(stall.revise(quote, 1_000)),
        return_exceptions=True,
    )
    assert all(one is None or isinstance(one, Refusal) for one in found), found
    events = await stall.events()
    assert len([one for one in events if one != "Sent"]) <= 1 + (events.count("Sent") > 1)
    assert events.count("Accepted") <= 1
    now = await stall.get(quote.quote_id)
    assert [one.state for one in now.revisions].count("accepted") == events.count("Accepted")
    assert await stall.store.questions(stall.database, quote.quote_id) == []


async def _done(work: Any) -> None:
    await work


async def test_numbers_of_quotes_are_their_own_even_at_once(stall: Stall) -> None:
    made = await asyncio.gather(*(stall.send(1_000) for _ in range(4)))
    assert sorted(one.number for one in made) == [1, 2, 3, 4]
