"""What one side says the other side has, and both see how far it has come."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Conversation
from bridge.core.caller import Caller
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.views import MessageView
from bridge.signals.reads import Place
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import messages_of, opened
from tests.bridge.api.world import OURS, World
from tests.examples import examples

ANNA, CHEF = ParticipantId("u-anna"), ParticipantId("v-1")
CALLERS = {
    ANNA: Caller(tenant_id=OURS, role="host", participant_id=ANNA),
    CHEF: Caller(tenant_id=OURS, role="vendor", participant_id=CHEF),
}
OTHER = {ANNA: CHEF, CHEF: ANNA}
# Who says it, and whether the other side reads up to it at once.
TURNS = st.lists(st.tuples(st.sampled_from((ANNA, CHEF)), st.booleans()), min_size=1, max_size=3)


@pytest.fixture
async def here(people: People) -> Conversation:
    """For all examples."""
    conversation_id = ConversationId(await opened(people.sides.ours))
    found = await people.world.conversation_store.get(people.world.database, conversation_id)
    assert found is not None
    return found


@pytest.fixture
def apis(people: People) -> tuple[Api, Api]:
    """Of the host and of the vendor."""
    return people.anna, people.sweet_bites


async def shown(world: World, message_id: MessageId) -> MessageView:
    """To both sides alike."""
    message = await world.message_store.get(world.database, message_id)
    assert message is not None
    views = [await world.message_views.one(world.database, who, message) for who in CALLERS.values()]
    assert views[0] == views[1]
    return views[0]


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns=TURNS)
async def test_whatever_is_said_is_delivered_confirmed_and_shown_to_both_sides(
    apis: tuple[Api, Api], world: World, here: Conversation, turns: list[tuple[ParticipantId, bool]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 3: every message is delivered, confirmed and updates
    the thread for both sides"""
    conversation_id = here.conversation_id
    said: list[MessageId] = []

    async def unread(who: ParticipantId) -> int:
        return (await world.signals.unread.unread(world.database, [conversation_id]))[conversation_id][who]

    for number, (sender, is_read) in enumerate(turns):
        other = OTHER[sender]
        before = await unread(other)
        async with world.database.transaction() as tx:
            said.append(await world.messages.post(tx, here, sender_id=sender, text=f"Turn {number}"))
        assert (await shown(world, said[-1])).status == "pending"
        async with world.database.transaction() as tx:
            await world.messages.sent(tx, said[-1], origin_id=f"${said[-1]}")
        assert (await shown(world, said[-1])).status == "delivered"
        assert await unread(other) == before + 1
        if is_read:
            async with world.database.transaction() as tx:
                await world.signals.reads.read(
                    tx, Place(tenant_id=OURS, conversation_id=conversation_id, participant_id=other)
                )
            assert (await shown(world, said[-1])).status == "read"
            assert await unread(other) == 0
    lists = [(await api.get(messages_of(conversation_id), limit=len(said))).json["messages"] for api in apis]
    assert lists[0] == lists[1]
    assert [one["message_id"] for one in lists[0]] == said
