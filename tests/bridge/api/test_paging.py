"""Pages neither skip nor repeat an entry, whatever is written meanwhile."""

import base64
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People, Sides
from tests.bridge.api.requests import CONVERSATIONS, messages_of, opened, said
from tests.bridge.api.world import World
from tests.databases import both_databases

paging = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
numbers = count()
# How many are written before each page is asked for, and how large that page is.
visits = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=6)
first_entries = st.integers(0, 7)
ticks = st.booleans()  # whether time passes between two entries


async def write_conversations(
    api: Api, world: World, party_id: str, how_many: int, *, tick: bool
) -> list[str]:
    made = []
    for _ in range(how_many):
        world.clock.advance(int(tick))
        made.append(await opened(api, party_id, f"v-{next(numbers)}"))
    return made


@paging
@given(first=first_entries, visits=visits, tick=ticks)
async def test_conversations_that_were_there_are_listed_once(
    api: Api, world: World, first: int, visits: Sequence[tuple[int, int]], tick: bool
) -> None:
    """Newest first, so what is made meanwhile belongs before the pages already seen."""
    party_id = f"p-{next(numbers)}"
    there = await write_conversations(api, world, party_id, first, tick=tick)
    seen: list[str] = []
    query: dict[str, str | int] = {}
    for written, limit in [*visits, *[(0, 100)] * 2]:
        answer = await api.get(f"/api/v1/parties/{party_id}/conversations", limit=limit, **query)
        if answer.status == 404:
            assert first == 0
            break
        seen += [view["conversation_id"] for view in answer.json["conversations"]]
        await write_conversations(api, world, party_id, written, tick=tick)
        if answer.json["next_cursor"] is None:
            break
        query["cursor"] = answer.json["next_cursor"]
    assert len(set(seen)) == len(seen)
    assert set(there) <= set(seen)
    if tick:
        assert [one for one in seen if one in there] == there[::-1]


async def write_messages(api: Api, conversation_id: str, how_many: int) -> list[str]:
    return [(await said(api, conversation_id)).json["message_id"] for _ in range(how_many)]


def shown(answer: Answer) -> list[str]:
    return [view["message_id"] for view in answer.json["messages"]]


class Reading:
    """A conversation as Anna reads it, or the answers of one thread in it. Of what is written every other message is in
    the thread; every third one Anna deletes for herself, every fifth is deleted for everyone and leaves its place."""

    def __init__(self, people: People, conversation: Conversation, *, root: MessageId | None) -> None:
        self._world, self._anna = people.world, people.anna
        self._conversation = conversation
        self._root = root
        self._written = 0

    @classmethod
    async def begun(cls, people: People, *, in_thread: bool) -> "Reading":
        api, world = people.sides.ours, people.world
        conversation_id = await opened(api, f"p-{next(numbers)}")
        root = MessageId((await said(api, conversation_id)).json["message_id"]) if in_thread else None
        conversation = await world.conversation_store.get(world.database, ConversationId(conversation_id))
        assert conversation is not None
        return cls(people, conversation, root=root)

    async def write(self, how_many: int) -> list[str]:
        """Return those that she is to see."""
        seen: list[str] = []
        world = self._world
        for _ in range(how_many):
            self._written += 1
            thread_id = self._root if self._written % 2 == 0 else None
            async with world.database.transaction() as tx:
                message_id = await world.messages.post(
                    tx,
                    self._conversation,
                    sender_id=ParticipantId("v-1"),
                    text="Hello",
                    thread_id=thread_id,
                )
                if self._written % 3 == 0:
                    message = await world.message_store.get(tx, message_id)
                    assert message is not None
                    await world.hiding.hide(tx, message, ParticipantId("u-anna"))
                    continue
                if self._written % 5 == 0:
                    message = await world.message_store.get(tx, message_id)
                    assert message is not None
                    await world.changes.delete(tx, message, sender_id=None)
                if thread_id == self._root:
                    seen.append(message_id)
        return seen

    async def page(self, **query: str | int) -> Answer:
        thread: dict[str, str | int] = {} if self._root is None else {"thread_id": self._root}
        return await self._anna.get(messages_of(self._conversation.conversation_id), **query, **thread)


@paging
@given(first=first_entries, visits=visits, in_thread=st.booleans(), by_id=st.booleans())
async def test_reading_backwards_finds_the_beginning(
    people: People, first: int, visits: Sequence[tuple[int, int]], in_thread: bool, by_id: bool
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 5: chronological order, continuous pages,
    deletion leaves the thread whole"""
    reading = await Reading.begun(people, in_thread=in_thread)
    there = await reading.write(first)
    seen: list[str] = []
    query: dict[str, str | int] = {}
    for written, limit in [*visits, *[(0, 100)] * 2]:
        answer = await reading.page(limit=limit, **query)
        page = shown(answer)
        assert len(page) <= limit
        seen = page + seen
        await reading.write(written)
        if answer.json["before"] is None:
            break
        query = {"before_message_id": page[0]} if by_id else {"before": answer.json["before"]}
    assert seen == there


@paging
@given(first=first_entries, visits=visits, in_thread=st.booleans())
async def test_reading_forwards_keeps_up(
    people: People, first: int, visits: Sequence[tuple[int, int]], in_thread: bool
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 5: chronological order, continuous pages,
    deletion leaves the thread whole"""
    reading = await Reading.begun(people, in_thread=in_thread)
    after = (await reading.page()).json["after"]
    there = await reading.write(first)
    seen: list[str] = []
    for written, limit in [*visits, *[(0, 100)] * 2]:
        answer = await reading.page(limit=limit, after=after)
        seen += shown(answer)
        assert (answer.json["before"] is None) == (len(seen) == len(shown(answer)))
        there += await reading.write(written)
        after = answer.json["after"]
    assert seen == there


@both_databases
async def test_turning_round_finds_the_page_before(api: Api) -> None:
    conversation_id = await opened(api)
    there = await write_messages(api, conversation_id, 6)
    newest = await api.get(messages_of(conversation_id), limit=2)
    middle = await api.get(messages_of(conversation_id), limit=2, before=newest.json["before"])
    assert shown(newest) + shown(middle) == [*there[4:], *there[2:4]]
    back = await api.get(messages_of(conversation_id), limit=2, after=middle.json["after"])
    assert shown(back) == shown(newest)


@both_databases
async def test_a_page_has_its_usual_length(api: Api) -> None:
    conversation_id = await opened(api)
    await write_messages(api, conversation_id, 51)
    for number in range(20):
        await opened(api, "p-1", f"v-{number + 100}")
    assert len((await api.get(messages_of(conversation_id))).json["messages"]) == 50
    assert len((await api.get(CONVERSATIONS)).json["conversations"]) == 20
    assert len((await api.get(CONVERSATIONS, limit=100)).json["conversations"]) == 21


def altered(cursor: str) -> list[str]:
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    flipped = [raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(0, len(raw), 7)]
    return [base64.urlsafe_b64encode(one).decode().rstrip("=") for one in flipped] + [
        cursor[:-1],
        cursor + "A",
        "A",
        "0" * 40,
        # The last character has spare bits: another text, the same bytes.
        *(cursor[:-1] + last for last in "ABCDEFGH" if last != cursor[-1]),
    ]


async def test_a_cursor_is_good_for_its_list_only(api: Api, sides: Sides) -> None:
    first, second = await opened(api, "p-1", "v-1"), await opened(api, "p-1", "v-2")
    await opened(sides.theirs, "p-1", "v-1")
    thread = (await write_messages(api, first, 2))[0]
    await write_messages(api, second, 2)
    of_list = (await api.get(CONVERSATIONS, limit=1)).json["next_cursor"]
    of_vendors = (await api.get(CONVERSATIONS, limit=1, party_id="p-1")).json["next_cursor"]
    of_messages = (await api.get(messages_of(first), limit=1)).json["before"]
    party = "/api/v1/parties/p-1/conversations"

    strange = [
        (api, CONVERSATIONS, {"cursor": of_vendors}),  # other filters
        (api, CONVERSATIONS, {"cursor": of_list, "status": "active"}),
        (api, CONVERSATIONS, {"cursor": of_messages}),  # another kind of list
        (sides.theirs, CONVERSATIONS, {"cursor": of_list}),  # another tenant's
        (api, party, {"cursor": of_list}),
        (api, messages_of(second), {"before": of_messages}),  # another conversation's
        (api, messages_of(second), {"after": of_messages}),
        (api, messages_of(first), {"before": of_list}),
        (api, messages_of(first), {"before": of_messages, "thread_id": thread}),
        *((api, CONVERSATIONS, {"cursor": cursor}) for cursor in altered(of_list)),
    ]
    for who, path, query in strange:
        answer = await who.get(path, **query)
        assert (answer.status, answer.problem) == (422, "invalid_cursor"), query
        assert answer.json["field"] in query
    assert (await api.get(CONVERSATIONS, cursor=of_list)).status == 200
    assert (await api.get(party, cursor=of_vendors)).status == 200  # the same list by another name


async def test_a_cursor_tells_nothing(api: Api) -> None:
    conversation_id = await opened(api)
    await opened(api, "p-2")
    cursor = (await api.get(CONVERSATIONS, limit=1)).json["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert conversation_id.encode() not in raw


@pytest.mark.parametrize("cursor", ["", "a=", "x" * 401, "é"])
async def test_what_no_cursor_looks_like_is_refused(api: Api, cursor: str) -> None:
    answer = await api.get(CONVERSATIONS, cursor=cursor)
    assert (answer.status, answer.problem) == (422, "invalid_input")
