"""What is said later: who sees, changes and cancels it before, and what becomes of it when its time has come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.errors import Refusal
from bridge.feed.store import FeedStore
from bridge.messages.scheduled import rules
from bridge.web.times import milliseconds
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, SOON, messages_of, opened, poll, said, scheduled
from tests.bridge.api.world import World
from tests.databases import both_databases

LIST = "/api/v1/scheduled-messages"
HOUR = 60 * 60 * 1000
LATER = "2027-01-15T10:00:00Z"


def path_of(made: Answer) -> str:
    return f"{LIST}/{made.json['scheduled_id']}"


async def texts(api: Api, conversation_id: str) -> list[str]:
    return [
        one["content"] for one in (await api.get(messages_of(conversation_id), limit=100)).json["messages"]
    ]


async def waiting(api: Api, **query: Any) -> list[str]:
    found = (await api.get(LIST, **query)).json["scheduled_messages"]
    return [one["content"] for one in found]


async def test_a_message_is_said_at_its_time_and_nobody_knows_before(
    people: People, world: World, api: Api
) -> None:
    conversation_id = await opened(api)
    made = await people.anna.post(
        messages_of(conversation_id),
        {"text": "Good morning!", "html": "<b>Good morning!</b>", "send_at": SOON},
    )
    assert (made.status, made.json["status"], made.json["send_at"]) == (
        202,
        "scheduled",
        "2027-01-15T09:00:00.000Z",
    )
    assert made.headers["Location"] == path_of(made)
    assert (await people.anna.get(path_of(made))).json == made.json
    assert await waiting(people.anna) == ["Good morning!"]
    # The other side sees nothing: not the list, not the message, not by search, export or in the feed.
    assert (await people.sweet_bites.get(path_of(made))).problem == "not_found"
    assert await waiting(people.sweet_bites) == []
    assert await texts(api, conversation_id) == []
    assert (await api.get(f"{CONVERSATIONS}/{conversation_id}/search", q="morning")).json["messages"] == []
    rows = await world.database.fetch("SELECT content FROM scheduled_messages")
    assert [b"morning" in row["content"] for row in rows] == [False]
    kinds = [row["kind"] for row in await world.database.fetch("SELECT kind FROM feed ORDER BY entry")]

    world.clock.advance(HOUR - 1)
    assert await world.due_messages.do_due() == pytest.approx(0.001)
    assert await texts(api, conversation_id) == []
    world.clock.advance(1)
    await world.due_messages.do_due()
    (message,) = (await people.sweet_bites.get(messages_of(conversation_id))).json["messages"]
    assert message["message_id"] == made.json["scheduled_id"]
    assert (message["content"], message["html"], message["sender_id"]) == (
        "Good morning!",
        "<b>Good morning!</b>",
        "u-anna",
    )
    assert message["sent_at"] == made.json["send_at"]
    after = [row["kind"] for row in await world.database.fetch("SELECT kind FROM feed ORDER BY entry")]
    assert after == [*kinds, "message.sent"]
    # What it said is in the message now, and nowhere else.
    ended = (await people.anna.get(path_of(made))).json
    assert (ended["status"], ended["content"]) == ("sent", "")
    assert await waiting(people.anna) == []
    for change in (
        await people.anna.request("DELETE", path_of(made)),
        await people.anna.send("PUT", path_of(made), {"text": "Good evening!"}),
    ):
        assert change.problem == "already_sent"
    await world.due_messages.do_due()
    assert await texts(api, conversation_id) == ["Good morning!"]


async def test_it_is_changed_and_cancelled_until_it_is_sent(people: People, world: World, api: Api) -> None:
    conversation_id = await opened(api)
    first = await scheduled(api, conversation_id, "First")
    second = await scheduled(api, conversation_id, "Second", html="<i>Second</i>")
    third = await scheduled(api, conversation_id, "Third")
    changed = await people.anna.send("PUT", path_of(first), {"text": "The very first", "send_at": LATER})
    assert (changed.status, changed.json["content"]) == (200, "The very first")
    moved = await people.anna.send("PUT", path_of(second), {"send_at": "2027-01-15T09:30:00+01:00"})
    assert (moved.json["send_at"], moved.json["html"]) == ("2027-01-15T08:30:00.000Z", "<i>Second</i>")
    cancelled = await people.anna.request("DELETE", path_of(third))
    assert (cancelled.json["status"], cancelled.json["content"]) == ("cancelled", "")
    assert (await people.anna.request("DELETE", path_of(third))).json == cancelled.json
    assert (await people.anna.send("PUT", path_of(third), {"text": "No"})).problem == "cancelled"
    assert await waiting(people.anna) == ["Second", "The very first"]
    assert await waiting(people.anna, status="cancelled") == [""]
    assert await waiting(api, sender_id="v-1") == []
    assert await waiting(api, conversation_id=conversation_id) == ["Second", "The very first"]
    assert (await people.sweet_bites.get(LIST, sender_id="u-anna")).problem == "not_yourself"
    world.clock.advance(HOUR)
    await world.due_messages.do_due()
    assert await texts(api, conversation_id) == ["Second"]
    world.clock.advance(HOUR)
    await world.due_messages.do_due()
    assert await texts(api, conversation_id) == ["Second", "The very first"]


PLACE = {
    "message_type": "location",
    "location": {"latitude": 52.52, "longitude": 13.4, "description": "The hall"},
}


@both_databases
@pytest.mark.parametrize("body", [PLACE, poll()], ids=["place", "poll"])
async def test_a_place_and_a_poll_are_said_later_as_what_they_are(
    people: People, world: World, api: Api, body: dict[str, Any]
) -> None:
    conversation_id = await opened(api)
    kind = body["message_type"]
    new = {**body, "sender_id": "u-anna", "send_at": SOON}
    made = await people.anna.post(messages_of(conversation_id), new)
    assert (made.status, made.json["message_type"]) == (202, kind), made.json
    assert made.json[kind] is not None
    rows = await world.database.fetch("SELECT content FROM scheduled_messages")
    assert [b"hall" in row["content"] or b"Vegan" in row["content"] for row in rows] == [False]
    before = await world.contents()
    refused = await people.anna.send("PUT", path_of(made), {"text": "Something else"})
    assert (refused.status, refused.problem) == (409, "not_text")
    assert await world.contents() == before
    moved = await people.anna.send("PUT", path_of(made), {"send_at": LATER})
    assert moved.json[kind] == made.json[kind]
    world.clock.advance(2 * HOUR)
    await world.due_messages.do_due()
    (message,) = (await api.get(messages_of(conversation_id))).json["messages"]
    assert (message["message_type"], message[kind]) == (kind, made.json[kind])
    assert (message["message_id"], message["sender_id"]) == (made.json["scheduled_id"], "u-anna")
    if kind == "poll":
        vote = f"/api/v1/messages/{message['message_id']}/poll/vote"
        voted = await people.sweet_bites.send("PUT", vote, {"answers": ["2"]})
        assert [one["votes"] for one in voted.json["poll"]["answers"]] == [0, 1]
    ended = (await people.anna.get(path_of(made))).json
    assert [ended[name] for name in ("status", "message_type", "content", "location", "poll")] == [
        *("sent", None, ""),
        *(None, None),
    ]


async def test_after_an_outage_all_that_was_due_is_said_in_order(world: World, api: Api) -> None:
    """Of two for the same moment, the one that was scheduled first."""
    here, there = await opened(api), await opened(api, "p-1", "v-2")
    for conversation_id, text, send_at in (
        (here, "3", "2027-01-15T09:00:02Z"),
        (here, "1", "2027-01-15T09:00:01Z"),
        (there, "elsewhere", "2027-01-15T09:00:01Z"),
        (here, "2", "2027-01-15T09:00:01Z"),
        (here, "4", LATER),
    ):
        assert (await scheduled(api, conversation_id, text, send_at)).status == 202
    world.clock.advance(24 * HOUR)
    await world.due_messages.do_due()
    assert await texts(api, here) == ["1", "2", "3", "4"]
    assert await texts(api, there) == ["elsewhere"]


Ends = dict[str, tuple[str, str]]
REFUSED: Ends = {
    "closed": ("The conversation is closed", "conversation_closed"),
    "blocked": ("The conversation is blocked", "conversation_blocked"),
    "left": ("They take part in this conversation no more", "not_allowed"),
    "what it answers was deleted": ("The message was deleted", "message_deleted"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_refused_at_its_time_stays_with_its_sender(
    people: People, world: World, api: Api, what: str
) -> None:
    """And not with the others: nor do they notice that a number of the feed is missing."""
    conversation_id = await opened(api)
    question = (await said(api, conversation_id, "Vegan?")).json["message_id"]
    made = await scheduled(api, conversation_id, "Yes", sender_id="v-1", reply_to=question)
    match what:
        case "closed":
            await api.post(f"{CONVERSATIONS}/{conversation_id}/close", {})
        case "blocked":
            await api.post(f"{CONVERSATIONS}/{conversation_id}/block", {"side": "vendor"})
        case "left":
            await world.leave(conversation_id, "v-1")
        case _:
            await api.request("DELETE", f"/api/v1/messages/{question}")
    before = await texts(api, conversation_id)
    world.clock.advance(HOUR)
    await world.due_messages.do_due()
    assert await texts(api, conversation_id) == before
    failed = (await people.sweet_bites.get(path_of(made))).json
    reason, code = REFUSED[what]
    assert (failed["status"], failed["content"]) == ("failed", "Yes")
    assert failed["failure_reason"].startswith(reason)
    assert await waiting(people.anna) == []
    while await world.feed.order():
        pass
    *others, last = await FeedStore().after(world.database, 0, limit=100)
    assert (last.kind, last.number) == ("scheduled.failed", 0)
    assert last.about == {"scheduled_id": made.json["scheduled_id"], "participant_id": "v-1"}
    assert "scheduled.failed" not in {entry.kind for entry in others}
    # It can be scheduled once more, for another time, as soon as nothing is in its way.
    again = await people.sweet_bites.send("PUT", path_of(made), {"text": "Of course"})
    assert again.problem == "send_at_past"
    again = await people.sweet_bites.send("PUT", path_of(made), {"text": "Of course", "send_at": LATER})
    assert again.problem == code
    if what in ("closed", "blocked"):
        await api.post(f"{CONVERSATIONS}/{conversation_id}/reopen", {})
        again = await people.sweet_bites.send("PUT", path_of(made), {"text": "Of course", "send_at": LATER})
        assert (again.json["status"], again.json["failure_reason"]) == ("scheduled", None)
        world.clock.advance(HOUR)
        await world.due_messages.do_due()
        assert (await texts(api, conversation_id))[-1] == "Of course"


async def test_what_would_be_refused_now_is_not_scheduled(world: World, api: Api) -> None:
    conversation_id = await opened(api)
    before = await world.contents()
    for more, problem in (
        ({"send_at": "2027-01-15T08:00:00Z"}, "send_at_past"),  # now
        ({"send_at": "2027-04-15T08:00:01Z"}, "send_at_too_far"),  # 90 days and a second
        ({"send_at": "tomorrow"}, "invalid_input"),
        ({"sender_id": "u-nobody"}, "not_a_participant"),
        ({"reply_to": "unknown"}, "not_in_conversation"),
        ({"text": " "}, "invalid_input"),
    ):
        assert (await scheduled(api, conversation_id, **more)).problem == problem, more
    assert await world.contents() == before
    assert (await scheduled(api, conversation_id, send_at="2027-04-15T08:00:00Z")).status == 202
    await api.post(f"{CONVERSATIONS}/{conversation_id}/close", {})
    assert (await scheduled(api, conversation_id)).problem == "conversation_closed"


async def test_an_unforeseen_fault_keeps_no_other_message_waiting(world: World, api: Api) -> None:
    conversation_id = await opened(api)
    broken = await scheduled(api, conversation_id, "Unreadable")
    await scheduled(api, conversation_id, "Readable")
    async with world.database.transaction() as tx:
        spoil = "UPDATE scheduled_messages SET content = $2 WHERE scheduled_id = $1"
        await tx.execute(spoil, broken.json["scheduled_id"], b"spoiled")
    world.clock.advance(HOUR)
    await world.due_messages.do_due()
    assert await texts(api, conversation_id) == ["Readable"]
    rows = await world.database.fetch(
        "SELECT status, failure_reason FROM scheduled_messages ORDER BY position"
    )
    assert (rows[0]["status"], rows[0]["failure_reason"][:21]) == ("failed", "It could not be sent ")


async def test_nobody_schedules_without_end(monkeypatch: pytest.MonkeyPatch, world: World, api: Api) -> None:
    monkeypatch.setattr(rules, "MOST_OPEN", 2)
    conversation_id = await opened(api)
    first = await scheduled(api, conversation_id)
    await scheduled(api, conversation_id)
    assert (await scheduled(api, conversation_id)).problem == "too_many_scheduled"
    assert (await scheduled(api, conversation_id, sender_id="v-1")).status == 202
    await api.request("DELETE", path_of(first))
    assert (await scheduled(api, conversation_id)).status == 202


async def test_they_come_in_pages_by_their_time(api: Api) -> None:
    conversation_id = await opened(api)
    start = datetime(2027, 1, 16, tzinfo=UTC)
    for number in (3, 0, 4, 1, 2):
        moment = start + timedelta(minutes=number // 2)  # two at each moment
        await scheduled(api, conversation_id, f"{number}", moment.isoformat())
    pages, cursor = [], None
    while True:
        page = (await api.get(LIST, limit=2, **({"cursor": cursor} if cursor else {}))).json
        pages.append([one["content"] for one in page["scheduled_messages"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [["0", "1"], ["3", "2"], ["4"]]


AHEAD = timedelta(days=90)


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (timedelta(0), "send_at_past"),
        (timedelta(milliseconds=1), None),
        (AHEAD, None),
        (AHEAD + timedelta(milliseconds=1), "send_at_too_far"),
    ],
)
def test_the_exact_boundary_of_when(after: timedelta, problem: str | None) -> None:
    now = milliseconds(datetime(2027, 1, 15, tzinfo=UTC))
    send_at = now + after // timedelta(milliseconds=1)
    found = None
    try:
        rules.check_send_at(send_at, now=now)
    except Refusal as refusal:
        found = refusal.code
    assert found == problem
