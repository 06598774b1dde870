"""Events whose key is missing: tried again on a schedule, told of once, and read whenever the key comes."""

from typing import Any

import pytest

from appservice.inbound.undecryptable import UNDECRYPTABLE, Undecryptable, count_undecryptable
from bridge.festimo.unread import read_now
from tests.appservice.encryption.engine import BOT, Engine, WatchedDatabase
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, CHEF, TALK, Reader
from tests.fakes.homeserver import FakeHomeserver, Json

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
async def reader(engine: Engine) -> Reader:
    return await Reader(engine).opened()


@pytest.fixture
async def anna(reader: Reader) -> Party:
    return await reader.joined(ANNA)


def overdue() -> float:
    return float(UNDECRYPTABLE.labels("overdue")._value.get())


async def withhold(reader: Reader, party: Party, code: str, /, **changed: Any) -> Json:
    session_id = party.encrypt(TALK, "")["session_id"]
    content = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "room_id": TALK,
        "session_id": session_id,
        "sender_key": party.identity_key,
        "code": code,
        "reason": "Anything, by anybody.",
    } | changed
    homeserver = reader.engine.homeserver
    assert isinstance(homeserver, FakeHomeserver)
    [device] = homeserver.users[BOT].devices
    homeserver.put_to_device(party.user, BOT, device, "m.room_key.withheld", content)
    return content


async def test_it_is_tried_at_10_s_1_min_10_min_1_h_and_1_d_and_then_stays(
    reader: Reader, anna: Party
) -> None:
    start = reader.engine.clock.now()
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    due = []
    while (at := (await reader.due_at())[0]) is not None:
        due.append(at - start)
        reader.engine.clock.time = at - 1
        await reader.restarted().look()
        assert await reader.due_at() == [at], "not before its time"
        reader.engine.clock.time = at
        await reader.restarted().look()
    assert due == [10 * SECOND, MINUTE, 10 * MINUTE, HOUR, DAY]
    assert [row["state"] for row in await reader.engine.rows("inbox")] == ["parked"]
    await count_undecryptable(reader.engine.database)
    assert (overdue(), UNDECRYPTABLE.labels("tried")._value.get()) == (1, 0)


async def test_the_sender_is_told_after_a_minute_once_per_session_in_plain_words(
    reader: Reader, anna: Party
) -> None:
    reader.engine.clock.time = 1_800_000_180_000  # 2027-01-15 08:03 UTC
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    await reader.later(10 * SECOND)
    assert await reader.told() == []
    await reader.later(50 * SECOND)
    assert await reader.told() == [
        "Anna, I could not read your message of 08:03 UTC: its encryption key has not reached me. Those who take part"
        " here without a Matrix app have not seen it either. Please send it again. If I cannot read that either, write"
        " /discardsession here first (in Element), or restart your app."
    ]
    for pause in (0, 10 * MINUTE, HOUR, DAY, 2 * DAY):
        reader = reader.restarted()
        await reader.deliver(reader.event(anna, f"$after {pause}", "Hello?"))
        await reader.later(pause)
        await reader.look()
    assert len(await reader.told()) == 1


async def test_a_key_that_comes_in_time_opens_the_message_and_nobody_is_told(
    reader: Reader, anna: Party
) -> None:
    key = anna.room_key(TALK)
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    await reader.later(10 * SECOND)
    await anna.send_room_key(BOT, TALK, key)
    await reader.synced()
    await reader.later(DAY)
    assert (await reader.read(), await reader.told()) == (["Hello"], [])
    for table in ("undecryptable_events", "missing_keys", "withheld_keys", "unread_notices"):
        assert await reader.engine.rows(table) == []


async def test_a_key_that_comes_in_a_month_still_opens_it_and_nobody_repeats_themselves_in_vain(
    reader: Reader, anna: Party
) -> None:
    key = anna.room_key(TALK)
    sent_at = reader.engine.clock.now()
    for number in range(3):
        await reader.deliver(reader.event(anna, f"${number}", f"Hello {number}"))
    for pause in (MINUTE, DAY, 30 * DAY):
        await reader.later(pause)
    [notice] = await reader.told()
    assert "3 messages of yours" in notice
    await anna.send_room_key(BOT, TALK, key)
    await reader.restarted().synced()
    assert await reader.read() == ["Hello 0", "Hello 1", "Hello 2"]
    assert await reader.told() == [notice, read_now("Anna")]
    [first, *_] = [m for m in await reader.features.history(reader.conversation) if m.sender_type == "user"]
    assert first.created_at == sent_at
    await count_undecryptable(reader.engine.database)
    assert overdue() == 0


async def test_nobody_is_told_that_all_was_read_before_it_was(reader: Reader, anna: Party) -> None:
    """The first key opens what came after it only."""
    early = anna.room_key(TALK)
    await reader.deliver(reader.event(anna, "$1", "One"))
    late = anna.room_key(TALK)
    await reader.deliver(reader.event(anna, "$2", "Two"))
    await reader.later(MINUTE)
    await anna.send_room_key(BOT, TALK, late)
    await reader.synced()
    assert (await reader.read(), len(await reader.told())) == (["Two"], 1)
    await anna.send_room_key(BOT, TALK, early)
    await reader.synced()
    assert await reader.read() == ["Two", "One"]
    assert (await reader.told())[1:] == [read_now("Anna")]


async def test_a_restart_after_an_outage_tries_once_and_goes_on_with_the_schedule(
    reader: Reader, anna: Party
) -> None:
    start = reader.engine.clock.now()
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    reader.engine.clock.advance(2 * HOUR)
    reader = reader.restarted()
    await reader.look()
    assert await reader.due_at() == [start + DAY]
    assert len(await reader.told()) == 1


async def test_a_key_that_was_stored_without_waking_anybody_is_seen_at_the_next_try(
    reader: Reader, anna: Party
) -> None:
    key = anna.room_key(TALK)
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    await anna.send_room_key(BOT, TALK, key)
    await reader.engine.step()
    async with reader.engine.database.transaction() as tx:
        await tx.execute("UPDATE inbox SET state = 'parked' WHERE state = 'waiting'")
    await reader.work_off()
    assert await reader.read() == []
    await reader.later(10 * SECOND)
    assert await reader.read() == ["Hello"]


async def test_a_key_is_looked_for_elsewhere_and_another_place_that_fails_stops_nothing(
    reader: Reader, anna: Party
) -> None:
    key = anna.room_key(TALK)
    event = reader.event(anna, "$1", "Hello")
    await reader.deliver(event)
    asked: list[tuple[str, str]] = []

    async def fails(room_id: str, session_id: str) -> bool:
        asked.append((room_id, session_id))
        raise TimeoutError

    reader = reader.restarted(fails)
    await reader.later(MINUTE)
    assert asked == [(TALK, event["content"]["session_id"])]
    assert len(await reader.told()) == 1

    async def finds(room_id: str, session_id: str) -> bool:
        await anna.send_room_key(BOT, TALK, key)
        await reader.engine.step()
        return True

    reader = reader.restarted(finds)
    await reader.later(10 * MINUTE)
    assert await reader.read() == ["Hello"]


async def test_somebody_elses_event_that_names_the_same_session_changes_nothing_for_the_sender(
    reader: Reader, anna: Party
) -> None:
    chef = await reader.joined(CHEF)
    key = anna.room_key(TALK)
    event = reader.event(anna, "$1", "Hello")
    await reader.deliver(event)
    await reader.deliver(event | {"event_id": "$2", "sender": chef.user})
    await reader.later(MINUTE)
    assert sorted(text.partition(",")[0] for text in await reader.told()) == ["Anna", "Sweet Bites"]
    await anna.send_room_key(BOT, TALK, key)
    await reader.synced()
    assert (await reader.read(), (await reader.told())[2:]) == (["Hello"], [read_now("Anna")])
    assert [row["sender"] for row in await reader.engine.rows("missing_keys")] == [CHEF]


async def test_however_many_sessions_somebody_makes_they_are_told_at_most_every_ten_minutes(
    reader: Reader, anna: Party
) -> None:
    for number in range(20):
        anna.outbound.clear()
        await reader.deliver(reader.event(anna, f"${number}", "Hello"))
    await reader.later(MINUTE)
    assert len(await reader.told()) == 1
    await reader.later(9 * MINUTE)
    assert len(await reader.told()) == 1
    await reader.later(HOUR)
    assert len(await reader.told()) == 2


async def test_who_takes_no_part_or_has_left_is_not_told(reader: Reader, anna: Party) -> None:
    stranger = await reader.joined("@stranger:people.test")
    await reader.deliver(reader.event(stranger, "$1", "Hello"))
    await reader.deliver(reader.event(anna, "$2", "Hello"))
    [anna_is] = [
        member.participant.participant_id
        for member in await reader.features.conversation_store.members(
            reader.engine.database, reader.conversation.conversation_id
        )
        if member.participant.mxid == ANNA
    ]
    async with reader.engine.database.transaction() as tx:
        await reader.features.conversations.went(tx, reader.conversation.conversation_id, anna_is, "left")
    for pause in (MINUTE, DAY):
        await reader.later(pause)
    assert await reader.told() == []


async def test_a_key_that_is_of_no_use_ends_the_waiting_without_a_word(reader: Reader, anna: Party) -> None:
    key = anna.room_key(TALK)
    await reader.deliver(reader.event(anna, "$1", "Hello", room="!another:bridge.test"))
    forged = reader.event(anna, "$2", "Hello")
    inside = anna.encrypt(TALK, "Hello", inside={"room_id": "!another:bridge.test"})
    await reader.deliver(forged | {"content": inside})
    await reader.later(MINUTE)
    await anna.send_room_key(BOT, TALK, key)
    await reader.synced()
    states = {row["id"]: row["state"] for row in await reader.engine.rows("inbox")}
    assert states["matrix:$2"] == "dead"
    assert read_now("Anna") not in await reader.told()
    assert [row["item_id"] for row in await reader.engine.rows("undecryptable_events")] == ["matrix:$1"]


async def test_what_was_deleted_before_it_was_read_is_not_told(reader: Reader, anna: Party) -> None:
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    async with reader.engine.database.transaction() as tx:
        await tx.execute("UPDATE inbox SET state = 'done', body = NULL")
    await reader.later(MINUTE)
    assert await reader.told() == []
    assert await reader.engine.rows("undecryptable_events") == await reader.engine.rows("missing_keys") == []


async def test_a_withheld_code_says_what_helps(reader: Reader, anna: Party) -> None:
    words = {"m.unverified": "verified", "m.blacklisted": "unblock", "m.unauthorised": "take part"}
    for code, word in words.items():
        anna.outbound.clear()
        await withhold(reader, anna, code)
        await reader.engine.step()
        await reader.deliver(reader.event(anna, f"${code}", "Hello"))
        await reader.later(MINUTE)
        told = await reader.told()
        assert word in told[-1]
        assert "Anything" not in told[-1], "nobody speaks through Festimo"
        await reader.later(10 * MINUTE)
    assert len(await reader.told()) == len(words)


async def test_a_withheld_code_inside_olm_counts_as_well(reader: Reader, anna: Party) -> None:
    session_id = anna.encrypt(TALK, "")["session_id"]
    content = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": TALK, "session_id": session_id}
    await anna.send_olm(BOT, "m.room_key.withheld", content | {"code": "m.blacklisted"})
    await reader.engine.step()
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    await reader.later(MINUTE)
    assert "unblock" in (await reader.told())[0]


NOT_KEPT: list[tuple[str, dict[str, Any]]] = [
    ("an unknown code", {"code": "m.hello"}),
    ("a code of a wrong kind", {"code": ["m.unverified"]}),
    ("another algorithm", {"algorithm": "m.megolm.v2"}),
    ("a room that is not ours", {"room_id": "!another:bridge.test"}),
    ("a room of a wrong kind", {"room_id": {}}),
    ("a room with a NUL", {"room_id": "!a\0"}),
    ("a session id that is none", {"session_id": "x"}),
    ("no session id", {"session_id": None}),
]


async def test_a_malformed_withheld_is_not_kept_and_stops_nothing(reader: Reader, anna: Party) -> None:
    for name, changed in NOT_KEPT:
        await withhold(reader, anna, "m.unverified", **changed)
        await reader.engine.step()
        assert await reader.engine.rows("withheld_keys") == [], name
    await withhold(reader, anna, "m.unverified")
    await reader.engine.step()
    assert len(await reader.engine.rows("withheld_keys")) == 1


async def test_of_somebody_who_is_not_in_the_room_nothing_is_kept(reader: Reader, anna: Party) -> None:
    homeserver = reader.engine.homeserver
    assert isinstance(homeserver, FakeHomeserver)
    stranger = await Party(homeserver, "@stranger:people.test", "PHONE").publish()
    await withhold(reader, stranger, "m.unverified")
    await reader.engine.step()
    assert await reader.engine.rows("withheld_keys") == []


async def test_what_is_kept_of_withheld_keys_is_bounded(reader: Reader, anna: Party) -> None:
    for _ in range(130):
        anna.outbound.clear()
        reader.engine.clock.advance(1)
        await withhold(reader, anna, "m.unverified")
        await reader.engine.step()
    rows = await reader.engine.rows("withheld_keys")
    assert len(rows) == 100
    assert anna.encrypt(TALK, "")["session_id"] in {row["session_id"] for row in rows}


async def test_nobody_can_say_why_somebody_else_withholds(reader: Reader, anna: Party) -> None:
    chef = await reader.joined(CHEF)
    event = reader.event(anna, "$1", "Hello")
    await withhold(reader, chef, "m.blacklisted", session_id=event["content"]["session_id"])
    await reader.engine.step()
    await reader.deliver(event)
    await reader.later(MINUTE)
    assert "unblock" not in (await reader.told())[0]


async def test_a_try_and_what_it_tells_are_one_commit(reader: Reader, anna: Party) -> None:
    await reader.deliver(reader.event(anna, "$1", "Hello"))
    reader.engine.clock.advance(MINUTE)
    watched = WatchedDatabase(reader.engine.database)
    tables = ("missing_keys", "unread_notices", "messages", "outbox")
    before = [await reader.engine.rows(table) for table in tables]

    def killed(call: str, moment: str) -> None:
        if moment == "before":
            raise Killed

    watched.on_moment = killed
    one = Undecryptable(
        database=watched,
        inbox=reader._inbox,
        withheld=reader.engine.withheld,
        notices=reader.undecryptable._notices,
        clock=reader.engine.clock,
    )
    with pytest.raises(Killed):
        await one.step()
    assert [await reader.engine.rows(table) for table in tables] == before
    await reader.restarted().look()
    assert len(await reader.told()) == 1


async def test_forwarded_keys_open_nothing(reader: Reader, anna: Party) -> None:
    """Not even from the sender's own device: we have not asked for any."""
    event = reader.event(anna, "$1", "Hello")
    await reader.deliver(event)
    content = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "room_id": TALK,
        "sender_key": anna.identity_key,
        "session_id": event["content"]["session_id"],
        "session_key": anna.export_at(TALK, 1).to_base64(),
        "sender_claimed_ed25519_key": anna.signing_key,
        "forwarding_curve25519_key_chain": [],
    }
    await anna.send_olm(BOT, "m.forwarded_room_key", content)
    await reader.synced()
    await reader.later(MINUTE)
    assert (await reader.read(), await reader.engine.rows("inbound_sessions")) == ([], [])
    homeserver = reader.engine.homeserver
    assert isinstance(homeserver, FakeHomeserver)
    assert "m.room_key_request" not in [about for _, about in homeserver.calls("send_to_device")]
