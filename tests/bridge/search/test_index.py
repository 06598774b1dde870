"""The index holds what messages say now, for whoever has the key, and is filled for what was said before it."""

import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.core.ids import ParticipantId, TenantId
from bridge.messages.errors import EditWindowClosed
from bridge.search import service
from bridge.search.backfill import AT_ONCE
from bridge.search.model import Search
from bridge.search.store import SearchStore
from bridge.storage.database import Database, open_database
from bridge.storage.sqlite import for_sqlite
from tests.bridge.search.talk import Talk

OTHER = TenantId("other")


@pytest.fixture
def talk(database: Database) -> Talk:
    return Talk(database)


async def test_of_what_is_deleted_no_word_stays(talk: Talk) -> None:
    conversation = await talk.open()
    message_id = await talk.say(conversation, "A marzipan cake")
    await talk.edit(message_id, "A nougat cake with cherries")
    assert await talk.texts("marzipan") == []
    assert await talk.texts("nougat") == ["A nougat cake with cherries"]
    kept = await talk.say(conversation, "Thanks")
    words = await talk.indexed()
    await talk.delete(message_id)
    assert 0 < await talk.indexed() < words
    assert await talk.texts("nougat") == []
    await talk.delete(kept)
    assert await talk.indexed() == 0


async def test_an_edit_that_is_taken_back_is_found_by_what_was_said_first(talk: Talk) -> None:
    conversation = await talk.open()
    await talk.hear(conversation, "A marzipan cake", origin_id="$1", by="@anna:x")
    talk.clock.advance(1)
    now = talk.clock.now()
    async with talk.database.transaction() as tx:
        await talk.changes.receive_edit(
            tx,
            conversation,
            of="$1",
            by="@anna:x",
            text="Nougat",
            origin_id="$2",
            claimed_at=now,
            received_at=now,
        )
    assert (await talk.texts("marzipan"), await talk.texts("nougat")) == ([], ["Nougat"])
    async with talk.database.transaction() as tx:
        await talk.changes.receive_deletion(
            tx, conversation, of="$2", by="@anna:x", is_staff=False, claimed_at=now, received_at=now
        )
    assert (await talk.texts("marzipan"), await talk.texts("nougat")) == (["A marzipan cake"], [])


async def test_the_same_event_again_is_found_once(talk: Talk) -> None:
    conversation = await talk.open()
    for _ in range(2):
        await talk.hear(conversation, "Marzipan", origin_id="$1", by="@anna:x")
    assert await talk.texts("marzipan") == ["Marzipan"]


async def test_what_was_rolled_back_is_not_in_the_index(talk: Talk) -> None:
    conversation = await talk.open()
    message_id = await talk.say(conversation, "Marzipan")
    before = await talk.indexed()
    talk.clock.advance(16 * 60_000)
    with pytest.raises(EditWindowClosed):
        await talk.edit(message_id, "Nougat and cherries")
    with suppress(LookupError):
        async with talk.database.transaction() as tx:
            await talk.service.post(tx, conversation, sender_id=ParticipantId("anna"), text="Nougat")
            raise LookupError
    assert await talk.indexed() == before
    assert await talk.texts("nougat") == []


async def test_who_has_the_database_learns_no_word(talk: Talk) -> None:
    conversation = await talk.open()
    message_id = await talk.say(conversation, "A marzipan cake")
    await talk.edit(message_id, "Nougat with cherries")
    dump = await talk.dump()
    for word in (b"marzipan", b"ougat", b"cherri", b"cake"):
        assert word not in dump.lower()


async def test_each_tenant_has_a_key_of_its_own(talk: Talk) -> None:
    for tenant in ("festipin", "other"):
        await talk.say(await talk.open(tenant=TenantId(tenant)), "Marzipan")
    rows = await talk.database.fetch("SELECT DISTINCT word FROM message_words")
    assert len(rows) == 2
    assert await talk.texts("marzipan", tenant_id=OTHER) == ["Marzipan"]
    assert await talk.texts("marzipan", tenant_id=TenantId("third")) == []


async def test_should_two_stems_share_a_number_what_is_found_is_looked_at_once_more(talk: Talk) -> None:
    conversation = await talk.open()
    await talk.say(conversation, "Marzipan")
    await talk.say(conversation, "Nougat")
    async with talk.database.transaction() as tx:
        marzipan = await tx.fetch_value("SELECT word FROM message_words ORDER BY position LIMIT 1")
        nougat = await tx.fetch_value("SELECT MAX(position) FROM messages")
        await SearchStore().put(tx, conversation.conversation_id, nougat, [marzipan])
    assert await talk.texts("marzipan") == ["Marzipan"]


async def test_pages_go_on_through_what_does_not_fit(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the candidates fall into steps."""
    monkeypatch.setattr(service, "STEPS", (2, 3))
    conversation = await talk.open()
    for number in range(30):
        await talk.say(conversation, f"cake {number}", by="chef" if number % 7 else "anna")
    expected = [f"cake {number}" for number in range(29, -1, -1) if number % 7 == 0]
    for limit in (1, 2, 5, 50):
        assert await talk.texts("cakes", limit=limit, sender_id="anna") == expected
    assert await talk.texts("cake 7") == ["cake 7"]
    assert await talk.texts("7 cake", participant_id="chef") == ["cake 7"]


async def test_messages_that_share_different_stems_with_a_word_are_all_found(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each stem there are fewer than a step takes, of both together more."""
    monkeypatch.setattr(service, "STEPS", (3, 3))
    assert talk.words.stems("decorate") == {"decor", "decorat"}
    conversation = await talk.open()
    said = ["decorations", "decorat", "decorations", "decorat"]
    for text in said:
        await talk.say(conversation, text)
    assert await talk.texts("decorate", limit=50) == said[::-1]


# Of before the index


async def test_what_was_said_before_the_index_becomes_searchable(database: Database) -> None:
    old = Talk(database, indexed=False)
    conversation = await old.open()
    ids = [await old.say(conversation, f"cake {number}") for number in range(2 * AT_ONCE + 5)]
    await old.edit(ids[1], "marzipan")
    await old.delete(ids[2])

    talk = Talk(database)
    assert not await talk.searching.is_complete(database)
    new = await talk.say(conversation, "cake of today")
    assert await talk.texts("cakes", limit=50) == ["cake of today"]
    assert await talk.to_the_end() > 3
    assert await talk.searching.is_complete(database)
    kept = [f"cake {number}" for number in range(2 * AT_ONCE + 4, 2, -1)]
    assert await talk.texts("cakes", limit=50) == ["cake of today", *kept, "cake 0"]
    assert [one for one, _ in await talk.found("marzipan")] == [ids[1]]
    assert new not in ids
    assert not await talk.backfill.step()


async def test_an_interrupted_filling_goes_on_where_it_was(database: Database) -> None:
    old = Talk(database, indexed=False)
    conversation = await old.open()
    for number in range(3 * AT_ONCE):
        await old.say(conversation, f"cake {number}")
    done = []
    while True:
        talk = Talk(database)  # a process that does one step and dies
        if not await talk.backfill.step():
            break
        done.append(await talk.indexed())
    assert done == [0, 3 * AT_ONCE, 6 * AT_ONCE, 9 * AT_ONCE]  # two stems and a number
    assert len(await talk.texts("cake", limit=50)) == 3 * AT_ONCE


async def test_a_message_that_does_not_open_holds_up_no_other(database: Database) -> None:
    old = Talk(database, indexed=False)
    conversation = await old.open()
    ids = [await old.say(conversation, f"cake {number}") for number in range(3)]
    async with database.transaction() as tx:
        await tx.execute("UPDATE messages SET content = $2 WHERE message_id = $1", ids[1], b"\1damaged")
    talk = Talk(database)
    await talk.to_the_end()
    assert await talk.texts("cakes") == ["cake 2", "cake 0"]


async def test_other_languages_make_another_index(database: Database) -> None:
    exact = Talk(database, languages=())
    await exact.say(await exact.open(), "Drei Torten")
    await exact.to_the_end()
    assert (await exact.texts("Torte"), await exact.texts("Torten")) == ([], ["Drei Torten"])
    german = Talk(database, languages=("german",))
    assert not await german.searching.is_complete(database)
    await german.to_the_end()
    assert await german.texts("Torte") == ["Drei Torten"]
    assert await german.searching.is_complete(database)


async def test_an_empty_database_is_complete_at_once(talk: Talk) -> None:
    await talk.to_the_end()
    assert await talk.searching.is_complete(talk.database)


# Plans of what is put together


async def test_no_search_looks_through_all_messages(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    await (await open_database(f"sqlite:///{path}")).close()
    connection = sqlite3.connect(path)
    told: list[str] = []

    class Planner:
        async def fetch(self, sql: str, *args: Any) -> list[Any]:
            told.extend(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {for_sqlite(sql)}", args))
            return []

    search = Search(
        tenant_id=OTHER,
        words="cake",
        sender_id=ParticipantId("anna"),
        kind="text",
        start=1,
        end=2,
    )
    await SearchStore().fitting(Planner(), search, [1, 2, 3], [[4, 5], [6]])  # type: ignore[arg-type]
    connection.close()
    assert told
    assert not [step for step in told if re.match(r"SCAN (?!CONSTANT)", step)], told
