"""Whenever the process dies, everything arrives, in order: at most once more than it would have."""

from collections.abc import Mapping

from bridge.storage.database import Database
from bridge.webhooks.courier import Answer
from bridge.webhooks.signing import ID
from tests.bridge.webhooks.post import Post, said
from tests.databases import quick_database
from tests.fakes.database import WrappedDatabase

MESSAGES = (("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"))


class Killed(BaseException):
    """The process has died here."""


class Death:
    """Kills at the given moment: before or after a commit, or around a request."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed


class Mortal(WrappedDatabase):
    def __init__(self, real: Database, death: Death) -> None:
        super().__init__(real)
        self.death = death

    async def before_commit(self) -> None:
        self.death()

    async def after_commit(self) -> None:
        self.death()


class Taking:
    """Answers 500 to the first attempt at "a2", and takes everything else."""

    def __init__(self, death: Death) -> None:
        self.death = death
        self.took: list[str] = []
        self.refused = False

    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
        self.death()
        if '"message_id":"a2"' in body and not self.refused:
            self.refused = True
            answer = Answer(500)
        else:
            self.took.append(headers[ID])
            answer = Answer(204)
        self.death()
        return answer


async def life(database: Database, carrier: Taking, clock_of: Post) -> None:
    """What a process does from its start on, until there is nothing left to do."""
    post = Post(database, carrier=carrier, clock=clock_of.clock)
    await post.plan()
    (endpoint,) = await post.endpoints.of(database, None)
    for _ in range(2):
        await post.send(endpoint)
        post.clock.advance(10_000)


async def delivered_with_a_death(at: int | None) -> int:
    async with quick_database() as real:
        before = Post(real)
        endpoint = await before.make("https://hooks.festipin.example/")
        await before.happens(*(said(*message) for message in MESSAGES))
        death = Death(at)
        carrier = Taking(death)
        try:
            await life(Mortal(real, death), carrier, before)
        except Killed:
            await life(real, carrier, before)
        rows = await before.kept(endpoint)
        assert [one.state for one in rows] == ["done"] * len(MESSAGES), f"killed at {at}"
        for conversation in ("a", "b"):
            ids = [one.happened.event_id for one in rows if one.happened.lane == conversation]
            arrived = [one for one in carrier.took if one in ids]
            assert list(dict.fromkeys(arrived)) == ids, f"killed at {at}"
        again = len(carrier.took) - len(MESSAGES)
        assert again in ((0,) if at is None else (0, 1)), f"killed at {at}"
        return death.passed


async def test_a_kill_at_any_moment_loses_nothing_and_keeps_the_order() -> None:
    steps = await delivered_with_a_death(None)
    assert steps > 15
    for at in range(1, steps + 1):
        await delivered_with_a_death(at)
