"""Polls, places and files by REST: asked, told and shown; who votes, what is hidden until when, and what is refused."""

from typing import Any

import pytest

from bridge.core.ids import ConversationId
from bridge.messages.held import Media
from bridge.messages.model import Kind
from bridge.messages.polls.rules import LONGEST_ANSWER, LONGEST_QUESTION, MOST_ANSWERS
from tests.bridge.api.client import Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, poll, said
from tests.bridge.api.world import World

SECRET = "very-secret-key"


async def ask(api: Api, conversation_id: str, **more: Any) -> dict[str, Any]:
    answer = await api.post(messages_of(conversation_id), poll(**more))
    assert answer.status == 201, answer.json
    view: dict[str, Any] = answer.json
    return view


def vote_of(view: dict[str, Any]) -> str:
    return f"/api/v1/messages/{view['message_id']}/poll/vote"


def close_of(view: dict[str, Any]) -> str:
    return f"/api/v1/messages/{view['message_id']}/poll/close"


def shown(view: dict[str, Any]) -> list[tuple[int | None, bool]]:
    """Votes of each answer, and whether they are mine."""
    return [(one["votes"], one["mine"]) for one in view["poll"]["answers"]]


async def test_a_poll_shows_its_votes(sides: Sides, people: People) -> None:
    api, conversation = sides.ours, await opened(sides.ours)
    asked = await ask(api, conversation)
    assert (asked["message_type"], asked["content"]) == ("poll", "Which menu?\n1. Vegan\n2. Meat")
    assert asked["poll"] == {
        "question": "Which menu?",
        "kind": "disclosed",
        "max_selections": 1,
        "answers": [
            {"answer_id": "1", "text": "Vegan", "votes": 0, "mine": False},
            {"answer_id": "2", "text": "Meat", "votes": 0, "mine": False},
        ],
        "voters": 0,
        "is_closed": False,
        "closed_at": None,
    }
    voted = await people.sweet_bites.send("PUT", vote_of(asked), {"answers": ["2"]})
    assert shown(voted.json) == [(0, False), (1, True)]
    await api.send("PUT", vote_of(asked), {"sender_id": "u-anna", "answers": ["1"]})
    for who, view in (
        (people.sweet_bites, [(1, False), (1, True)]),
        (people.anna, [(1, True), (1, False)]),
        (api, [(1, False), (1, False)]),  # a program votes for nobody in particular
    ):
        assert shown((await who.get(f"/api/v1/messages/{asked['message_id']}")).json) == view
    closed = await people.anna.post(close_of(asked), {})
    assert (closed.json["poll"]["is_closed"], closed.json["poll"]["voters"]) == (True, 2)
    refused = await people.sweet_bites.send("PUT", vote_of(asked), {"answers": []})
    assert (refused.status, refused.problem) == (409, "poll_closed")


async def test_hidden_votes_are_shown_when_the_poll_is_closed(sides: Sides, people: People) -> None:
    asked = await ask(sides.ours, await opened(sides.ours), kind="undisclosed", max_selections=2)
    voted = await people.sweet_bites.send("PUT", vote_of(asked), {"answers": ["2", "1"]})
    assert (shown(voted.json), voted.json["poll"]["voters"]) == ([(None, True), (None, True)], None)
    for who in (people.anna, sides.ours, people.who("admin", "u-chief")):
        view = (await who.get(f"/api/v1/messages/{asked['message_id']}")).json
        assert (shown(view), view["poll"]["voters"]) == ([(None, False), (None, False)], None)
    closed = await people.anna.post(close_of(asked), {})
    assert (shown(closed.json), closed.json["poll"]["voters"]) == ([(1, False), (1, False)], 1)


async def test_only_who_asked_and_staff_close(sides: Sides, people: People) -> None:
    conversation = await opened(sides.ours)
    asked = await ask(sides.ours, conversation)
    refused = await people.sweet_bites.post(close_of(asked), {})
    assert (refused.status, refused.problem) == (409, "not_the_sender")
    named = await people.sweet_bites.post(close_of(asked), {"sender_id": "u-anna"})
    assert (named.status, named.problem) == (403, "not_yourself")
    voted = await people.sweet_bites.send("PUT", vote_of(asked), {"sender_id": "u-anna", "answers": ["1"]})
    assert (voted.status, voted.problem) == (403, "not_yourself")
    assert (await people.who("admin", "u-chief").post(close_of(asked), {})).json["poll"]["is_closed"] is True


@pytest.mark.parametrize(
    ("answers", "problem"),
    [(["3"], "unknown_answer"), (["1", "2"], "too_many_answers"), (["1", "1"], "invalid_input")],
)
async def test_a_vote_that_is_none_is_refused(
    sides: Sides, world: World, answers: list[str], problem: str
) -> None:
    asked = await ask(sides.ours, await opened(sides.ours))
    before = await world.contents()
    refused = await sides.ours.send("PUT", vote_of(asked), {"sender_id": "u-anna", "answers": answers})
    assert refused.problem == problem
    assert await world.contents() == before


LONG = ["x" * LONGEST_ANSWER, "?" * LONGEST_QUESTION]
NUMBERS = [str(number) for number in range(MOST_ANSWERS + 1)]
BODIES: list[tuple[dict[str, Any], str | None]] = [
    # As large as may be, and a little larger.
    (poll(*NUMBERS[:MOST_ANSWERS]), None),
    (poll(*NUMBERS), "poll.answers"),
    (poll(LONG[0], question=LONG[1], max_selections=MOST_ANSWERS), None),
    (poll(LONG[0] + "x"), "poll.answers[0]"),
    (poll(question=LONG[1] + "?"), "poll.question"),
    (poll(max_selections=MOST_ANSWERS + 1), "poll.max_selections"),
    (poll(max_selections=0), "poll.max_selections"),
    ({"message_type": "poll", "poll": {"question": "Which?", "answers": []}}, "poll.answers"),
    (poll("Vegan", "Vegan"), "poll.answers"),
    (poll("Ve\ngan"), "poll.answers[0]"),
    (poll(kind="secret"), "poll.kind"),
    # What goes with what.
    ({"message_type": "poll"}, "poll"),
    ({"message_type": "location"}, "location"),
    ({"message_type": "text"}, "text"),
    ({}, "text"),
    (poll() | {"text": "Hello"}, "text"),
    (poll() | {"html": "<b>Hello</b>"}, "html"),
    ({"text": "Hello", "poll": poll()["poll"]}, "poll"),
    ({"text": "Hello", "location": {"latitude": 1, "longitude": 1}}, "location"),
    ({"message_type": "system", "text": "Hello"}, "message_type"),
    # The ends of the earth.
    ({"message_type": "location", "location": {"latitude": 90, "longitude": -180}}, None),
    ({"message_type": "location", "location": {"latitude": 90.0001, "longitude": 0}}, "location.latitude"),
    ({"message_type": "location", "location": {"latitude": 0, "longitude": -180.0001}}, "location.longitude"),
    ({"message_type": "location", "location": {"latitude": 0}}, "location.longitude"),
]


@pytest.mark.parametrize(("body", "field"), BODIES)
async def test_what_is_said_is_of_its_kind(
    sides: Sides, world: World, body: dict[str, Any], field: str | None
) -> None:
    conversation = await opened(sides.ours)
    before = await world.contents()
    answer = await sides.ours.post(messages_of(conversation), {"sender_id": "u-anna"} | body)
    if field is None:
        assert answer.status == 201, answer.json
        return
    assert (answer.status, answer.fields) == (422, [field])
    assert await world.contents() == before


@pytest.mark.parametrize("kind", ["image", "file", "video", "audio", "voice"])
async def test_files_cannot_be_sent_yet(sides: Sides, kind: str) -> None:
    conversation = await opened(sides.ours)
    body = {"sender_id": "u-anna", "message_type": kind, "text": "The cake"}
    answer = await sides.ours.post(messages_of(conversation), body)
    assert answer.status == 422
    assert answer.json["errors"] == [
        {
            "field": "message_type",
            "detail": "Attachments cannot be uploaded yet: send a text, a location or a poll.",
        }
    ]


async def test_a_place_is_told(sides: Sides) -> None:
    conversation = await opened(sides.ours)
    place = {"latitude": 52.52, "longitude": 13.405, "description": "Town hall"}
    body = {"sender_id": "u-anna", "message_type": "location", "location": place}
    told = (await sides.ours.post(messages_of(conversation), body)).json
    assert (told["message_type"], told["content"]) == ("location", "Town hall")
    assert told["location"] == place | {"uri": "geo:52.52,13.405"}
    forwarded = await sides.ours.post(
        f"/api/v1/messages/{told['message_id']}/forward",
        {"sender_id": "v-1", "conversation_id": conversation},
    )
    assert (forwarded.json["message_type"], forwarded.json["location"]) == ("location", told["location"])


# The files of a conversation


async def sent_file(world: World, conversation_id: str, kind: Kind, name: str) -> None:
    """In somebody's client."""
    stored = await world.conversation_store.get(world.database, ConversationId(conversation_id))
    assert stored is not None
    source = {"file": {"url": f"mxc://example.org/{name}", "key": {"k": SECRET}}}
    async with world.database.transaction() as tx:
        await world.messages.receive(
            tx,
            stored,
            sender=None,
            text=name,
            kind=kind,
            held=Media(
                attachment_id=f"att-{name}", name=name, source=source, mimetype="image/png", width=1, height=2
            ),
            origin_id=f"${conversation_id}-{name}",
            sent_at=world.clock.now(),
        )


async def test_the_files_of_a_conversation_are_listed_newest_first(sides: Sides, world: World) -> None:
    api, conversation = sides.ours, await opened(sides.ours)
    other = await opened(sides.ours, "p-1", "v-2")
    kinds: tuple[Kind, ...] = ("image", "file", "video", "audio", "voice")
    for kind in kinds:
        await said(api, conversation)
        await sent_file(world, conversation, kind, kind)
    await sent_file(world, other, "image", "elsewhere")
    await ask(api, conversation)
    path = f"{CONVERSATIONS}/{conversation}/media"
    whole = (await api.get(path)).json
    assert [one["message_type"] for one in whole["media"]] == list(reversed(kinds))
    assert whole["next_cursor"] is None
    first = whole["media"][0]
    assert (first["attachment_id"], first["file_name"], first["file_type"]) == (
        "att-voice",
        "voice",
        "image/png",
    )
    assert (first["width"], first["height"], first["file_size"], first["url"]) == (1, 2, None, None)
    # What opens it, and where it lies, nobody is told.
    message = await api.get(f"/api/v1/messages/{first['message_id']}")
    assert message.json["attachments"][0]["file_name"] == "voice"
    assert SECRET not in str(whole) + str(message.json)
    assert "mxc:" not in str(whole) + str(message.json)

    page = (await api.get(path, limit=2)).json
    assert [one["file_name"] for one in page["media"]] == ["voice", "audio"]
    await sent_file(world, conversation, "image", "meanwhile")
    await api.request("DELETE", f"/api/v1/messages/{whole['media'][2]['message_id']}")
    rest = (await api.get(path, limit=1, cursor=page["next_cursor"])).json
    assert [one["file_name"] for one in rest["media"]] == ["file"]
    last = (await api.get(path, limit=1, cursor=rest["next_cursor"])).json
    assert ([one["file_name"] for one in last["media"]], last["next_cursor"]) == (["image"], None)
    refused = await api.get(f"{CONVERSATIONS}/{other}/media", cursor=page["next_cursor"])
    assert (refused.status, refused.problem) == (422, "invalid_cursor")
