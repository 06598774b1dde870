"""Reading by REST: how much is unread, what is marked as read, and for whom."""

import pytest

from bridge.core.ids import MessageId
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened
from tests.bridge.api.world import World
from tests.databases import both_databases

UNREAD = f"{CONVERSATIONS}/unread"
READ = "/api/v1/messages/read"


@pytest.fixture
def vendor(people: People) -> Api:
    """The vendor themselves."""
    return people.sweet_bites


async def say(world: World, api: Api, conversation_id: str, sender_id: str = "u-anna") -> str:
    """Something that everybody in the room has."""
    posted = await api.post(messages_of(conversation_id), {"sender_id": sender_id, "text": "Hello"})
    message_id = str(posted.json["message_id"])
    async with world.database.transaction() as tx:
        await world.messages.sent(tx, MessageId(message_id), origin_id=f"${message_id}")
    return message_id


async def unread(api: Api, conversation_id: str) -> dict[str, int]:
    view = (await api.get(f"{CONVERSATIONS}/{conversation_id}")).json
    return {one["participant_id"]: one["unread_count"] for one in view["participants"]}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_conversation_is_marked_as_read(api: Api, world: World, method: str) -> None:
    conversation_id = await opened(api)
    messages = [await say(world, api, conversation_id) for _ in range(3)]
    assert await unread(api, conversation_id) == {"u-anna": 0, "v-1": 3}
    path = f"{CONVERSATIONS}/{conversation_id}/read"
    partly = await api.send(method, path, {"participant_id": "v-1", "up_to_message_id": messages[1]})
    assert partly.json == {
        "conversation_id": conversation_id,
        "participant_id": "v-1",
        "read_count": 2,
        "unread_count": 1,
        "last_read_message_id": messages[1],
        "read_at": "2027-01-15T08:00:00.000Z",
    }
    rest = await api.send(method, path, {"participant_id": "v-1"})
    assert (rest.json["read_count"], rest.json["unread_count"]) == (1, 0)
    again = await api.send(method, path, {"participant_id": "v-1"})
    assert (again.json["read_count"], again.json["last_read_message_id"]) == (0, messages[2])
    assert await unread(api, conversation_id) == {"u-anna": 0, "v-1": 0}


async def test_a_message_shows_who_has_read_it(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    message_id = await say(world, api, conversation_id)
    world.clock.advance(2_000)
    await api.post(f"{CONVERSATIONS}/{conversation_id}/read", {"participant_id": "v-1"})
    view = (await api.get(f"/api/v1/messages/{message_id}")).json
    assert (view["status"], view["read_at"]) == ("read", "2027-01-15T08:00:02.000Z")
    assert view["recipients"] == [
        {"participant_id": "v-1", "status": "read", "read_at": "2027-01-15T08:00:02.000Z"}
    ]
    assert (await api.get(messages_of(conversation_id))).json["messages"] == [view]


async def test_an_empty_conversation_is_read(api: Api) -> None:
    answer = await api.post(f"{CONVERSATIONS}/{await opened(api)}/read", {"participant_id": "v-1"})
    assert answer.json["read_count"] == 0
    assert answer.json["last_read_message_id"] is None


@both_databases
async def test_what_is_unread_is_listed_in_pages_with_the_total(api: Api, world: World) -> None:
    conversations = sorted([await opened(api, f"p-{number}") for number in range(4)])
    for number, conversation_id in enumerate(conversations):
        for _ in range(number):
            await say(world, api, conversation_id)
    first = (await api.get(UNREAD, participant_id="v-1", limit=2)).json
    assert first["unread_count"] == 1 + 2 + 3
    assert first["conversations"] == [
        {"conversation_id": conversations[1], "unread_count": 1},
        {"conversation_id": conversations[2], "unread_count": 2},
    ]
    second = (await api.get(UNREAD, participant_id="v-1", cursor=first["next_cursor"])).json
    assert second["conversations"] == [{"conversation_id": conversations[3], "unread_count": 3}]
    assert second["next_cursor"] is None
    assert (await api.get(UNREAD, participant_id="u-anna")).json["unread_count"] == 0
    foreign = await api.get(UNREAD, participant_id="u-anna", cursor=first["next_cursor"])
    assert foreign.problem == "invalid_cursor"


@both_databases
async def test_conversations_with_something_unread_are_listed(api: Api, world: World) -> None:
    with_news, without = await opened(api, "p-1"), await opened(api, "p-2")
    other = await opened(api, "p-3", "v-2")
    await say(world, api, with_news)
    await say(world, api, other)

    async def listed(**query: str) -> set[str]:
        found = await api.get(CONVERSATIONS, participant_id="v-1", **query)
        return {view["conversation_id"] for view in found.json["conversations"]}

    assert await listed(has_unread="true") == {with_news}
    assert await listed(has_unread="false") == {without}
    assert await listed() == {with_news, without}
    nobody = await api.get(CONVERSATIONS, has_unread="true")
    assert (nobody.status, nobody.json["field"]) == (422, "participant_id")
    wrong = await api.get(CONVERSATIONS, participant_id="v-1", has_unread="perhaps")
    assert (wrong.status, wrong.fields) == (422, ["has_unread"])


@both_databases
async def test_listed_messages_up_to_one_or_all_are_marked_as_read(api: Api, world: World) -> None:
    one, other = await opened(api, "p-1"), await opened(api, "p-2")
    messages = [await say(world, api, one) for _ in range(3)]
    theirs = [await say(world, api, other) for _ in range(3)]

    async def read(**what: object) -> tuple[int, int]:
        answer = await api.post(READ, {"participant_id": "v-1", **what})
        assert answer.status == 200, answer.json
        assert answer.json["read_count"] == sum(one["read_count"] for one in answer.json["conversations"])
        left = (await api.get(UNREAD, participant_id="v-1")).json["unread_count"]
        return answer.json["read_count"], left

    assert await read(message_ids=[messages[1], messages[0], theirs[0]]) == (3, 3)
    assert await read(message_ids=[messages[1], messages[0], theirs[0]]) == (0, 3)
    assert await read(up_to_message_id=theirs[1]) == (1, 2)
    assert await read(conversation_id=one) == (1, 1)
    assert await read(all=True) == (1, 0)
    assert await read(all=True) == (0, 0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "conversation_id": "c"},
        {"message_ids": []},
        {"message_ids": ["m"] * 101},
        {"message_ids": "m"},
        {"up_to_message_id": "m", "all": True},
        {"everything": True},
    ],
)
async def test_what_is_to_be_read_is_said_in_one_way(api: Api, world: World, body: dict[str, object]) -> None:
    await say(world, api, await opened(api))
    before = await world.contents()
    answer = await api.post(READ, {"participant_id": "v-1"} | body)
    assert (answer.status, answer.problem) == (422, "invalid_input")
    assert await world.contents() == before


async def test_a_message_of_another_conversation_is_no_place_in_this_one(api: Api, world: World) -> None:
    here, there = await opened(api, "p-1"), await opened(api, "p-2")
    message_id = await say(world, api, there)
    before = await world.contents()
    body = {"participant_id": "v-1", "up_to_message_id": message_id}
    answer = await api.post(f"{CONVERSATIONS}/{here}/read", body)
    assert (answer.status, answer.json["field"]) == (404, "up_to_message_id")
    assert await world.contents() == before


async def test_of_another_tenant_nothing_is_read(sides: Sides, world: World) -> None:
    conversation_id = await opened(sides.ours)
    message_id = await say(world, sides.ours, conversation_id)
    await opened(sides.theirs)
    before = await world.contents()
    for what in (
        {"message_ids": [message_id]},
        {"up_to_message_id": message_id},
        {"conversation_id": conversation_id},
    ):
        answer = await sides.theirs.post(READ, {"participant_id": "v-1", **what})
        assert (answer.status, answer.problem) == (404, "not_found")
    assert (await sides.theirs.post(READ, {"participant_id": "v-1", "all": True})).json["read_count"] == 0
    listed = (await sides.theirs.get(UNREAD, participant_id="v-1")).json
    assert (listed["unread_count"], listed["conversations"]) == (0, [])
    assert await world.contents() == before


# People, by themselves


async def acted(vendor: Api, conversation_id: str, named: dict[str, str]) -> list[Answer]:
    return [
        await vendor.post(f"{CONVERSATIONS}/{conversation_id}/read", named),
        await vendor.post(READ, named | {"conversation_id": conversation_id}),
        await vendor.get(UNREAD, **named),
        await vendor.post("/api/v1/typing", named | {"conversation_id": conversation_id}),
        await vendor.send("PUT", "/api/v1/presence", named | {"presence": "online"}),
    ]


@pytest.mark.parametrize("named", [{}, {"participant_id": "v-1"}])
async def test_a_person_reads_types_and_is_there_as_themselves(
    api: Api, vendor: Api, world: World, named: dict[str, str]
) -> None:
    conversation_id = await opened(api)
    await say(world, api, conversation_id)
    assert [answer.status for answer in await acted(vendor, conversation_id, named)] == [200] * 5


async def test_a_person_does_nothing_as_somebody_else(api: Api, vendor: Api, world: World) -> None:
    conversation_id = await opened(api)
    await say(world, api, conversation_id)
    before = await world.contents()
    answers = await acted(vendor, conversation_id, {"participant_id": "u-anna"})
    assert [(answer.status, answer.problem) for answer in answers] == [(403, "not_yourself")] * 5
    assert await world.contents() == before
    assert world.typing_outside.heard == []


async def test_a_person_sees_no_signals_of_others_conversations(api: Api, vendor: Api, world: World) -> None:
    theirs = await opened(api, "p-1", "v-2")
    await say(world, api, theirs)
    before = await world.contents()
    answers = [
        await vendor.get(f"{CONVERSATIONS}/{theirs}/typing"),
        await vendor.get(f"{CONVERSATIONS}/{theirs}/presence"),
        *(await acted(vendor, theirs, {}))[:2],
        await vendor.post("/api/v1/typing", {"conversation_id": theirs}),
    ]
    assert [(answer.status, answer.problem) for answer in answers] == [(404, "not_found")] * 5
    assert await world.contents() == before
