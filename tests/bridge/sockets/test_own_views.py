"""What a frame shows a person is what the REST API shows them: their reactions and votes, and nothing that they have
deleted for themselves; live, and to who comes back."""

import itertools
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId, PartyId
from bridge.sockets.scope import Scope
from bridge.storage.database import Database
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, group, messages_of, opened, poll, said
from tests.bridge.api.world import OURS, World
from tests.bridge.conversations.features import person
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.bridge.sockets.test_commands import delivered, have_it
from tests.bridge.sockets.test_hub import Listener
from tests.databases import both_databases
from tests.fakes.database import WrappedDatabase

PARTY, USER = "/ws/communication/p-1", "/ws/notifications/u-anna"
RUNS = itertools.count(1)
PEOPLE = ("u-anna", "u-ben", "chef")
EMOJI = ("👍", "🎂")
WHO, WHICH = st.integers(0, len(PEOPLE) - 1), st.integers(0, 3)
Move = tuple[str, int, int]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ("say", "ask", "answer", "react", "take back", "mark", "hide", "vote", "read", "edit")
        ),
        WHO,
        WHICH,
    ),
    min_size=4,
    max_size=10,
)


async def hide(api: Api, message_id: str, who: str) -> None:
    query = {"for": "me", "sender_id": who}
    assert (await api.request("DELETE", f"/api/v1/messages/{message_id}", params=query)).status == 200


async def react(api: Api, message_id: str, who: str, emoji: str = "👍") -> None:
    body = {"sender_id": who, "emoji": emoji}
    assert (await api.post(f"/api/v1/messages/{message_id}/reactions", body)).status in (200, 201)


class Talk:
    """A group of Anna, Ben and a chef of their own, of whom each does things to some of what was said."""

    def __init__(self, world: LiveWorld, api: Api) -> None:
        self.world = world
        self.api = api
        run = next(RUNS)
        self.party = f"p-{run}"
        self.names = ("u-anna", "u-ben", f"chef-{run}")
        roles = ("host", "host", "vendor")
        self.tokens = {
            name: world.person(name, "vendor" if role == "vendor" else "host")
            for name, role in zip(self.names, roles, strict=True)
        }
        self.messages: list[str] = []

    async def open(self) -> None:
        people = [
            {"id": name, "name": name, "role": role}
            for name, role in zip(self.names[1:], ("host", "vendor"), strict=True)
        ]
        made = await self.api.post(f"{CONVERSATIONS}/groups", group(*people) | {"party_id": self.party})
        self.here = str(made.json["conversation_id"])
        await self.say("What is on the cake?", "u-anna")

    async def say(self, text: str, who: str, **more: Any) -> None:
        answer = await self.api.post(messages_of(self.here), {"sender_id": who, "text": text} | more)
        await self._said(answer.json["message_id"])

    async def _said(self, message_id: str) -> None:
        self.messages.append(message_id)
        await have_it(self.world, message_id)

    async def take(self, move: str, who: int, which: int) -> None:
        """What is not possible changes nothing."""
        name = self.names[who]
        message_id = self.messages[which % len(self.messages)]
        path, query = f"/api/v1/messages/{message_id}", {"sender_id": name}
        me = Api(self.api.http, self.tokens[name])
        match move:
            case "say":
                await self.say(f"Number {len(self.messages)}", name)
            case "ask":
                asked = await self.api.post(messages_of(self.here), poll() | query)
                await self._said(asked.json["message_id"])
            case "answer":
                body = {"text": "An answer", "thread_id": message_id}
                answer = await me.post(messages_of(self.here), body)
                if answer.status == 201:
                    await self._said(answer.json["message_id"])
            case "react":
                await me.post(f"{path}/reactions", {"emoji": EMOJI[which % 2]})
            case "take back":
                await me.request("DELETE", f"{path}/reactions/{EMOJI[which % 2]}")
            case "mark":
                await me.request("PUT", f"{path}/bookmark")
            case "hide":
                await me.request("DELETE", path, params={"for": "me"})
            case "vote":
                for one in self.messages:
                    await me.send(
                        "PUT", f"/api/v1/messages/{one}/poll/vote", {"answers": [str(1 + which % 2)]}
                    )
            case "read":
                await me.post(f"{CONVERSATIONS}/{self.here}/read", {"up_to_message_id": message_id})
            case "edit":
                await me.send("PUT", path, {"text": "Edited"})

    async def end(self) -> None:
        """Something becomes of each message, and of the conversation, once more."""
        for message_id in self.messages:
            body = {"sender_id": self.names[2], "emoji": "🏁"}
            await self.api.post(f"/api/v1/messages/{message_id}/reactions", body)
        await self.api.send("PUT", f"{CONVERSATIONS}/{self.here}", {"subject": "The end"})


async def until_the_end(client: Client) -> None:
    while (await client.next("conversation.updated"))["conversation"]["subject"] != "The end":
        pass


def last_shown(client: Client) -> tuple[Mapping[str, Any], Any]:
    """Of each message what the last frame of it showed, but for those that were hidden since; and the conversation."""
    messages: dict[str, Any] = {}
    conversation = None
    for frame in client.events:
        if frame["type"] == "message.hidden":
            messages.pop(frame["message_id"], None)
        elif "message" in frame:
            messages[frame["message"]["message_id"]] = frame["message"]
        elif "conversation" in frame:
            conversation = frame["conversation"]
    return messages, conversation


async def rest_shows(talk: Talk, token: str) -> tuple[Mapping[str, Any], Any]:
    api = Api(talk.api.http, token)
    listed = (await api.get(messages_of(talk.here), limit=100)).json["messages"]
    found = {one["message_id"]: one for one in listed}
    return found, (await api.get(f"{CONVERSATIONS}/{talk.here}")).json


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=MOVES)
async def test_all_sockets_of_a_person_and_the_api_show_the_same(
    world: LiveWorld, api: Api, moves: list[Move]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 12: all devices and views of one person converge on one
    state."""
    talk = Talk(world, api)
    async with Crowd(world, api) as crowd:
        await talk.open()
        await world.settled(talk.here)
        of_party, of_talk = f"/ws/communication/{talk.party}", f"/ws/communication/{talk.here}"
        assert api.key is not None
        seats = [(path, talk.tokens[name]) for name in talk.names[:2] for path in (of_party, of_talk)]
        seats += [(f"/ws/vendor/{talk.names[2]}", talk.tokens[talk.names[2]]), (of_party, api.key)]
        live = [await crowd.connected(*seat) for seat in seats]
        back = [crowd.client(*seat) for seat in seats]
        for client in (*live, *back):
            client.checks = False
            client.cursor = live[0].cursor
        for move in moves:
            await talk.take(*move)
        await talk.end()
        await world.settled(talk.here)
        for client in back:
            await client.connect()
        by_rest = {token: await rest_shows(talk, token) for _, token in seats}
        for client in (*live, *back):
            await until_the_end(client)
            messages, conversation = by_rest[client.token or ""]
            shown_messages, shown_conversation = last_shown(client)
            assert (shown_messages, shown_conversation) == (messages, conversation), client.path
        for client in back:  # what they had hidden by then, no frame has shown them
            messages, _ = by_rest[client.token or ""]
            told = {frame["message"]["message_id"] for frame in client.events if "message" in frame}
            assert told <= messages.keys()


@both_databases
async def test_what_somebody_has_hidden_stays_away(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    here = await opened(api)
    message_id = await delivered(world, api, here, "Marzipan")
    await world.settled(here)
    chef, anna = world.person("v-1", "vendor"), world.person("u-anna")
    theirs = [(PARTY, chef), ("/ws/vendor/v-1", chef), (f"/ws/communication/{here}", chef)]
    live = [await crowd.connected(*seat) for seat in theirs]
    back = [await crowd.connected(*seat) for seat in theirs]
    witness, notified = await crowd.connected(PARTY, anna), await crowd.connected("/ws/notifications/v-1")
    for client in back:
        client.drop()
    await react(api, message_id, "u-anna")  # they are told of this, unless they come back later
    for client in live:
        assert (await client.next("reaction.changed"))["message"]["content"] == "Marzipan"
    await hide(api, message_id, "v-1")
    await react(api, message_id, "u-anna", "🎂")
    edited = {"sender_id": "u-anna", "text": "Marzipan!"}
    assert (await api.send("PUT", f"/api/v1/messages/{message_id}", edited)).status == 200
    await said(api, here, "The end")
    await world.settled(here)
    for client in back:
        await client.connect()
    for client in (*live, *back):
        hidden = await client.next("message.hidden")
        assert hidden["message_id"] == message_id
        await client.next("message.sent")
        after = client.events[client.events.index(hidden) + 1 :]
        assert [one["type"] for one in after] == ["message.sent"]
    assert all("Marzipan" not in repr(client.frames) for client in back)
    assert [(await witness.next("reaction.changed"))["type"] for _ in range(2)]
    assert (await witness.next("message.updated"))["message"]["content"] == "Marzipan!"
    await notified.next("message.hidden")
    assert await notified.next("conversation.updated")
    assert [one["type"] for one in notified.events if "reaction" in one["type"]] == []


async def test_who_has_hidden_the_last_message_is_shown_the_one_before(
    world: LiveWorld, api: Api, crowd: Crowd
) -> None:
    here = await opened(api)
    first = await delivered(world, api, here, "Vanilla?")
    last = await delivered(world, api, here, "Marzipan")
    await hide(api, last, "v-1")
    await world.settled(here)
    chef = await crowd.connected(PARTY, world.person("v-1", "vendor"))
    anna, program = await crowd.connected(PARTY, world.person("u-anna")), await crowd.connected(PARTY)
    await api.send("PUT", f"{CONVERSATIONS}/{here}", {"subject": "The cake"})
    shown = [(await one.next("conversation.updated"))["conversation"] for one in (chef, anna, program)]
    assert [one["last_message"]["message_id"] for one in shown] == [first, last, last]
    assert [one["message_count"] for one in shown] == [1, 2, 2]
    assert [one["unread_count"] for one in shown] == [1, 0, None]
    assert [one["settings"] is None for one in shown] == [False, False, True]


class Counting(WrappedDatabase):
    """How often it is asked."""

    def __init__(self, real: Database) -> None:
        super().__init__(real)
        self.asked = 0

    async def before_use(self) -> None:
        self.asked += 1


async def asked_for(database: Database, people: int) -> int:
    """How often the hub asks the database to tell so many of a message that each of them has marked and one has hidden,
    and of a conversation of which each has their own view."""
    counting = Counting(database)
    world, party = World(counting), f"p-of-{people}"
    names = [f"{number}-of-{people}" for number in range(people)]
    async with database.transaction() as tx:
        here = await world.conversations.open(
            tx,
            tenant_id=OURS,
            party_id=PartyId(party),
            party_title="Anna & Ben",
            hosts=[person(name, name, tenant=OURS) for name in names],
            vendor=person("chef", "Sweet Bites", tenant=OURS),
        )
        sender = ParticipantId(names[0])
        message_id = await world.messages.post(tx, here, sender_id=sender, text="Marzipan")
    while await world.feed.order():
        pass
    hub = world.live.hub
    followers = [
        Listener(
            Caller(tenant_id=OURS, role="host", participant_id=ParticipantId(name)), Scope("party", party)
        )
        for name in names
    ]
    for one in followers:
        await hub.join(one)
    async with database.transaction() as tx:
        message = await world.message_store.get(tx, message_id)
        assert message is not None
        for name in names:
            await world.bookmark_store.put(tx, message, ParticipantId(name))
        await world.hiding.hide(tx, message, ParticipantId(names[1]))
        await world.reactions.add(tx, message, by=sender, emoji="🎂")
        await world.conversation_changes.set_standing(tx, here, ParticipantId("chef"), "admin", asking=None)
    while await world.feed.order():
        pass
    counting.asked = 0
    while await hub._read_on():
        pass
    asked = counting.asked
    assert {len(one.offered) for one in followers} == {2}
    return asked


async def test_many_people_cost_no_more_questions_than_few(database: Database) -> None:
    few, many = await asked_for(database, 3), await asked_for(database, 60)
    assert many == few
