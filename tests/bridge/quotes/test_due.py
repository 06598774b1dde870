"""Quotes expire once, in time, whenever the bridge dies."""

import asyncio
import random
from contextlib import suppress

import pytest

from bridge.storage.database import DatabaseError
from tests.bridge.quotes.stall import DAY, Stall
from tests.databases import one_database, quick_database
from tests.simulation.faults import Faults, Life, Moment, MortalDatabase, Plan, What


async def test_what_nobody_answered_expires_and_is_told_of_once(stall: Stall) -> None:
    first, second, answered = await stall.send(days=2), await stall.send(days=1), await stall.send(days=1)
    await stall.decline(answered, 1)
    assert await stall.due().do_due() == 5.0
    await stall.later(DAY - 2_000)
    assert await stall.due().do_due() == 2.0
    assert await stall.state(second) == "sent"
    await stall.later(2_000)
    assert [await stall.state(one) for one in (first, second, answered)] == ["sent", "expired", "declined"]
    await stall.later(DAY)
    assert await stall.events() == ["Sent"] * 3 + ["Declined", "Expired", "Expired"]
    said = [one.text for one in await stall.festimo() if "has expired" in one.text]
    assert said == [
        f"Quote {number} (“Catering”) has expired. The vendor can send another revision." for number in (2, 1)
    ]
    assert (await stall.get(first.quote_id)).latest.answered_at == stall.clock.now()


@one_database
@pytest.mark.parametrize("what", ["dies", "fails"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_at_any_commit_lets_each_expire_once(moment: Moment, what: What) -> None:
    countdown, came = 1, True
    while came:
        async with quick_database() as database:
            stall = await Stall(database).opened()
            for _ in range(3):
                await stall.send(days=1)
            stall.clock.advance(DAY)
            faults = Faults(random.Random(1))
            faults.plans.append(Plan("commit", moment, what, countdown))
            with suppress(asyncio.CancelledError, DatabaseError):
                await stall.due(MortalDatabase(database, Life(faults))).do_due()
            came = not faults.plans
            await stall.due().do_due()
            assert await stall.events() == ["Sent"] * 3 + ["Expired"] * 3, countdown
            assert sum("has expired" in one.text for one in await stall.festimo()) == 3
        countdown += 1
    assert countdown == 5, "each of the three commits was visited, and once there was none to visit"


@one_database
async def test_one_that_cannot_be_read_keeps_no_other_waiting(stall: Stall) -> None:
    broken, whole = await stall.send(days=1), await stall.send(days=1)
    await stall.damage(broken)
    await stall.later(DAY)
    assert await stall.state(whole) == "expired"
    assert (await stall.events()).count("Expired") == 2
    assert await stall.store.next(stall.database) is None


@one_database
async def test_in_a_deleted_conversation_it_expires_without_a_word(stall: Stall) -> None:
    quote = await stall.send(days=1)
    async with stall.database.transaction() as tx:
        await tx.execute("UPDATE conversations SET deleted_at = 1")
    said = len(await stall.festimo())
    await stall.later(DAY)
    assert (await stall.state(quote), len(await stall.festimo())) == ("expired", said)
