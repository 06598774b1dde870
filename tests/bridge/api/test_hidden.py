"""Deleted for oneself: gone from all that one sees here, unchanged for everybody else. And threads."""

from typing import Any

from bridge.core.ids import ConversationId, MessageId
from bridge.feed.store import FeedStore
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import World


async def hide(api: Api, message_id: str, **query: str) -> Answer:
    return await api.request("DELETE", f"/api/v1/messages/{message_id}", params={"for": "me"} | query)


async def in_room(world: World, *message_ids: str) -> None:
    async with world.database.transaction() as tx:
        for message_id in message_ids:
            await world.messages.sent(tx, MessageId(message_id), origin_id=f"${message_id}")


async def all_that_shows(api: Api, conversation_id: str, message_id: str, root: str) -> dict[str, Any]:
    """Everything in which a person may see a message."""
    conversation = (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json
    export = await api.post(f"{CONVERSATIONS}/{conversation_id}/export", {"format": "json"})
    thread = (await api.get(messages_of(conversation_id), thread_id=root)).json["messages"]
    listed = (await api.get(messages_of(conversation_id))).json["messages"]
    found = await api.post("/api/v1/messages/search", {"words": "marzipan"})
    here = await api.get(f"{CONVERSATIONS}/{conversation_id}/search", q="marzipan")
    return {
        "listed": message_id in [one["message_id"] for one in listed],
        "in the thread": message_id in [one["message_id"] for one in thread],
        "counted in the thread": next(one["reply_count"] for one in listed if one["message_id"] == root),
        "by its id": (await api.get(f"/api/v1/messages/{message_id}")).status,
        "found": [len(one.json["messages"]) for one in (found, here)],
        "exported": message_id in [one["message_id"] for one in export.json["messages"]],
        "bookmarked": len((await api.get("/api/v1/bookmarks")).json["messages"]),
        "last": conversation["last_message"]["message_id"] == message_id,
        "unread": conversation["unread_count"],
        "unread in all": (await api.get("/api/v1/conversations/unread")).json["unread_count"],
        "listed as unread": len((await api.get(CONVERSATIONS, has_unread="true")).json["conversations"]),
    }


async def test_what_one_deletes_for_oneself_is_gone_for_oneself_alone(
    people: People, world: World, api: Api
) -> None:
    conversation_id = await opened(api)
    root = (await said(api, conversation_id, "What is on the cake?")).json["message_id"]
    body = {"sender_id": "v-1", "text": "Marzipan", "thread_id": root}
    message_id = (await api.post(messages_of(conversation_id), body)).json["message_id"]
    await in_room(world, root, message_id)
    chef, anna = people.sweet_bites, people.anna
    for person in (anna, chef):
        await person.request("PUT", f"/api/v1/messages/{message_id}/bookmark")
    await api.request("PUT", f"/api/v1/messages/{message_id}/pin")
    shows = (conversation_id, message_id, root)
    before = await all_that_shows(anna, *shows)
    assert before == {
        "listed": True,
        "in the thread": True,
        "counted in the thread": 1,
        "by its id": 200,
        "found": [1, 1],
        "exported": True,
        "bookmarked": 1,
        "last": True,
        "unread": 1,
        "unread in all": 1,
        "listed as unread": 1,
    }
    of_the_other = await all_that_shows(chef, *shows)
    of_all = (await api.get(f"/api/v1/messages/{message_id}")).json
    events = len(await world.database.fetch("SELECT id FROM outbox"))

    world.clock.advance(365 * 24 * 60 * 60 * 1000)  # at any time; tokens do not last so long
    deleted = await hide(people.anna, message_id)
    assert (deleted.status, deleted.json["content"], deleted.json["is_deleted"]) == (200, "Marzipan", False)
    assert await all_that_shows(people.anna, *shows) == {
        "listed": False,
        "in the thread": False,
        "counted in the thread": 0,
        "by its id": 404,
        "found": [0, 0],
        "exported": False,
        "bookmarked": 0,
        "last": False,
        "unread": 0,
        "unread in all": 0,
        "listed as unread": 0,
    }
    assert await all_that_shows(people.sweet_bites, *shows) == of_the_other
    assert (await api.get(f"/api/v1/messages/{message_id}")).json == of_all
    assert len(await world.database.fetch("SELECT id FROM outbox")) == events  # no room hears of it

    stored = await world.contents()
    assert (await hide(people.anna, message_id)).json == deleted.json  # the same again
    assert await world.contents() == stored
    while await world.feed.order():
        pass
    *_, last = await FeedStore().after(world.database, 0, limit=100)
    assert (last.kind, last.number) == ("message.hidden", 0)  # of no number: nobody else misses one
    # It can still be deleted for everyone, by who may.
    gone = await people.who("admin", "u-chief").request("DELETE", f"/api/v1/messages/{message_id}")
    assert gone.json["is_deleted"] is True


async def test_only_who_takes_part_deletes_for_themselves(people: People, world: World, api: Api) -> None:
    message_id = (await said(api, await opened(api))).json["message_id"]
    before = await world.contents()
    for client, query, status, problem in (
        (people.sweet_bites, {"sender_id": "u-anna"}, 403, "not_yourself"),
        (people.who("vendor", "v-2"), {}, 404, "not_found"),
        (people.sides.theirs, {"sender_id": "u-anna"}, 404, "not_found"),
        (api, {}, 422, "invalid_input"),
        (api, {"sender_id": "u-nobody"}, 409, "not_a_participant"),
        (api, {"for": "them"}, 422, "invalid_input"),
    ):
        answer = await hide(client, message_id, **query)
        assert (answer.status, answer.problem) == (status, problem), query
    assert await world.contents() == before
    assert (await hide(api, message_id, sender_id="u-anna")).status == 200
    assert (await people.anna.get(f"/api/v1/messages/{message_id}")).problem == "not_found"
    assert (
        await people.anna.request("PUT", f"/api/v1/messages/{message_id}/bookmark")
    ).problem == "not_found"


async def test_a_thread_is_read_by_itself(people: People, world: World, api: Api) -> None:
    """Also what was answered in a client, which names what began it by the room's id for it."""
    conversation_id, elsewhere = await opened(api), await opened(api, "p-1", "v-2")
    path = messages_of(conversation_id)
    root = (await said(api, conversation_id, "Menu?")).json["message_id"]
    await in_room(world, root)
    first = (await api.post(path, {"sender_id": "v-1", "text": "A", "thread_id": root})).json["message_id"]
    await said(api, conversation_id, "beside it")
    async with world.database.transaction() as tx:
        conversation = await world.conversation_store.get(tx, ConversationId(conversation_id))
        assert conversation is not None
        await world.messages.receive(
            tx,
            conversation,
            sender=None,
            text="B",
            origin_id="$b",
            sent_at=world.clock.now(),
            thread_origin=f"${root}",
        )
    thread = (await api.get(path, thread_id=root)).json
    assert [one["content"] for one in thread["messages"]] == ["A", "B"]
    assert {one["thread_id"] for one in thread["messages"]} == {root}
    counts = {one["content"]: one["reply_count"] for one in (await api.get(path)).json["messages"]}
    assert counts == {"Menu?": 2, "A": 0, "beside it": 0, "B": 0}
    await api.request("DELETE", f"/api/v1/messages/{first}")
    assert (await api.get(f"/api/v1/messages/{root}")).json["reply_count"] == 1
    for wrong in ({"thread_id": "unknown"}, {"before_message_id": "unknown"}):
        unknown = await api.get(path, **wrong)
        assert (unknown.problem, unknown.json["field"]) == ("not_found", *wrong)
        foreign = dict.fromkeys(wrong, root)
        assert (await api.get(messages_of(elsewhere), **foreign)).json == unknown.json
    cursor = (await api.get(path, limit=1)).json["before"]
    assert (await api.get(path, before=cursor, before_message_id=root)).problem == "invalid_input"
