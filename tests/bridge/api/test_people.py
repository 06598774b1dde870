"""A person acts as themselves, named or not, and as nobody else."""

import pytest

from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import OURS, World

MESSAGES = "/api/v1/messages"


@pytest.mark.parametrize("named", [{}, {"sender_id": "u-anna"}, {"sender_id": None}], ids=str)
async def test_what_a_person_says_is_theirs(
    people: People, sides: Sides, named: dict[str, str | None]
) -> None:
    conversation_id = await opened(sides.ours)
    posted = await people.anna.post(messages_of(conversation_id), {"text": "Marzipan?"} | named)
    assert posted.status == 201
    assert (posted.json["sender_id"], posted.json["sender_type"]) == ("u-anna", "user")
    one = f"{MESSAGES}/{posted.json['message_id']}"
    edited = await people.anna.send("PUT", one, {"text": "Vanilla?"} | named)
    assert (edited.status, edited.json["content"]) == (200, "Vanilla?")
    query = {name: value for name, value in named.items() if value is not None}
    deleted = await people.anna.request("DELETE", one, params=query)
    assert (deleted.status, deleted.json["is_deleted"]) == (200, True)


@pytest.mark.parametrize("named", ["v-1", "u-nobody", "U-ANNA"])
async def test_nobody_speaks_for_another(people: People, sides: Sides, world: World, named: str) -> None:
    conversation_id = await opened(sides.ours)
    message_id = (await said(sides.ours, conversation_id)).json["message_id"]
    before = await world.contents()
    for answer in (
        await people.anna.post(messages_of(conversation_id), {"text": "Hello", "sender_id": named}),
        await people.anna.send("PUT", f"{MESSAGES}/{message_id}", {"text": "Hello!", "sender_id": named}),
        await people.anna.request("DELETE", f"{MESSAGES}/{message_id}", params={"sender_id": named}),
    ):
        assert (answer.status, answer.problem, answer.json["field"]) == (403, "not_yourself", "sender_id")
    assert await world.contents() == before


async def test_nobody_changes_what_another_said(people: People, sides: Sides, world: World) -> None:
    message_id = (await said(sides.ours, await opened(sides.ours))).json["message_id"]
    before = await world.contents()
    for answer in (
        await people.sweet_bites.send("PUT", f"{MESSAGES}/{message_id}", {"text": "Hello!"}),
        await people.sweet_bites.request("DELETE", f"{MESSAGES}/{message_id}"),
    ):
        assert (answer.status, answer.problem) == (409, "not_the_sender")
    assert await world.contents() == before
    staff = await people.who("admin", "u-chief").request("DELETE", f"{MESSAGES}/{message_id}")
    assert staff.status == 200


async def test_programs_and_staff_say_for_whom_they_speak(people: People, sides: Sides, world: World) -> None:
    conversation_id = await opened(sides.ours)
    message_id = (await said(sides.ours, conversation_id)).json["message_id"]
    before = await world.contents()
    for api in (sides.ours, people.who("admin", "u-chief")):
        for answer in (
            await api.post(messages_of(conversation_id), {"text": "Hello"}),
            await api.send("PUT", f"{MESSAGES}/{message_id}", {"text": "Hello!"}),
        ):
            assert (answer.status, answer.problem) == (422, "invalid_input")
            assert answer.json["field"] == "sender_id"
    assert await world.contents() == before


async def test_a_persons_idempotency_key_is_their_own(people: People, sides: Sides) -> None:
    """Else one could be answered with what another was answered."""
    conversation_id = await opened(sides.ours)
    path, body = messages_of(conversation_id), {"text": "Hello"}
    answers = [
        await api.post(path, body, Idempotency_Key="k1")
        for api in (people.anna, people.sweet_bites, people.anna)
    ]
    senders = [answer.json["sender_id"] for answer in answers]
    assert senders == ["u-anna", "v-1", "u-anna"]
    assert answers[0].json == answers[2].json


async def test_who_left_sees_nothing_any_more(people: People, sides: Sides, world: World) -> None:
    conversation_id = await opened(sides.ours)
    assert (await people.anna.get(f"{CONVERSATIONS}/{conversation_id}")).status == 200
    await world.leave(conversation_id, "u-anna")
    assert (await people.anna.get(f"{CONVERSATIONS}/{conversation_id}")).status == 404
    assert (await people.anna.get(CONVERSATIONS)).json["conversations"] == []
    assert (await people.sweet_bites.get(f"{CONVERSATIONS}/{conversation_id}")).status == 200


@pytest.mark.parametrize(
    "asked", [{"kind": "subject", "value": "u-anna"}, {"kind": "session", "value": "s-1"}], ids=str
)
async def test_revoked_tokens_open_nothing_at_once(
    people: People, sides: Sides, world: World, asked: dict[str, str]
) -> None:
    await opened(sides.ours)
    sign_in = world.sign_ins[OURS]
    anna = Api(sides.ours.http, sign_in.token("u-anna", sid="s-1"))
    assert (await anna.get(CONVERSATIONS)).status == 200
    revoked = await people.who("admin", "u-chief").post("/api/v1/token-revocations", asked)
    assert (revoked.status, revoked.json["value"]) == (201, asked["value"])
    assert (await anna.get(CONVERSATIONS)).status == 401
    assert (await people.sweet_bites.get(CONVERSATIONS)).status == 200
    world.clock.advance(1000)
    again = Api(sides.ours.http, sign_in.token("u-anna", sid="s-2"))
    assert (await again.get(CONVERSATIONS)).status == 200


@pytest.mark.parametrize(
    "asked",
    [{}, {"kind": "everybody", "value": "x"}, {"kind": "token"}, {"kind": "token", "value": "a b"}],
    ids=str,
)
async def test_what_revokes_nothing_is_refused(sides: Sides, world: World, asked: dict[str, str]) -> None:
    before = await world.contents()
    assert (await sides.ours.post("/api/v1/token-revocations", asked)).status == 422
    assert await world.contents() == before


async def test_keys_are_never_fetched_inside_a_transaction(
    people: People, sides: Sides, world: World, database: Database
) -> None:
    """Transactions do not nest: inside one this would raise."""
    sign_in = world.sign_ins[OURS]
    conversation_id = await opened(sides.ours)

    async def outside() -> None:
        async with database.transaction():
            pass

    sign_in.before_fetch = outside
    posted = await people.anna.post(messages_of(conversation_id), {"text": "Hello"})
    assert (posted.status, sign_in.fetched) == (201, 1)
