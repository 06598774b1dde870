"""What one side says, by their own token, the other side has, and both see how far it has come."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.ids import MessageId
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened
from tests.bridge.api.world import World
from tests.examples import examples

SIDES = ("u-anna", "v-1")
# Who says it, and whether the other side reads up to it at once.
TURNS = st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=4)


@pytest.fixture
async def here(people: People) -> str:
    """A conversation for all examples."""
    return await opened(people.sides.ours)


async def unread(api: Api, conversation_id: str, who: str) -> int:
    view = (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json
    return int(next(one["unread_count"] for one in view["participants"] if one["participant_id"] == who))


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns=TURNS)
async def test_whatever_is_said_is_delivered_confirmed_and_shown_to_both_sides(
    people: People, world: World, here: str, turns: list[tuple[int, bool]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 3: every message is delivered, confirmed and updates
    the thread for both sides"""
    apis = (people.anna, people.sweet_bites)
    said: list[str] = []

    async def both_show(message_id: str, status: str) -> None:
        first, second = [(await api.get(f"/api/v1/messages/{message_id}")).json for api in apis]
        assert first == second
        assert first["status"] == status

    for number, (side, is_read) in enumerate(turns):
        me, other = apis[side], apis[1 - side]
        before = await unread(other, here, SIDES[1 - side])
        posted = await me.post(messages_of(here), {"text": f"Turn {number}"})
        assert (posted.status, posted.json["sender_id"]) == (201, SIDES[side])
        said.append(posted.json["message_id"])
        await both_show(said[-1], "pending")
        async with world.database.transaction() as tx:
            await world.messages.sent(tx, MessageId(said[-1]), origin_id=f"${said[-1]}")
        await both_show(said[-1], "delivered")
        assert await unread(other, here, SIDES[1 - side]) == before + 1
        if is_read:
            await other.post(f"{CONVERSATIONS}/{here}/read", {"up_to_message_id": said[-1]})
            await both_show(said[-1], "read")
            assert [await unread(api, here, SIDES[1 - side]) for api in apis] == [0, 0]
    lists = [(await api.get(messages_of(here), limit=len(said))).json["messages"] for api in apis]
    assert lists[0] == lists[1]
    assert [one["message_id"] for one in lists[0]] == said
