"""Whoever was added, left, was blocked and came back: by no way of reading they get what was said without them."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Side
from bridge.core.ids import ConversationId, MessageId
from bridge.messages.held import Media
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of
from tests.bridge.api.world import World

PEOPLE = ("anna", "ben", "chef")
ROLES: dict[str, Side] = {"anna": "host", "ben": "host", "chef": "vendor"}
numbers = count()
MOVES = st.lists(
    st.tuples(
        st.sampled_from(("say", "say", "send a file", "come", "leave", "block", "reopen")),
        st.sampled_from(PEOPLE),
    ),
    min_size=3,
    max_size=12,
)


@dataclass(frozen=True, slots=True)
class Said:
    """`to`: who was there, by hand; `answers`: the message that it answers."""

    message_id: str
    text: str
    by: str | None
    to: frozenset[str]
    answers: str | None = None
    is_file: bool = False


@dataclass(slots=True)
class Talk:
    """A conversation of Anna's with the chef, which Ben may join; what became of it is counted by hand."""

    api: Api
    world: World
    run: str
    here: str = ""
    members: set[str] = field(default_factory=lambda: {"anna", "chef"})
    away: dict[str, str] = field(default_factory=dict)
    blocked: str | None = None
    said: list[Said] = field(default_factory=list)

    @property
    def there(self) -> frozenset[str]:
        return frozenset(self.members - set(self.away))

    async def open(self, *hosts: str) -> None:
        asked = {
            "party": {
                "id": f"p{self.run}",
                "title": "Party",
                "hosts": [{"id": one + self.run, "name": one} for one in hosts],
            },
            "vendor": {"id": f"chef{self.run}", "name": "Chef"},
        }
        self.here = (await self.api.post(CONVERSATIONS, asked)).json["conversation_id"]

    async def take(self, move: str, who: str) -> None:
        one = f"{CONVERSATIONS}/{self.here}"
        match move:
            case "say" if who in self.there:
                seen = [said for said in self.said if who in said.to]
                answers = seen[-1].message_id if seen else None
                text = f"cake {len(self.said)}{self.run}"
                body = {"sender_id": who + self.run, "text": text, "reply_to": answers}
                posted = await self.api.post(messages_of(self.here), body)
                await self._has(posted.json["message_id"], text, who, answers)
            case "send a file":
                await self._send_file(f"cake {len(self.said)}{self.run}")
            case "come":
                hosts = ["anna", *({who} - {"anna", "chef"})]
                await self.open(*hosts)
                coming = {*hosts, "chef"}
                back = any(self.away.get(one) == "left" for one in coming) or not coming <= self.members
                self.members |= coming
                for name in coming:
                    if self.away.get(name) == "left":
                        del self.away[name]
                if back:
                    self._keep_out()
            case "leave" if who in self.members and self.away.get(who) != "left":
                query = {"participant_id": who + self.run}
                assert (await self.api.request("POST", f"{one}/leave", params=query)).status == 200
                self.away[who] = "left"
            case "block" if self.blocked is None:
                side = ROLES[who]
                assert (await self.api.post(f"{one}/block", {"side": side})).status == 200
                self.blocked = side
                self._keep_out()
            case "reopen":
                assert (await self.api.request("POST", f"{one}/reopen")).status == 200
                self.blocked = None
                self.away = {name: why for name, why in self.away.items() if why != "blocked"}

    def _keep_out(self) -> None:
        for name in self.there:
            if ROLES[name] == self.blocked:
                self.away[name] = "blocked"

    async def _has(
        self, message_id: str, text: str, by: str | None, answers: str | None = None, *, is_file: bool = False
    ) -> None:
        if not is_file:
            async with self.world.database.transaction() as tx:
                await self.world.messages.sent(tx, MessageId(message_id), origin_id=f"${message_id}")
        self.said.append(Said(message_id, text, by, self.there, answers, is_file))

    async def _send_file(self, name: str) -> None:
        """Somebody does who takes no part here, in their client."""
        stored = await self.world.conversation_store.get(self.world.database, ConversationId(self.here))
        assert stored is not None
        async with self.world.database.transaction() as tx:
            await self.world.messages.receive(
                tx,
                stored,
                sender=None,
                text=name,
                kind="image",
                held=Media(attachment_id=name.replace(" ", ""), name=name, source={}),
                origin_id=f"$file{len(self.said)}{self.run}",
                sent_at=self.world.clock.now() - 60_000 * len(self.said),  # by whatever clock
            )
        (newest,) = (await self.api.get(messages_of(self.here), limit=1)).json["messages"]
        await self._has(newest["message_id"], name, None, is_file=True)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=MOVES)
async def test_nobody_reads_what_was_said_without_them(
    people: People, world: World, moves: list[tuple[str, str]]
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    talk = Talk(people.sides.ours, world, f"x{next(numbers)}")
    await talk.open("anna")
    for move, who in moves:
        await talk.take(move, who)
    for said in talk.said:
        await check_recipients(talk, said)
    for who in PEOPLE:
        await check(talk, who, people.who(ROLES[who], who + talk.run))


async def check(talk: Talk, who: str, api: Api) -> None:
    """By every way of reading."""
    here = talk.here
    if who not in talk.there:
        for path in (f"{CONVERSATIONS}/{here}", messages_of(here), f"{CONVERSATIONS}/{here}/media"):
            assert (await api.get(path)).problem == "not_found"
        for said in talk.said:
            assert (await api.get(f"/api/v1/messages/{said.message_id}")).problem == "not_found"
        assert (await api.post("/api/v1/messages/search", {"words": "cake"})).json["messages"] == []
        return
    wanted = [said.text for said in talk.said if who in said.to]
    newest_first = wanted[::-1]
    assert await pages(api, messages_of(here), "messages", "before", "before", limit=2) == newest_first
    assert (
        await pages(api, "/api/v1/messages", "messages", "before", "before", conversation_id=here)
        == newest_first
    )
    found = await pages(
        api, f"{CONVERSATIONS}/{here}/search", "messages", "next_cursor", "cursor", q="cake", limit=3
    )
    assert found == newest_first
    everywhere = await api.post("/api/v1/messages/search", {"words": "cake", "limit": 100})
    assert texts(everywhere) == newest_first
    media = await pages(api, f"{CONVERSATIONS}/{here}/media", "media", "next_cursor", "cursor", limit=1)
    assert media == [said.text for said in reversed(talk.said) if who in said.to and said.is_file]
    export = await api.post(f"{CONVERSATIONS}/{here}/export", {"format": "json"})
    assert texts(export) == wanted
    await check_view(talk, who, api, wanted)
    for said in talk.said:
        mark = f"/api/v1/messages/{said.message_id}/bookmark"
        assert (await talk.api.request("PUT", mark, params={"participant_id": who + talk.run})).status == 200
    assert await pages(api, "/api/v1/bookmarks", "messages", "next_cursor", "cursor", limit=2) == newest_first
    await check_page_in_browser(talk, api, wanted)
    for said in talk.said:
        if who in said.to:
            assert (await api.get(f"/api/v1/messages/{said.message_id}")).json["content"] == said.text
        else:
            await check_nothing_is_there(talk, api, said.message_id)


async def check_view(talk: Talk, who: str, api: Api, wanted: list[str]) -> None:
    view = (await api.get(f"{CONVERSATIONS}/{talk.here}")).json
    (listed,) = (await api.get(CONVERSATIONS)).json["conversations"]
    assert listed == view
    assert view["message_count"] == len(wanted)
    assert (view["last_message"] or {}).get("content") == (wanted[-1] if wanted else None)
    assert (view["last_message_at"] is None) == (not wanted)
    theirs = [said for said in talk.said if who in said.to and said.by != who]
    assert view["unread_count"] == len(theirs)
    by_all = {one["participant_id"]: one["unread_count"] for one in view["participants"]}
    assert by_all[who + talk.run] == len(theirs)
    unread = (await api.get(f"{CONVERSATIONS}/unread")).json
    assert unread["unread_count"] == len(theirs)
    with_unread = (await api.get(CONVERSATIONS, has_unread="true")).json["conversations"]
    assert bool(with_unread) == bool(theirs)
    read = (await api.post(f"{CONVERSATIONS}/{talk.here}/read", {})).json
    assert (read["read_count"], read["unread_count"]) == (len(theirs), 0)
    last = [said.message_id for said in talk.said if who in said.to]
    assert read["last_read_message_id"] == (last[-1] if last else None)


async def check_page_in_browser(talk: Talk, api: Api, wanted: list[str]) -> None:
    """Answers repeat there what they answer."""
    path = f"{CONVERSATIONS}/{talk.here}/export"
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.http.post(path, json={"format": "html"}, headers=headers) as response:
        page = await response.text()
    for said in talk.said:
        assert (f"{said.text}<" in page) == (said.text in wanted)


async def check_nothing_is_there(talk: Talk, api: Api, message_id: str) -> None:
    """As of an id that nobody has given."""
    one, here = f"/api/v1/messages/{message_id}", f"{CONVERSATIONS}/{talk.here}"
    before = await talk.world.contents()
    tried = [
        await api.get(one),
        await api.send("PUT", one, {"text": "Mine"}),
        await api.request("DELETE", one),
        await api.request("DELETE", one, params={"for": "me"}),
        await api.request("POST", f"{one}/retry"),
        await api.post(f"{one}/forward", {"conversation_id": talk.here}),
        await api.get(f"{one}/reactions"),
        await api.post(f"{one}/reactions", {"emoji": "👍"}),
        await api.request("PUT", f"{one}/pin"),
        await api.request("PUT", f"{one}/bookmark"),
        await api.send("PUT", f"{one}/poll/vote", {"answers": []}),
        await api.get(messages_of(talk.here), before_message_id=message_id),
        await api.get(messages_of(talk.here), thread_id=message_id),
        await api.post(f"{here}/read", {"up_to_message_id": message_id}),
        await api.post("/api/v1/messages/read", {"message_ids": [message_id]}),
    ]
    assert {(answer.status, answer.problem) for answer in tried} == {(404, "not_found")}
    for field_ in ("reply_to", "thread_id"):
        answer = await api.post(messages_of(talk.here), {"text": "Yes", field_: message_id})
        unknown = await api.post(messages_of(talk.here), {"text": "Yes", field_: "0" * len(message_id)})
        assert (answer.status, answer.json) == (unknown.status, unknown.json)
    assert await talk.world.contents() == before


async def check_recipients(talk: Talk, said: Said) -> None:
    """Who is there now and was there then."""
    view = (await talk.api.get(f"/api/v1/messages/{said.message_id}")).json
    told = {one["participant_id"] for one in view["recipients"]}
    assert told == {who + talk.run for who in (said.to & talk.there) - {said.by}}


async def pages(api: Api, path: str, what: str, gives: str, takes: str, **query: Any) -> list[str]:
    """What all pages hold, the newest first."""
    found: list[str] = []
    while True:
        page = (await api.get(path, **query)).json
        shown = [text_of(one) for one in page[what]]
        found += reversed(shown) if gives == "before" else shown
        if page[gives] is None:
            return found
        query[takes] = page[gives]


def texts(answer: Answer) -> list[str]:
    return [text_of(one) for one in answer.json["messages"]]


def text_of(shown: dict[str, Any]) -> str:
    return str(shown["content"] if "content" in shown else shown["file_name"])
