"""What could not be applied or delivered is listed, looked at and tried again; each tenant sees its own."""

import json
from typing import Any

import pytest

from appservice.room_map import Room, remember_room
from bridge.admin.dead_letters.model import Filter
from bridge.core.ids import ConversationId
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.graveyard import REASON, buried, finished, head, unparsable, waiting
from tests.bridge.api.requests import event_sent, opened, said
from tests.bridge.api.world import OURS, SECRETS, World
from tests.bridge.platform.sender import vendor_selected
from tests.databases import both_databases

DEAD_LETTERS = "/api/v1/admin/dead-letters"
TEXT = "Kanarienvogel"


async def dead_message(api: Api, world: World, *, conversation_id: str | None = None) -> tuple[str, str]:
    """Conversation and message."""
    conversation_id = conversation_id or await opened(api)
    lane = f"matrix:{conversation_id}"
    await finished(world, lane)
    message = await said(api, conversation_id, TEXT)
    await buried(world, lane)
    return conversation_id, str(message.json["message_id"])


async def the_one(api: Api, **query: str) -> dict[str, Any]:
    (letter,) = (await api.get(DEAD_LETTERS, **query)).json["dead_letters"]
    assert isinstance(letter, dict)
    return letter


async def replay(api: Api, letter: dict[str, Any], **headers: str) -> Answer:
    path = f"{DEAD_LETTERS}/{letter['dead_letter_id']}/replay"
    return await api.request("POST", path, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def status_of(api: Api, message_id: str) -> tuple[str, str | None]:
    view = (await api.get(f"/api/v1/messages/{message_id}")).json
    return view["status"], view["failure_reason"]


@both_databases
async def test_a_dead_letter_is_listed_with_its_reason_and_without_what_it_says(
    api: Api, world: World
) -> None:
    conversation_id, _ = await dead_message(api, world)
    listed = await api.get(DEAD_LETTERS)
    (letter,) = listed.json["dead_letters"]
    assert letter | {"dead_letter_id": "", "item_id": "", "created_at": "", "died_at": ""} == {
        "dead_letter_id": "",
        "queue": "outbox",
        "state": "dead",
        "tenant_id": OURS,
        "conversation_id": conversation_id,
        "lane": f"matrix:{conversation_id}",
        "topic": "matrix.MessagePosted",
        "item_id": "",
        "reason": REASON,
        "attempts": 1,
        "created_at": "",
        "died_at": "",
    }
    assert TEXT not in json.dumps(listed.json)
    assert (await api.get(f"{DEAD_LETTERS}/{letter['dead_letter_id']}")).json == letter


async def test_a_replayed_message_is_pending_again_and_waits_as_the_same_item(api: Api, world: World) -> None:
    conversation_id, message_id = await dead_message(api, world)
    assert await status_of(api, message_id) == ("failed", REASON)
    letter = await the_one(api)
    answer = await replay(api, letter)
    assert (answer.status, answer.json["state"], answer.json["reason"]) == (200, "waiting", None)
    assert answer.json["dead_letter_id"] == letter["dead_letter_id"]
    assert await status_of(api, message_id) == ("pending", None)
    item = await head(world, f"matrix:{conversation_id}")
    assert (item.id, item.attempts, item.faults, item.not_before) == (letter["item_id"], 0, 0, 0)
    assert json.loads(item.body)["message_id"] == message_id
    assert (await api.get(DEAD_LETTERS)).json["dead_letters"] == []


async def test_what_was_encrypted_stays_as_it_was(api: Api, world: World) -> None:
    """So that a message which the homeserver has after all is not said twice."""
    conversation_id = await opened(api)
    lane = f"matrix:{conversation_id}"
    await finished(world, lane)
    await said(api, conversation_id)
    item = await head(world, lane)
    async with world.database.transaction() as tx:
        await world.outbox.prepare(tx, item, b"ciphertext")
    prepared_at = world.clock.now()
    await buried(world, lane)
    world.clock.advance(60_000)
    await replay(api, await the_one(api))
    again = await head(world, lane)
    assert (again.id, again.prepared, again.prepared_at) == (item.id, b"ciphertext", prepared_at)


async def test_a_replayed_item_waits_behind_what_waits(api: Api, world: World) -> None:
    """What waits may be encrypted and in flight; nothing is encrypted in between."""
    conversation_id, _ = await dead_message(api, world)
    lane = f"matrix:{conversation_id}"
    await said(api, conversation_id)
    (before,) = await waiting(world, lane)
    letter = await the_one(api)
    await replay(api, letter)
    assert await waiting(world, lane) == [before, letter["item_id"]]


@both_databases
async def test_many_are_replayed_in_the_order_in_which_they_were_recorded(api: Api, world: World) -> None:
    conversation_id = await opened(api)
    lane = f"matrix:{conversation_id}"
    recorded = await waiting(world, lane)
    assert len(recorded) > 2
    for _ in recorded:
        await buried(world, lane)
    answer = await api.post(f"{DEAD_LETTERS}/replay", {})
    assert answer.json == {"replayed": len(recorded), "refused": [], "next_cursor": None}
    assert await waiting(world, lane) == recorded


async def test_a_replay_has_its_effect_once(api: Api, world: World) -> None:
    conversation_id, _ = await dead_message(api, world)
    letter = await the_one(api)
    first = await replay(api, letter)
    before = await world.contents()
    again = await replay(api, letter)
    assert (again.status, again.json) == (200, first.json)
    assert await world.contents() == before
    await finished(world, f"matrix:{conversation_id}")
    before = await world.contents()
    answer = await replay(api, letter)
    assert (answer.status, answer.problem) == (409, "already_done")
    assert await world.contents() == before
    assert (await api.get(f"{DEAD_LETTERS}/{letter['dead_letter_id']}")).json["state"] == "done"


async def test_a_replay_under_the_same_key_is_answered_as_the_first(api: Api, world: World) -> None:
    conversation_id, _ = await dead_message(api, world)
    letter = await the_one(api)
    first = await replay(api, letter, Idempotency_Key="k")
    await finished(world, f"matrix:{conversation_id}")
    again = await replay(api, letter, Idempotency_Key="k")
    assert (again.status, again.json) == (200, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"


@both_databases
async def test_a_conversation_that_could_not_be_opened_counts_as_opening_again(
    api: Api, world: World
) -> None:
    conversation_id = ConversationId(await opened(api))
    lane = f"matrix:{conversation_id}"
    await buried(world, lane)
    await buried(world, lane)
    async with world.database.transaction() as tx:
        await world.conversations.not_opened(tx, conversation_id, reason=REASON)
        for member in await world.conversation_store.members(tx, conversation_id):
            person = member.participant.participant_id
            await world.conversations.not_added(tx, conversation_id, person, reason=REASON)
    await api.post(f"{DEAD_LETTERS}/replay", {"conversation_id": conversation_id})
    members = await world.conversation_store.members(world.database, conversation_id)
    # One of the two was still waiting, and had not failed.
    assert sorted(str(member.failure) for member in members) == ["None", REASON]
    assert await world.database.fetch_value("SELECT failure FROM conversations") is None


async def test_an_event_of_the_platform_is_accepted_again(api: Api, world: World) -> None:
    event = vendor_selected()
    await event_sent(api, SECRETS[OURS], event)
    (lane,) = await world.inbox.lanes()
    item = await world.inbox.head(lane)
    assert item is not None
    async with world.database.transaction() as tx:
        await world.inbox.bury(tx, item, failure="gave up after KeyError")
    state = f"/api/v1/events/{event['id']}"
    assert (await api.get(state, source=event["source"])).json["status"] == "failed"
    letter = await the_one(api, queue="inbox")
    assert letter["conversation_id"] is None
    await replay(api, letter)
    assert (await api.get(state, source=event["source"])).json["status"] == "accepted"
    again = await world.inbox.head(lane)
    assert again is not None
    await world.platform.apply(again)
    assert (await api.get(state, source=event["source"])).json["status"] == "applied"
    # The id is remembered for ever, so the event has no second effect.
    assert (await event_sent(api, SECRETS[OURS], event)).json["duplicate"] is True


@both_databases
async def test_what_came_from_a_room_belongs_to_its_conversation(api: Api, world: World) -> None:
    conversation_id, other = await opened(api), await opened(api, "p-2")
    await unparsable(world, b"{}", tenant_id=OURS)
    async with world.database.transaction() as tx:
        await remember_room(tx, Room("!r:example.org", OURS, ConversationId(conversation_id)), world.clock)
        await tx.execute("UPDATE inbox SET lane = 'room:!r:example.org'")
    letter = await the_one(api, conversation_id=conversation_id)
    assert (letter["queue"], letter["conversation_id"]) == ("inbox", conversation_id)
    assert (await api.get(DEAD_LETTERS, conversation_id=other)).json["dead_letters"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"17",
        b"{}",
        b"not JSON",
        b"\xff",
        b"[" * 50_000,
        # Two that would read as an event if they were put together carelessly.
        b'{"event_id": "$1"}], "events": [{}',
        b'{"events": []}',
    ],
)
async def test_what_is_no_event_is_not_replayed_and_says_so(api: Api, world: World, body: bytes) -> None:
    await unparsable(world, body, tenant_id=OURS)
    letter = await the_one(api)
    assert letter["attempts"] == 0
    before = await world.contents()
    answer = await replay(api, letter)
    assert (answer.status, answer.problem) == (409, "cannot_be_replayed")
    assert "no Matrix event" in answer.json["detail"]
    every = await api.post(f"{DEAD_LETTERS}/replay", {})
    assert (every.json["replayed"], len(every.json["refused"])) == (0, 1)
    assert await world.contents() == before


async def test_a_body_that_does_not_open_is_not_replayed_and_says_so(api: Api, world: World) -> None:
    await dead_message(api, world)
    async with world.database.transaction() as tx:
        await tx.execute("UPDATE outbox SET body = $1 WHERE state = 'dead'", b"\x01" + bytes(60))
    before = await world.contents()
    answer = await replay(api, await the_one(api))
    assert (answer.status, answer.problem) == (409, "cannot_be_replayed")
    assert "content key" in answer.json["detail"]
    assert await world.contents() == before


async def test_what_is_of_no_tenant_is_nobodys_by_api(sides: Sides, world: World) -> None:
    await unparsable(world, b"{}")
    (letter,) = await world.dead_letters.newest(Filter(), limit=10)
    for api in (sides.ours, sides.theirs):
        assert (await api.get(DEAD_LETTERS)).json["dead_letters"] == []
        for answer in (
            await api.get(f"{DEAD_LETTERS}/{letter.letter_id}"),
            await replay(api, {"dead_letter_id": letter.letter_id}),
        ):
            assert (answer.status, answer.problem) == (404, "not_found")
        assert (await api.post(f"{DEAD_LETTERS}/replay", {})).json["replayed"] == 0


async def test_replaying_all_leaves_another_tenants_dead(sides: Sides, world: World) -> None:
    await dead_message(sides.ours, world)
    theirs = await the_one(sides.ours)
    answer = await sides.theirs.post(f"{DEAD_LETTERS}/replay", {"conversation_id": theirs["conversation_id"]})
    assert answer.json["replayed"] == 0
    assert (await sides.theirs.get(DEAD_LETTERS)).json["dead_letters"] == []
    assert (await the_one(sides.ours))["state"] == "dead"


@both_databases
async def test_filters_and_pages(api: Api, world: World) -> None:
    first, second = await opened(api, "p-1"), await opened(api, "p-2")
    for conversation_id in (first, second, first):
        world.clock.advance(1_000)
        await dead_message(api, world, conversation_id=conversation_id)
    await unparsable(world, b"{}", tenant_id=OURS)

    async def count(**query: str) -> int:
        return len((await api.get(DEAD_LETTERS, **query)).json["dead_letters"])

    assert await count() == 4
    assert await count(queue="inbox") == 1
    assert await count(queue="outbox") == 3
    assert await count(topic="matrix.MessagePosted") == 3
    assert await count(topic="matrix.event", queue="outbox") == 0
    assert await count(conversation_id=first) == 2
    # `_` stands for itself.
    assert await count(conversation_id=first[:-1] + "_") == 0

    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        page = (await api.get(DEAD_LETTERS, limit=1, **query)).json
        seen += [letter["dead_letter_id"] for letter in page["dead_letters"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    every = [letter["dead_letter_id"] for letter in (await api.get(DEAD_LETTERS)).json["dead_letters"]]
    assert seen == every
    other_filter = await api.get(DEAD_LETTERS, queue="outbox", cursor=query["cursor"])
    assert (other_filter.status, other_filter.problem) == (422, "invalid_cursor")


@both_databases
async def test_more_than_fit_are_replayed_in_turns(api: Api, world: World) -> None:
    for _ in range(3):
        world.clock.advance(1_000)
        await dead_message(api, world)
    async with world.database.transaction() as tx:
        first = await world.dead_letters.replay_all(tx, Filter(), limit=2)
        assert first.next is not None
        second = await world.dead_letters.replay_all(tx, Filter(), after=first.next, limit=2)
    assert (first.count, second.count, second.next) == (2, 1, None)


@pytest.mark.parametrize(
    "letter_id",
    [
        "outbox.AA",  # a NUL
        "outbox._w",  # no UTF-8
        "outbox.YR",  # spare bits that are not zero: "a" has another id
        "inbox.YQ",
    ],
)
async def test_an_id_that_names_nothing_is_not_found(api: Api, letter_id: str) -> None:
    answer = await api.get(f"{DEAD_LETTERS}/{letter_id}")
    assert (answer.status, answer.problem) == (404, "not_found")


@pytest.mark.parametrize("letter_id", ["outbox.", "elsewhere.YQ", "outbox.Y=", "x", "outbox." + "A" * 401])
async def test_what_is_no_such_id_is_refused(api: Api, letter_id: str) -> None:
    answer = await api.get(f"{DEAD_LETTERS}/{letter_id}")
    assert (answer.status, answer.problem) == (422, "invalid_input")
