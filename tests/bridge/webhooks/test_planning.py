"""From the feed to rows: each event that an endpoint wants, once, from when it was made."""

from typing import Any

from bridge.conversations.events import ConversationOpened, ConversationStatusChanged
from bridge.core.events import Event
from bridge.core.ids import ConversationId, MessageId, ParticipantId, VendorId
from bridge.messages.events import MessageEdited, MessageReceived
from bridge.messages.hidden.events import MessageHidden
from bridge.signals.events import ConversationRead
from bridge.vendors.events import VendorRated, place_of
from bridge.webhooks.model import Attempt
from bridge.webhooks.planning import DEAD_KEPT
from bridge.webhooks.rules import HOUR
from tests.bridge.webhooks.post import FEED_KEPT, KEPT, OTHERS, TENANT, Post, said

URL = "https://hooks.festipin.example/"
HERE: dict[str, Any] = {"tenant_id": TENANT, "conversation_id": ConversationId("c1")}
M1 = MessageId("m1")

# What happened, and what programs are told of it; None: nothing.
TOLD: list[tuple[Event, str | None]] = [
    (said("m1"), "message.sent"),
    (MessageReceived(**HERE, message_id=M1, for_festimo=False, automated=False), "message.sent"),
    (MessageEdited(**HERE, message_id=M1, edit_id=None), "message.edited"),
    (
        ConversationRead(**HERE, reader_id=ParticipantId("v-1"), position=1, at=0, in_client=True),
        "message.read",
    ),
    (ConversationOpened(**HERE), "conversation.created"),
    (ConversationStatusChanged(**HERE, before="active", status="closed"), "conversation.closed"),
    (ConversationStatusChanged(**HERE, before="closed", status="active"), "conversation.reopened"),
    (ConversationStatusChanged(**HERE, before="active", status="archived"), "conversation.archived"),
    (
        VendorRated(
            tenant_id=TENANT,
            conversation_id=place_of(TENANT, VendorId("v-1")),
            vendor_id=VendorId("v-1"),
        ),
        "vendor.rated",
    ),
    # Nobody else is to know.
    (MessageHidden(**HERE, message_id=M1, participant_id=ParticipantId("u-anna")), None),
]


async def test_each_event_has_the_name_that_programs_know(post: Post) -> None:
    endpoint = await post.make(URL)
    await post.happens(*(event for event, _ in TOLD))
    await post.plan()
    rows = await post.kept(endpoint)
    assert [one.happened.event for one in rows] == [name for _, name in TOLD if name is not None]
    assert rows[0].happened.about == {"message_id": "m1"}
    assert rows[0].happened.conversation_id == "c1"
    assert rows[-1].happened.conversation_id is None
    assert rows[-1].happened.about == {"vendor_id": "v-1"}
    assert [one.happened.number for one in rows] == [1, 2, 3, 4, 5, 6, 7, 8, 1]
    # One after the other in the conversation; beside it, the vendor.
    assert [one.state for one in rows] == ["next", *["behind"] * 7, "next"]


async def test_an_endpoint_is_told_of_its_tenant_its_events_and_its_time(post: Post) -> None:
    earlier = await post.make(URL)
    await post.happens(said("before"))
    await post.feed.order()  # for the earlier one it is yet to be planned
    everything = await post.make(URL)
    edits = await post.make(URL, events=["message.edited"])
    theirs = await post.make(URL, tenant=OTHERS)
    await post.happens(
        said("m1"), MessageEdited(**HERE, message_id=M1, edit_id=None), said("t1", "t", OTHERS)
    )
    await post.plan()
    assert [one.happened.about["message_id"] for one in await post.kept(earlier)] == ["before", "m1", "m1"]
    assert [one.happened.event for one in await post.kept(everything)] == ["message.sent", "message.edited"]
    assert [one.happened.event for one in await post.kept(edits)] == ["message.edited"]
    assert [one.happened.about["message_id"] for one in await post.kept(theirs)] == ["t1"]
    await post.plan()
    assert len(await post.kept(everything)) == 2


async def test_what_is_disabled_is_told_of_what_happens_once_it_is_enabled_again(post: Post) -> None:
    endpoint = await post.make(URL)
    for message, enabled in (("m1", False), ("m2", True), ("m3", True)):
        await post.happens(said(message))
        await post.plan()
        async with post.database.transaction() as tx:
            await post.webhooks.switch(tx, TENANT, endpoint.endpoint_id, enabled=enabled)
    assert [one.happened.about["message_id"] for one in await post.kept(endpoint)] == ["m1", "m3"]


async def test_what_happens_wakes_nobody_where_there_is_no_endpoint(post: Post) -> None:
    await post.planner.plan()
    woken = post.planner.came
    await post.happens(said("m1"))
    await post.feed.order()
    assert not woken.is_set()
    await post.make(URL)
    assert woken.is_set()
    await post.planner.plan()
    woken.clear()
    await post.happens(said("m2"))
    await post.feed.order()
    assert woken.is_set()


async def test_the_feed_keeps_what_is_not_planned_yet(post: Post) -> None:
    endpoint = await post.make(URL)
    await post.happens(said("m1"), said("m2"))
    await post.feed.order()
    post.clock.advance(FEED_KEPT + 1)
    await post.happens(said("m3"))
    await post.feed.order()
    assert await post.feed.forget() == 0
    await post.plan()
    assert [one.happened.about["message_id"] for one in await post.kept(endpoint)] == ["m1", "m2", "m3"]
    assert await post.feed.forget() == 2


async def test_what_is_old_is_forgotten_and_what_waits_is_not(post: Post) -> None:
    endpoint = await post.make(URL)
    await post.happens(said("done", "c1"), said("dead", "c2"), said("waits", "c3"))
    await post.plan()
    done, dead, _ = await post.deliverer.due(endpoint)
    attempt = Attempt(at=post.clock.now(), status=204, failure=None, took=1)
    async with post.database.transaction() as tx:
        await post.deliveries.finish(tx, done, attempt, dead=False, now=post.clock.now())
        await post.deliveries.finish(tx, dead, attempt, dead=True, now=post.clock.now())
    await post.planner.forget()
    assert len(await post.kept(endpoint)) == 3
    post.clock.advance(KEPT + HOUR)
    await post.planner.forget()
    assert [one.state for one in await post.kept(endpoint)] == ["dead", "next"]
    post.clock.advance(DEAD_KEPT)
    await post.planner.forget()
    assert [one.state for one in await post.kept(endpoint)] == ["next"]


async def test_a_deleted_endpoint_leaves_nothing_behind(post: Post) -> None:
    endpoint = await post.make(URL)
    await post.happens(said("m1"), said("m2"))
    await post.plan()
    async with post.database.transaction() as tx:
        await post.webhooks.delete(tx, TENANT, endpoint.endpoint_id)
    await post.happens(said("m3"))
    await post.plan()
    assert await post.endpoints.of(post.database, TENANT) == []
    assert await post.deliveries.first_due(post.database) == {}
    await post.planner.forget()
    for table in ("webhook_endpoints", "webhook_deliveries"):
        assert await post.database.fetch_value(f"SELECT COUNT(*) FROM {table}") == 0
