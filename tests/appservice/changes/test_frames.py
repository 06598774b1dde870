"""Each thing that somebody does in a Matrix client: what a socket shows of it, and what a webhook would be told."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from appservice.inbound.late import EDIT
from appservice.polls import RESPONSE, START, response_of, start_of
from bridge.core.clock import FrozenClock
from bridge.core.ids import ParticipantId
from bridge.storage.database import Database
from bridge.wiring import api_keys
from tests.appservice.changes.room import GHOST, MINUTE, Conversation
from tests.appservice.changes.test_in_clients import MALLORY, key
from tests.appservice.changes.test_polls import POLL, TEXT, Polling
from tests.appservice.encryption.engine import TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK, configuration
from tests.bridge.api.client import Api
from tests.bridge.sockets.client import Client
from tests.fakes.homeserver import FakeHomeserver, Json

CHEF = ParticipantId("chef")
THE_END = "That is all."


class Watched(Polling):
    """With all that the bridge serves, and a program that listens."""

    anna: Party
    client: Client

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._transactions = itertools.count(1)
        self._seen_up_to = 0

    async def begin(self, aiohttp_client: AiohttpClient) -> None:
        """Anna has asked something and pinned that, and reacted to an answer that everybody has."""
        await self.opened()
        self.anna = await self.joined(ANNA)
        await key(self, self.anna)
        self.http = await aiohttp_client(self.parts.app())
        await self.brings(self.event(self.anna, "$1", "Vegan?"))
        await self.brings(self.sent(self.anna, "$poll", START, start_of(POLL, text=TEXT, prefix="")))
        await self.brings(self.pinning("$pins", ["$poll"]))
        await self.answer("With pleasure.", origin_id="$answer")
        await self.brings(self.reaction("$heart", "$answer", "❤️"))
        while await self.parts.product.feed.order():
            pass
        self._seen_up_to = len(await self.events())
        keys = api_keys(configuration({}), self.engine.database, self.clock)
        api = Api(self.http, str(await keys.create(TENANT, name="tests")))
        self.client = await Client(api, "/ws/communication/p1", api.key).connect()

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.parts.product.feed.run())
            tasks.create_task(self.parts._website.live.run())

    async def brings(self, *events: Json, ephemeral: Sequence[Json] = ()) -> None:
        """The homeserver does, by a transaction; and what can be applied is."""
        number = next(self._transactions)
        path = f"/_matrix/app/v1/transactions/{number}"
        token = self.parts._config.appservice.hs_token.get_secret_value()
        headers, body = {"Authorization": f"Bearer {token}"}, {"events": events, "ephemeral": ephemeral}
        async with self.http.put(path, json=body, headers=headers) as response:
            assert response.status == 200
        await self.work_off()
        await self.parts._inbound.signals.step()

    async def answer(self, text: str, *, origin_id: str) -> None:
        """By the API, for the chef."""
        messages = self.parts.product.messages
        async with self.engine.database.transaction() as tx:
            message_id = await messages.post(tx, self.conversation, sender_id=CHEF, text=text)
            await messages.sent(tx, message_id, origin_id=origin_id)

    async def events(self) -> list[str]:
        """What programs are told."""
        rows = await self.engine.database.fetch("SELECT event FROM feed ORDER BY entry")
        return [row["event"] for row in rows[self._seen_up_to :]]

    async def shown_outside(self, *, signals: int) -> list[Json]:
        """On the socket, until now. `signals`: how many of them come behind whatever else there is."""
        await self.answer(THE_END, origin_id="$end")
        found: list[Json] = []
        is_at_end = False
        while not is_at_end or sum(one["type"] == "typing.indicator" for one in found) < signals:
            frame = await self.client.read()
            is_at_end = is_at_end or frame.get("message", {}).get("content") == THE_END
            if not is_at_end or frame["type"] == "typing.indicator":
                found.append(frame)
        return found

    def membership(self, membership: str, *, before: str, sender: str = ANNA) -> Json:
        self.homeserver.set_membership(TALK, ANNA, membership)
        return {
            "type": "m.room.member",
            "state_key": ANNA,
            "room_id": TALK,
            "event_id": "$member",
            "sender": sender,
            "origin_server_ts": self.clock.now(),
            "content": {"membership": membership},
            "unsigned": {"prev_content": {"membership": before}},
        }


@dataclass(frozen=True)
class Told:
    """`frame`: its type; `event`: the webhook's, if there is one; `shows`: parts of the frame, by their path."""

    frame: str
    event: str | None
    shows: Mapping[str, object] = field(default_factory=dict)


Act = Callable[[Watched], Awaitable[None]]
Row = tuple[Act, Sequence[Told]]


def brings(make: Callable[[Watched], Json]) -> Act:
    async def act(talk: Watched) -> None:
        await talk.brings(make(talk))

    return act


async def edits_late(talk: Watched) -> None:
    talk.clock.advance(15 * MINUTE + 1)
    await talk.brings(talk.edited(talk.anna, "$2", "Vegetarian?", of="$1"))


async def reads(talk: Watched) -> None:
    content = {"$answer": {"m.read": {ANNA: {"ts": talk.clock.now()}}}}
    await talk.brings(ephemeral=[{"type": "m.receipt", "room_id": TALK, "content": content}])


async def types(talk: Watched) -> None:
    await talk.brings(ephemeral=[{"type": "m.typing", "room_id": TALK, "content": {"user_ids": [ANNA]}}])


def gone(away: str | None, event: str) -> list[Told]:
    shows = {"conversation.participants.0.participant_id": "anna", "conversation.participants.0.away": away}
    return [Told("conversation.updated", event, shows)]


RECEIVED = ("message.received", "message.sent")
ACTIONS: dict[str, Row] = {
    "says something": (
        brings(lambda talk: talk.event(talk.anna, "$2", "And nuts?")),
        [Told(*RECEIVED, {"message.content": "And nuts?", "message.sender_id": "anna"})],
    ),
    "replies": (
        brings(
            lambda talk: talk.said(
                talk.anna, "$2", "Good", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$answer"}}}
            )
        ),
        [Told(*RECEIVED, {"message.content": "Good", "message.reply_to": "ID of $answer"})],
    ),
    "answers in a thread": (
        brings(
            lambda talk: talk.said(
                talk.anna, "$2", "Good", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$answer"}}
            )
        ),
        [Told(*RECEIVED, {"message.content": "Good", "message.thread_id": "ID of $answer"})],
    ),
    "mentions somebody": (
        brings(lambda talk: talk.said(talk.anna, "$2", "Chef?", **{"m.mentions": {"user_ids": [GHOST]}})),
        [Told(*RECEIVED, {"message.mentions": ["chef"]})],
    ),
    "edits": (
        brings(lambda talk: talk.edited(talk.anna, "$2", "Vegetarian?", of="$1")),
        [
            Told(
                "message.updated",
                "message.edited",
                {"message.content": "Vegetarian?", "message.is_edited": True},
            )
        ],
    ),
    # Our copy stays, so there is nothing to tell but the answer to it.
    "edits too late": (
        edits_late,
        [Told("message.sent", "message.sent", {"message.content": EDIT, "message.sender_type": "festimo"})],
    ),
    "redacts": (
        brings(lambda talk: talk.redaction("$2", "$1")),
        [Told("message.deleted", "message.deleted", {"message.content": "", "message.event_id": "$1"})],
    ),
    "reacts": (
        brings(lambda talk: talk.reaction("$2", "$answer", "👍")),
        [Told("reaction.changed", "reaction.added", {"message.reactions.1.participants": ["anna"]})],
    ),
    "takes a reaction back": (
        brings(lambda talk: talk.redaction("$2", "$heart")),
        [Told("reaction.changed", "reaction.removed", {"message.reactions": []})],
    ),
    "pins": (
        brings(lambda talk: talk.pinning("$2", ["$poll", "$1"], before=["$poll"])),
        [Told("conversation.updated", "conversation.pins_changed")],
    ),
    "unpins": (
        brings(lambda talk: talk.pinning("$2", [], before=["$poll"])),
        [Told("conversation.updated", "conversation.pins_changed")],
    ),
    "votes": (
        brings(lambda talk: talk.sent(talk.anna, "$2", RESPONSE, response_of(POLL, ["2"], of="$poll"))),
        [
            Told(
                "message.updated", "poll.voted", {"message.poll.voters": 1, "message.poll.answers.1.votes": 1}
            )
        ],
    ),
    "leaves": (
        brings(lambda talk: talk.membership("leave", before="join")),
        gone("left", "participant.left"),
    ),
    "declines": (
        brings(lambda talk: talk.membership("leave", before="invite")),
        gone("declined", "participant.declined"),
    ),
    "is removed": (
        brings(lambda talk: talk.membership("leave", before="join", sender=MALLORY)),
        gone("removed", "participant.removed"),
    ),
    "is banned": (
        brings(lambda talk: talk.membership("ban", before="join", sender=MALLORY)),
        gone("removed", "participant.removed"),
    ),
    "joins": (
        brings(lambda talk: talk.membership("join", before="invite")),
        gone(None, "participant.came"),
    ),
    # Another name or picture: who they are here, the platform says.
    "changes how they look": (brings(lambda talk: talk.membership("join", before="join")), []),
    "reads": (
        reads,
        [
            Told(
                "message.read",
                "message.read",
                {"reader.participant_id": "anna", "reader.last_read_message_id": "ID of $answer"},
            )
        ],
    ),
    "types": (
        types,
        [Told("typing.indicator", None, {"participant_id": "anna", "is_typing": True})],
    ),
}


@pytest.fixture
async def watched(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Watched]:
    talk = Watched(Engine(database, FakeHomeserver(), FrozenClock()))
    await talk.begin(aiohttp_client)
    working = asyncio.create_task(talk.work())
    yield talk
    working.cancel()
    await asyncio.wait([working])
    await talk.client.socket.close()


@pytest.mark.parametrize(("act", "told"), ACTIONS.values(), ids=ACTIONS)
async def test_what_is_done_in_a_client_is_told_outside_once(
    watched: Watched, act: Act, told: Sequence[Told]
) -> None:
    await act(watched)
    assert await watched.events() == [one.event for one in told if one.event is not None]
    frames = await watched.shown_outside(signals=sum(one.event is None for one in told))
    assert [one["type"] for one in frames] == [one.frame for one in told]
    for frame, wanted in zip(frames, told, strict=True):
        for path, value in wanted.shows.items():
            assert at(frame, path) == await meant(watched, value), path
    assert await watched.dead() == []


@pytest.mark.parametrize("by", ["festimo", "themselves"])
async def test_who_leaves_by_the_api_is_told_of_once_when_the_room_tells_it_too(
    watched: Watched, by: str
) -> None:
    """Festimo puts them out of the room; their client may be quicker."""
    changes = watched.parts.product.conversation_changes
    async with watched.engine.database.transaction() as tx:
        await changes.leave(tx, watched.conversation, who=ParticipantId("anna"))
    sender = watched.parts.names.bot if by == "festimo" else ANNA
    await watched.brings(watched.membership("leave", before="join", sender=sender))
    assert await watched.events() == ["participant.left"]
    assert [one["type"] for one in await watched.shown_outside(signals=0)] == ["conversation.updated"]


def at(frame: Any, path: str) -> object:
    for step in path.split("."):
        frame = frame[int(step)] if isinstance(frame, list) else frame[step]
    return frame


async def meant(talk: Conversation, value: object) -> object:
    """`ID of $event`: of the message that came as this event."""
    if not isinstance(value, str) or not value.startswith("ID of "):
        return value
    history = await talk.features.history(talk.conversation)
    (found,) = (one.message_id for one in history if one.origin_id == value.removeprefix("ID of "))
    return found
