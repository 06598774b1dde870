"""Whatever fails, in whatever order: each event arrives, and those of a conversation one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.storage.database import Database
from bridge.webhooks import rules
from bridge.webhooks.courier import Answer
from bridge.webhooks.model import Endpoint
from bridge.webhooks.signing import ID
from tests.bridge.webhooks.post import TENANT, Post, said
from tests.databases import one_database

CONVERSATIONS = ("a", "b", "c")
ANSWERS = (204, 204, 500, None, 302, 429)


@dataclass
class Moody:
    """Answers as it is told to, then takes everything."""

    answers: list[int | None] = field(default_factory=list)
    took: list[tuple[str, str]] = field(default_factory=list)

    async def carry(self, url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
        status = self.answers.pop() if self.answers else 204
        if status == 204:
            self.took.append((url, headers[ID]))
        return Answer(status, None if status else "no connection")


async def round_of(post: Post, endpoints: list[Endpoint], picks: list[int]) -> None:
    """Of each endpoint, some of what is due, in any order."""
    for endpoint in endpoints:
        due = await post.deliverer.due(endpoint)
        assert len({one.happened.lane for one in due}) == len(due), "one of a lane at a time"
        for pick in picks[: len(due)]:
            one = due.pop(pick % len(due))
            await post.deliverer.attempt(endpoint, one)


@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.sampled_from(CONVERSATIONS), min_size=1, max_size=3),
            st.lists(st.integers(0, 5), min_size=1, max_size=4),
        ),
        min_size=2,
        max_size=5,
    ),
    answers=st.lists(st.sampled_from(ANSWERS), max_size=6),
    pauses=st.lists(st.sampled_from(rules.SCHEDULE[:3]), min_size=6, max_size=6),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@one_database
async def test_order_holds_whatever_fails(
    database: Database, steps: list[list[str] | list[int]], answers: list[int | None], pauses: list[int]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 3: every message is delivered, confirmed and updates
    the thread for both sides, in order, to each program that is told of it."""
    carrier = Moody(answers)
    post = Post(database, carrier=carrier)
    endpoints = [await post.make(f"https://hooks.festipin.example/{number}") for number in range(2)]
    said_so_far = 0
    for step, pause in zip(steps, pauses, strict=False):
        if isinstance(step[0], str):
            await post.happens(*(said(f"m{said_so_far}.{i}", str(one)) for i, one in enumerate(step)))
            said_so_far += len(step)
            await post.plan()
        else:
            await round_of(post, endpoints, [int(pick) for pick in step])
        post.clock.advance(pause)
    while await post.deliveries.first_due(database):
        post.clock.advance(rules.DAY // 4)
        for endpoint in endpoints:
            await post.send(endpoint)
    for endpoint in endpoints:
        rows = await post.kept(endpoint)
        assert [one.state for one in rows] == ["done"] * said_so_far
        arrived = [event_id for url, event_id in carrier.took if url == endpoint.address.url]
        assert len(arrived) == len(rows)
        for conversation in CONVERSATIONS:
            ids = [one.happened.event_id for one in rows if one.happened.lane == conversation]
            assert [one for one in arrived if one in ids] == ids
    for endpoint in endpoints:
        async with database.transaction() as tx:
            await post.webhooks.delete(tx, TENANT, endpoint.endpoint_id)
