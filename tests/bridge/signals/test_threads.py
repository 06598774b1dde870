"""Threads are read apart from the rest where a client says so. Spec: client-server API, "Threaded read receipts"."""

import pytest

from bridge.core.ids import MessageId
from bridge.signals.model import NO_THREAD
from bridge.storage.database import Database
from tests.bridge.signals.test_reads import Reading


@pytest.fixture
async def reading(database: Database) -> Reading:
    reading = Reading(database)
    await reading.begin()
    return reading


async def read_by_anna(reading: Reading) -> dict[MessageId, int | None]:
    """When, by message."""
    found = await reading.deliveries()
    return {
        message_id: one.read_at
        for message_id, delivery in found.items()
        for one in delivery.recipients
        if one.participant_id == "anna"
    }


async def marks(reading: Reading) -> int:
    return int(await reading.database.fetch_value("SELECT COUNT(*) FROM thread_marks") or 0)


async def test_who_reads_a_thread_has_read_its_answers_up_to_there_and_nothing_else(reading: Reading) -> None:
    root, other = await reading.say("chef"), await reading.say("chef")
    by_api = await reading.say("chef", thread=root)
    in_client = await reading.say_in_client("ben", thread=root)
    elsewhere = await reading.say("chef", thread=other)
    later = await reading.say("chef", thread=root)
    assert (await reading.unread())["anna"] == 6
    await reading.seen("anna", in_client, part=await reading.thread(root))
    at = reading.clock.now()
    assert (await reading.unread())["anna"] == 4
    assert await read_by_anna(reading) == {
        root: None,
        other: None,
        by_api: at,
        in_client: at,
        elsewhere: None,
        later: None,
    }
    assert (await reading.deliveries())[in_client].status == "delivered"  # the chef has not read it


async def test_who_reads_what_stands_in_no_thread_has_read_no_answer_in_one(reading: Reading) -> None:
    root = await reading.say("chef")
    answer = await reading.say("chef", thread=root)
    last = await reading.say("chef")
    await reading.seen("anna", last, part=NO_THREAD)
    at = reading.clock.now()
    assert (await reading.unread())["anna"] == 1
    assert await read_by_anna(reading) == {root: at, answer: None, last: at}


@pytest.mark.parametrize("by_api", [False, True])
async def test_who_reads_without_a_word_of_threads_has_read_them_all(
    reading: Reading, *, by_api: bool
) -> None:
    """As clients do that know none, and whoever reads by the API: even what they had read but for the threads."""
    root = await reading.say("chef")
    answer, last = await reading.say("chef", thread=root), await reading.say("chef")
    await reading.seen("anna", last, part=NO_THREAD)
    first_at = reading.clock.now()
    reading.clock.advance(1_000)
    before = len(await reading.features.told())
    if by_api:
        assert await reading.read("anna", last) == 1
        assert await reading.read("anna", last) == 0
    else:
        for _ in range(2):
            await reading.seen("anna", last)
    assert (await reading.unread())["anna"] == 0
    assert await read_by_anna(reading) == {root: first_at, answer: first_at + 1_000, last: first_at}
    assert len(await reading.features.told()) == before + 1


async def test_what_was_read_first_in_its_thread_was_read_then(reading: Reading) -> None:
    root = await reading.say("chef")
    answer = await reading.say("chef", thread=root)
    await reading.seen("anna", answer, part=await reading.thread(root))
    at = reading.clock.now()
    reading.clock.advance(1_000)
    later = await reading.say("chef", thread=root)
    await reading.read("anna")
    assert await read_by_anna(reading) == {root: reading.clock.now(), answer: at, later: reading.clock.now()}


async def test_the_same_again_or_of_a_thread_without_answers_changes_nothing(reading: Reading) -> None:
    root, other = await reading.say("chef"), await reading.say("chef")
    answer = await reading.say("chef", thread=root)
    await reading.seen("anna", answer, part=await reading.thread(root))
    before = await reading.features.everything(), await marks(reading)
    await reading.seen("anna", answer, part=await reading.thread(root))
    await reading.seen("anna", answer, part=await reading.thread(other))
    assert (await reading.features.everything(), await marks(reading)) == before


async def test_a_thread_whose_beginning_comes_later_is_read_by_the_outsides_id(reading: Reading) -> None:
    here = reading.conversation.conversation_id
    thread = await reading.signals.read_store.thread(reading.database, here, "$unknown")
    assert thread.names == ["$unknown"]
    async with reading.database.transaction() as tx:
        members = await reading.features.conversation_store.members(tx, here)
        await reading.features.messages.receive(
            tx,
            reading.conversation,
            sender=members[1],
            text="Hello",
            origin_id="$answer",
            sent_at=reading.clock.now(),
            thread_origin="$unknown",
        )
    (answer,) = await reading.features.history(reading.conversation)
    assert (await reading.unread())["anna"] == 1
    await reading.seen("anna", answer.message_id, part=thread)
    assert (await reading.unread())["anna"] == 0


async def test_what_was_read_thread_by_thread_is_not_looked_through_again(reading: Reading) -> None:
    roots = [await reading.say("chef") for _ in range(3)]
    answers = [await reading.say("chef", thread=root) for root in roots]
    waiting = await reading.say("chef", thread=roots[0], sent=False)
    last = await reading.say("chef", thread=roots[1])

    async def passed() -> int:
        sql = "SELECT in_threads FROM read_positions WHERE participant_id = 'anna'"
        return int(await reading.database.fetch_value(sql) or 0)

    await reading.seen("anna", answers[1], part=await reading.thread(roots[1]))
    assert await passed() == await reading.position(answers[0]) - 1
    await reading.seen("anna", answers[0], part=await reading.thread(roots[0]))
    assert await passed() == await reading.position(answers[0])
    await reading.seen("anna", answers[2], part=await reading.thread(roots[2]))
    assert await passed() == await reading.position(answers[2])
    # What has yet to be delivered is not passed by: it will be unread then.
    await reading.seen("anna", last, part=await reading.thread(roots[1]))
    assert await passed() == await reading.position(waiting) - 1
    assert (await reading.unread())["anna"] == 3
    await reading.sent(waiting)
    assert (await reading.unread())["anna"] == 4
