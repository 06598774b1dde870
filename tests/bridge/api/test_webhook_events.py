"""Each event that the page of the webhooks names happens, and is delivered under that name."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.core.ids import ConversationId, MessageId, ParticipantId, QuoteId
from bridge.webhooks.model import Endpoint
from bridge.webhooks.payload import known_events
from bridge.webhooks.rules import DAY
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import quoted
from tests.bridge.api.test_access import ask, booked, failed, ids_of
from tests.bridge.api.world import OURS, World
from tests.bridge.webhooks.post import Post
from tests.bridge.webhooks.receiver import Receiver, receiving

PAGE = (Path(__file__).parents[3] / "docs/webhooks.md").read_text()
TABLE = PAGE.partition("| type | what happened |")[2].partition("\n\n")[0]
NAMED = [
    name
    for row in TABLE.splitlines()
    if row.startswith("| `")
    for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1])
]


@dataclass(frozen=True, slots=True)
class Stage:
    sides: Sides
    world: World
    post: Post
    receiver: Receiver
    endpoint: Endpoint

    async def told(self) -> list[dict[str, Any]]:
        """All that has been delivered by now."""
        await self.post.plan()
        await self.post.send(self.endpoint)
        return self.receiver.took


@pytest.fixture
async def stage(sides: Sides, world: World) -> AsyncIterator[Stage]:
    post = Post(world.database)
    async with receiving() as receiver, post.courier:
        endpoint = await post.make(receiver.url(), tenant=OURS)
        receiver.secrets = [endpoint.secrets.current]
        yield Stage(sides, world, post, receiver, endpoint)


async def is_delivered(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    async with stage.world.database.transaction() as tx:
        await stage.world.messages.sent(tx, MessageId(ids["message_id"]), origin_id="$1")


async def is_not_delivered(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    await failed(stage.world, ids["message_id"])


async def a_vendor_answers(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    stage.world.clock.advance(60_000)
    await ask(stage.sides.ours, "postMessage", ids, {"postMessage": {"sender_id": "v-1", "text": "Gladly"}})


async def somebody_comes(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    async with stage.world.database.transaction() as tx:
        await stage.world.conversations.came_with_account(
            tx, OURS, ConversationId(ids["conversation_id"]), ParticipantId("v-1"), spoken_for=True
        )


async def somebody_declines(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    async with stage.world.database.transaction() as tx:
        await stage.world.conversations.went(
            tx, ConversationId(ids["conversation_id"]), ParticipantId("v-1"), "declined"
        )


async def a_quote_expires(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    until = "2027-01-16T08:00:00Z"
    sent = await quoted(stage.sides.ours, ids["conversation_id"], valid_until=until)
    stage.world.clock.advance(DAY)
    async with stage.world.database.transaction() as tx:
        await stage.world.quotes.expire(tx, QuoteId(sent.json["quote_id"]))


async def a_booking_is_told(stage: Stage) -> None:
    ids = await ids_of(stage.sides, stage.world, "postMessage")
    await booked(stage.world, ids["conversation_id"])


async def somebody_asks(stage: Stage) -> None:
    async with stage.post.database.transaction() as tx:
        await stage.post.webhooks.test(tx, OURS, stage.endpoint.endpoint_id)


PLAYED: Mapping[str, tuple[str, ...] | Callable[[Stage], Awaitable[None]]] = {
    "message.sent": ("postMessage",),
    "message.delivered": is_delivered,
    "message.failed": is_not_delivered,
    "message.edited": ("editMessage",),
    "message.deleted": ("deleteMessage",),
    "message.linked": ("linkMessageToLead",),
    "message.read": ("readConversation",),
    "reaction.added": ("addReaction",),
    "reaction.removed": ("addReaction", "removeReaction"),
    "poll.voted": ("votePoll",),
    "poll.closed": ("closePoll",),
    "vendor.replied": a_vendor_answers,
    "conversation.created": ("openConversation",),
    "conversation.closed": ("closeConversation",),
    "conversation.archived": ("archiveConversation",),
    "conversation.blocked": ("blockConversation",),
    "conversation.reopened": ("closeConversation", "reopenConversation"),
    "conversation.updated": ("changeConversation",),
    "conversation.pins_changed": ("pinMessage",),
    "participant.added": ("addParticipants",),
    "participant.came": somebody_comes,
    "participant.declined": somebody_declines,
    "participant.left": ("leaveConversation",),
    "participant.removed": ("removeParticipant",),
    "quote.sent": ("sendQuote",),
    "quote.accepted": ("acceptQuote",),
    "quote.declined": ("declineQuote",),
    "quote.expired": a_quote_expires,
    "quote.withdrawn": ("withdrawQuote",),
    "booking.updated": a_booking_is_told,
    "lead.status_changed": ("changeLead",),
    "vendor.updated": ("changeVendor",),
    "vendor.status_changed": ("setVendorStatus",),
    "vendor.rated": ("rateVendor",),
    "vendor.response_time_changed": a_vendor_answers,
    "webhook.test": somebody_asks,
}
"""What makes each of them happen: operations, or something that no operation does."""


@pytest.mark.parametrize("name", NAMED)
async def test_what_the_page_names_is_delivered_under_that_name(stage: Stage, name: str) -> None:
    play = PLAYED[name]
    if isinstance(play, tuple):
        ids = await ids_of(stage.sides, stage.world, play[-1])
        for operation in play:
            answer = await ask(stage.sides.ours, operation, ids)
            assert answer.status in (200, 201, 202), (operation, answer.json)
    else:
        await play(stage)
    (told, *_) = [body for body in await stage.told() if body["type"] == name]
    expected = known_events().get(name, frozenset[str]())
    assert expected <= told["data"].keys()


def test_all_of_them_are_played() -> None:
    assert sorted(NAMED) == sorted(PLAYED)
