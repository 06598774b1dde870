"""Nobody accepts what nobody stands by: its vendor has left, was removed, is blocked, or asked to be erased."""

import asyncio

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import ParticipantId
from bridge.messages.model import Message
from tests.bridge.conversations.features import TENANT, person
from tests.bridge.quotes.stall import ANNA, BEN, CHEF, DAY, Stall
from tests.bridge.quotes.test_votes import poll_of
from tests.databases import one_database

YES = "✅"
BAND = ParticipantId("band")
TOTAL = 384_000


async def joined_by_the_band(stall: Stall) -> None:
    async with stall.database.transaction() as tx:
        await stall.features.participants.put(tx, person("band", "The Band"))
        await stall.features.conversation_store.add_member(
            tx, stall.conversation, BAND, "vendor", standing="member"
        )


async def set_away(stall: Stall, away: str | None) -> None:
    """Of the vendor: however that has come."""
    async with stall.database.transaction() as tx:
        await tx.execute("UPDATE conversation_members SET away = $1 WHERE participant_id = $2", away, CHEF)


async def since(stall: Stall, said: int) -> list[str]:
    return [one.text for one in (await stall.festimo())[said:]]


async def test_the_room_is_told_why_it_cannot_be_accepted(stall: Stall) -> None:
    quote = await stall.send()
    await stall.leave(CHEF)
    said = len(await stall.festimo())
    await stall.react(quote.latest.message_id, YES)
    (text,) = await since(stall, said)
    assert text == (
        "Anna: Who offered this takes part in the conversation no more, so it cannot be accepted. Nothing was changed."
    )
    with pytest.raises(Refusal) as refused:
        await stall.accept(quote, 1, TOTAL)
    assert refused.value.code == "vendor_gone"
    assert (await stall.state(quote), await stall.events()) == ("sent", ["Sent"])


@one_database
async def test_who_comes_back_stands_by_it_again(stall: Stall) -> None:
    quote = await stall.send()
    await stall.leave(CHEF)
    await set_away(stall, None)
    await stall.accept(quote, 1, TOTAL)
    assert await stall.state(quote) == "accepted"


@one_database
@pytest.mark.parametrize("away", ["removed", "declined"])
async def test_who_was_removed_has_gone_and_who_declined_is_spoken_for(stall: Stall, away: str) -> None:
    quote = await stall.send()
    await set_away(stall, away)
    await stall.react(quote.latest.message_id, YES)
    assert await stall.state(quote) == {"removed": "sent", "declined": "asked"}[away]


@one_database
async def test_what_a_blocked_vendor_offers_waits_for_the_end_of_the_block(stall: Stall) -> None:
    quote = await stall.send()
    await stall.react(quote.latest.message_id, YES)
    question = await stall.question()
    await stall.block("vendor")
    with pytest.raises(Refusal) as refused:
        await stall.accept(quote, 1, TOTAL)
    assert refused.value.code == "vendor_gone"
    await stall.react(question.message_id, YES)
    assert "is blocked in the conversation" in (await stall.last()).text
    assert await stall.state(quote) == "asked"
    await stall.block(None)
    await stall.react(question.message_id, YES)
    assert await stall.state(quote) == "accepted"


@one_database
async def test_of_several_vendors_it_matters_who_offers_it(stall: Stall) -> None:
    await joined_by_the_band(stall)
    of_chef, of_band = await stall.send(), await stall.send(by=BAND)
    await stall.leave(BAND)
    await stall.accept(of_chef, 1, TOTAL)
    with pytest.raises(Refusal) as refused:
        await stall.accept(of_band, 1, TOTAL, by=BEN)
    assert refused.value.code == "vendor_gone"
    assert (await stall.state(of_chef), await stall.state(of_band)) == ("accepted", "sent")


async def test_what_the_erased_offer_is_withdrawn_and_they_are_not_named(stall: Stall) -> None:
    await joined_by_the_band(stall)
    accepted, open_, over = await stall.send(), await stall.send(), await stall.send(days=1)
    of_band = await stall.send(by=BAND)
    await stall.accept(accepted, 1, TOTAL)
    stall.clock.advance(DAY)
    said = len(await stall.festimo())
    await stall.erase(CHEF)
    quotes = (accepted, open_, over, of_band)
    assert [await stall.state(one) for one in quotes] == ["accepted", "withdrawn", "expired", "sent"]
    assert await stall.events() == [*["Sent"] * 4, "Accepted", "Withdrawn", "Expired"]
    now = (await stall.get(open_.quote_id)).latest
    assert (now.answered_by, now.answered_at) == (None, stall.clock.now())
    told = (await stall.festimo())[said:]
    assert told[0].text == "Quote 2 (“Catering”) is withdrawn, as who offered it has gone."
    assert told[0].reply_to == open_.latest.message_id
    assert not [one for one in told if _names(one, "Sweet Bites")]
    await stall.react(open_.latest.message_id, YES)
    assert (await stall.last()).text == (
        "Anna: Quote 2 was withdrawn, as who offered it has gone. Nothing was changed."
    )
    before = await stall.features.everything()
    await stall.erase(CHEF)
    assert await stall.features.everything() == before


def _names(message: Message, name: str) -> bool:
    return name in message.text or CHEF in message.mentions


@one_database
async def test_it_is_withdrawn_wherever_it_was_offered(stall: Stall) -> None:
    """Also where they had gone before, and where nobody can write."""
    quote = await stall.send()
    await stall.leave(CHEF)
    other = await stall.features.open(party="p2")
    async with stall.database.transaction() as tx:
        elsewhere = await stall.quotes.send(tx, other, by=CHEF, offer=quote.latest.offer)
    async with stall.database.transaction() as tx:
        await stall.features.conversation_changes.act(tx, other, "close", asking=None)
    await stall.erase(CHEF)
    assert [await stall.state(one) for one in (quote, elsewhere)] == ["withdrawn", "withdrawn"]


@one_database
async def test_the_polls_of_the_erased_are_closed(polling_stall: Stall) -> None:
    quote = await polling_stall.send()
    await polling_stall.vote(poll_of(quote), "1")
    await polling_stall.erase(CHEF)
    assert (await polling_stall.state(quote), await polling_stall.open_polls()) == ("withdrawn", [])


@one_database
async def test_one_that_cannot_be_read_keeps_nobody_from_being_erased(stall: Stall) -> None:
    broken, whole = await stall.send(), await stall.send()
    await stall.damage(broken)
    await stall.erase(CHEF)
    assert await stall.state(whole) == "withdrawn"
    assert (await stall.events()).count("Withdrawn") == 2
    assert await stall.store.next(stall.database) is None
    assert await stall.store.open_of(stall.database, TENANT, CHEF) == []


async def test_an_acceptance_and_the_erasure_at_once_have_one_outcome(stall: Stall) -> None:
    quote = await stall.send()
    found = await asyncio.gather(
        stall.accept(quote, 1, TOTAL, by=ANNA), stall.erase(CHEF), return_exceptions=True
    )
    assert all(one is None or isinstance(one, Refusal) for one in found), found
    told = await stall.events()
    assert told in (["Sent", "Accepted"], ["Sent", "Withdrawn"])
    assert await stall.state(quote) == told[1].lower()
