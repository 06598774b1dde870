"""Whence a search takes its candidates: from what is rarest, so that it looks at few messages in vain."""

from collections.abc import Iterable, Sequence

import pytest

from bridge.search import service
from bridge.search.model import Search
from bridge.search.service import Searching
from bridge.search.store import SearchStore
from bridge.storage.database import Database, Reader
from tests.bridge.search.talk import Talk


class Counting(SearchStore):
    """How many candidates were looked at."""

    def __init__(self) -> None:
        self.looked_at = 0

    async def fitting(
        self, reader: Reader, search: Search, positions: Sequence[int], groups: Sequence[Iterable[int]]
    ) -> list[int]:
        self.looked_at += len(positions)
        return await super().fitting(reader, search, positions, groups)


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def talk(database: Database, store: Counting) -> Talk:
    talk = Talk(database)
    talk.searching = Searching(talk.messages, talk.index, talk.words, store)
    return talk


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STEPS", (2, 3))


async def test_of_who_says_little_a_common_word_is_found_among_what_they_said(
    talk: Talk, store: Counting
) -> None:
    conversation = await talk.open()
    await talk.say(conversation, "cake, please")
    await talk.say(conversation, "thanks")
    for number in range(20):
        await talk.say(conversation, f"cake {number}", by="chef")
    assert await talk.texts("cakes", sender_id="anna") == ["cake, please"]
    assert store.looked_at == 2


async def test_of_who_says_much_a_rare_word_is_found_by_the_word(talk: Talk, store: Counting) -> None:
    conversation = await talk.open()
    await talk.say(conversation, "marzipan cake", by="chef")
    await talk.say(conversation, "marzipan?")
    for number in range(20):
        await talk.say(conversation, f"cake {number}", by="chef")
    assert await talk.texts("cake marzipan", sender_id="chef") == ["marzipan cake"]
    assert store.looked_at == 2


@pytest.mark.parametrize(("text", "by"), [("cake", "chef"), ("bread", "anna")])
async def test_of_two_that_are_too_many_to_count_the_one_that_goes_further_back_is_rarer(
    talk: Talk, store: Counting, monkeypatch: pytest.MonkeyPatch, text: str, by: str
) -> None:
    monkeypatch.setattr(service, "COUNTED", 4)
    conversation = await talk.open()
    for number in range(5):
        await talk.say(conversation, f"cake {number}")
    for number in range(20):
        await talk.say(conversation, f"{text} {number}", by=by)
    assert await talk.texts("cake", sender_id="anna", limit=50) == [f"cake {n}" for n in range(4, -1, -1)]
    assert store.looked_at == 5


@pytest.mark.parametrize("counted", [1, 3, 1_000])
async def test_of_a_person_or_a_conversation_nothing_is_found_elsewhere(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, counted: int
) -> None:
    """However much is counted: the vendor says the same to others."""
    monkeypatch.setattr(service, "COUNTED", counted)
    here, there = await talk.open(), await talk.open("p2", host="bea")
    for conversation, host, often in ((here, "anna", 8), (there, "bea", 4)):
        for number in range(often):
            await talk.say(conversation, f"{host} asks for cake {number}", by=host)
        await talk.say(conversation, f"cake of {host}", by="chef")
    for narrowed in ({"participant_id": "anna"}, {"conversation_id": here.conversation_id}):
        assert await talk.texts("cake", sender_id="chef", **narrowed) == ["cake of anna"]
        assert await talk.texts("asks", sender_id="bea", **narrowed) == []
    assert await talk.texts("cake", sender_id="chef") == ["cake of bea", "cake of anna"]
    assert len(await talk.texts("asks", sender_id="bea")) == 4
