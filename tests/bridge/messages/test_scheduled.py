"""What is scheduled is said once, in order and in time, whenever the bridge dies, and costs nothing in between."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.conversations.model import Conversation
from bridge.core.ids import ParticipantId
from bridge.delivery import due
from bridge.messages.scheduled.due import DueMessages
from bridge.messages.scheduled.model import Draft
from bridge.messages.scheduled.service import Schedule
from bridge.messages.scheduled.store import Next, ScheduledStore
from bridge.storage.database import Database, DatabaseError, Reader, open_database
from tests.bridge.conversations.features import Features
from tests.simulation.faults import Faults, Life, Moment, MortalDatabase, Plan, What
from tests.simulation.loop import SimulatedClock, SimulatedLoop

HOUR = 60 * 60 * 1000
TEXTS = ("1", "2", "refused", "3")


class Desk:
    """The features, with a schedule; each life of the process has objects of its own on the same database."""

    def __init__(self, database: Database) -> None:
        self.features = features = Features(database)
        self.store = ScheduledStore(features.sealer)
        self.schedule = Schedule(
            self.store, features.messages, features.conversation_store, features.outbox, features.clock
        )

    def due(self, database: Database) -> DueMessages:
        return DueMessages(database, self.store, self.schedule, self.features.clock)

    async def add(self, conversation: Conversation, text: str, *, at: int) -> str:
        async with self.features.database.transaction() as tx:
            one = await self.schedule.schedule(
                tx, conversation, sender_id=ParticipantId("anna"), draft=Draft(text=text), send_at=at
            )
        return one.scheduled_id

    async def states(self) -> list[tuple[str, str | None]]:
        rows = await self.features.database.fetch(
            "SELECT status, content FROM scheduled_messages ORDER BY send_at"
        )
        return [(row["status"], None if row["content"] is None else "content") for row in rows]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def die(desk: Desk, plan: Plan) -> bool:
    """One life that does what is due, until it comes to the fault. Return whether it did."""
    faults = Faults(random.Random(1))
    faults.plans.append(plan)
    mortal = MortalDatabase(desk.features.database, Life(faults))
    with suppress(asyncio.CancelledError, DatabaseError):
        await desk.due(mortal).do_due()
    return not faults.plans


@pytest.mark.parametrize("what", ["dies", "fails"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_at_any_commit_loses_nothing_and_says_nothing_twice(
    desk: Desk, moment: Moment, what: What
) -> None:
    """Or a commit that fails, stored or not: as PostgreSQL's may."""
    features = desk.features
    countdown, came = 1, True
    while came:
        conversation = await features.open(party=f"p{countdown}")
        soon = features.clock.now() + HOUR
        for number, text in enumerate(TEXTS):
            scheduled_id = await desk.add(conversation, text, at=soon + number)
            if text == "refused":
                async with features.database.transaction() as tx:
                    await tx.execute(
                        "UPDATE scheduled_messages SET sender_id = 'nobody' WHERE scheduled_id = $1",
                        scheduled_id,
                    )
        features.clock.advance(2 * HOUR)
        came = await die(desk, Plan("commit", moment, what, countdown))
        await desk.due(features.database).do_due()
        assert [message.text for message in await features.history(conversation)] == ["1", "2", "3"]
        told = [
            fields["message_id"]
            for name, fields in await features.told()
            if name == "MessagePosted" and fields["conversation_id"] == conversation.conversation_id
        ]
        assert told == [message.message_id for message in await features.history(conversation)]
        assert (await desk.states())[-4:] == [
            ("sent", None),
            ("sent", None),
            ("failed", "content"),
            ("sent", None),
        ]
        countdown += 1
    assert countdown == len(TEXTS) + 2, "each of its commits was visited, and once there was none to visit"


@pytest.mark.parametrize("what", ["cancelled", "put off"])
async def test_what_is_changed_just_before_it_is_sent_counts(desk: Desk, what: str) -> None:
    """After it was found to be due, that is."""
    features = desk.features
    conversation = await features.open()
    await desk.add(conversation, "Too early", at=features.clock.now() + HOUR)
    features.clock.advance(HOUR)
    found = await desk.store.next(features.database)
    assert found is not None
    async with features.database.transaction() as tx:
        if what == "cancelled":
            await desk.schedule.cancel(tx, found.scheduled_id)
        else:
            later = features.clock.now() + HOUR
            await desk.schedule.change(tx, found.scheduled_id, text=None, html=None, send_at=later)
    before = await features.everything()
    async with features.database.transaction() as tx:
        await desk.schedule.send(tx, found.scheduled_id)
    assert await features.everything() == before
    assert await features.history(conversation) == []


class Looking(ScheduledStore):
    """Counts how often somebody looks for what is due."""

    looks = 0

    async def next(self, reader: Reader) -> Next | None:
        self.looks += 1
        return await super().next(reader)


def test_it_is_said_within_a_second_and_almost_nothing_happens_before(tmp_path: Path) -> None:
    """In virtual time. Also what is scheduled for soon while it sleeps, and by another process."""

    async def story() -> None:
        database = await open_database(f"sqlite:///{tmp_path / 'bridge.db'}")
        desk, clock = Desk(database), SimulatedClock()
        store = Looking(desk.features.sealer)

        def schedule() -> Schedule:
            features = desk.features
            return Schedule(store, features.messages, features.conversation_store, features.outbox, clock)

        ours, anothers = schedule(), schedule()
        conversation = await desk.features.open()

        async def later(by: Schedule, text: str, milliseconds: int) -> int:
            send_at = clock.now() + milliseconds
            async with database.transaction() as tx:
                await by.schedule(
                    tx, conversation, sender_id=ParticipantId("anna"), draft=Draft(text=text), send_at=send_at
                )
            return send_at

        async def said(text: str) -> int:
            for _ in range(2 * HOUR // 50):
                if text in [one.text for one in await desk.features.history(conversation)]:
                    return clock.now()
                await asyncio.sleep(0.05)
            raise AssertionError(f"{text} is never said")

        work = asyncio.create_task(DueMessages(database, store, ours, clock).run())
        await asyncio.sleep(2)
        send_at = await later(ours, "in an hour", HOUR)
        assert 0 <= await said("in an hour") - send_at < 1_000
        assert store.looks < HOUR / 1_000 / due.LOOK_EVERY + 10
        send_at = await later(ours, "soon", 300)
        assert 0 <= await said("soon") - send_at < 1_000
        send_at = await later(anothers, "elsewhere", 300)
        assert 0 <= await said("elsewhere") - send_at < due.LOOK_EVERY * 1_000
        work.cancel()
        await asyncio.wait([work])
        await database.close()

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(story())
