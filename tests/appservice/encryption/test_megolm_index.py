"""No Megolm index is ever used twice, whatever dies when, and everybody entitled reads every message."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vodozemac import MegolmMessage

from bridge.core.clock import FrozenClock
from bridge.storage.database import Database
from tests.appservice.encryption.conftest import MakeParty
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, Engine, WatchedDatabase
from tests.appservice.encryption.party import Identity, Party
from tests.appservice.encryption.reader import Reader
from tests.databases import quick_database
from tests.fakes.homeserver import FakeHomeserver, Json


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Ends the process at the nth moment: before or after a commit or a call to the homeserver."""

    def __init__(self, *places: Database | FakeHomeserver) -> None:
        for place in places:
            assert isinstance(place, WatchedDatabase | FakeHomeserver)
            place.on_moment = self.moment
        self.left: int | None = None

    def moment(self, call: str, when: str) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed


def index_of(content: Json) -> int:
    return MegolmMessage.from_base64(content["ciphertext"]).message_index()


def assert_no_index_twice(contents: list[Json]) -> None:
    """Of ciphertexts in the order in which they were made; the same one may come again."""
    made: dict[tuple[str, int], str] = {}
    last: dict[str, int] = defaultdict(lambda: -1)
    for content in contents:
        session, index = content["session_id"], index_of(content)
        if (session, index) in made:
            assert made[session, index] == content["ciphertext"]
            continue
        assert index > last[session]
        made[session, index], last[session] = content["ciphertext"], index


STEPS = st.lists(
    st.tuples(
        st.sampled_from([BOT, GHOST]),
        st.lists(st.integers(0, 24), max_size=3),  # at which moments the attempts end
        st.sampled_from(["", "", "", "a device comes", "bob leaves", "bob comes", "retire"]),
    ),
    min_size=1,
    max_size=3,
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_no_index_is_used_twice_and_all_is_read_whenever_the_process_is_killed(
    steps: list[tuple[str, list[int], str]],
) -> None:
    async def run() -> None:
        async with quick_database() as real:
            await killed_again_and_again(WatchedDatabase(real), steps)

    asyncio.run(run())


async def killed_again_and_again(database: Database, steps: list[tuple[str, list[int], str]]) -> None:
    homeserver, clock = FakeHomeserver(), FrozenClock()
    engine = Engine(database, homeserver, clock)
    homeserver.add_room(ROOM, {BOT: "join", GHOST: "join"})
    await engine.add_room()
    alice = await Party(homeserver, "@alice:people.test", "PHONE", Identity("@alice:people.test")).publish(
        one_time_keys=12
    )
    bob = await Party(homeserver, "@bob:people.test", "PHONE").publish(one_time_keys=12)
    for party in (alice, bob):
        homeserver.set_membership(ROOM, party.user, "join")
    await engine.step()
    killer = Killer(database, homeserver)
    put: list[Json] = []
    devices = [alice]
    homeserver_send = homeserver.send_encrypted

    async def send_encrypted(user: str, device: str, room_id: str, txn_id: str, content: Json) -> str:
        put.append(content)
        return await homeserver_send(user, device, room_id, txn_id, content)

    homeserver.send_encrypted = send_encrypted  # type: ignore[assignment,method-assign]
    for number, (sender, kills, change) in enumerate(steps):
        if change == "a device comes":
            device = Party(homeserver, alice.user, f"DEVICE{number}", alice.identity)
            devices.append(await device.publish(one_time_keys=5))
        elif change in ("bob leaves", "bob comes"):
            homeserver.set_membership(ROOM, bob.user, "leave" if change == "bob leaves" else "join")
            await engine.members_changed()
        elif change == "retire":
            await engine.retire()
        await engine.step()
        letter = f"letter {number}"
        await engine.write(letter, letter)
        for moment in [*kills, None]:
            killer.left = moment
            engine = engine.restarted()
            try:
                await engine.deliver(letter, sender=sender)
            except Killed:
                continue
        killer.left = None
        event = homeserver.timeline(ROOM)[-1]
        readers = [*devices, bob] if homeserver.rooms[ROOM].members[bob.user] == "join" else devices
        for reader in readers:
            await reader.sync()
            assert reader.read(event)["content"]["body"] == letter
        assert (await engine.read(event)).content["body"] == letter
    assert len(homeserver.timeline(ROOM)) == len(steps), "each message once"
    assert_no_index_twice(put)


@pytest.mark.parametrize("sender", [BOT, GHOST])
async def test_no_index_is_used_twice_wherever_one_message_is_interrupted(
    database: Database, sender: str
) -> None:
    """Every moment of a first and of a later message, one after the other."""
    watched, homeserver = WatchedDatabase(database), FakeHomeserver()
    engine = Engine(watched, homeserver, FrozenClock())
    homeserver.add_room(ROOM, {BOT: "join", GHOST: "join"})
    await engine.add_room()
    alice = await Party(homeserver, "@alice:people.test", "PHONE", Identity("@alice:people.test")).publish(
        one_time_keys=50
    )
    homeserver.set_membership(ROOM, alice.user, "join")
    killer = Killer(watched, homeserver)
    contents: list[Json] = []
    for number in range(60):
        letter = f"letter {number}"
        await engine.write(letter, letter)
        if number % 2 == 0:
            await engine.retire()
        killer.left = number // 2
        try:
            await engine.restarted().deliver(letter, sender=sender)
        except Killed:
            prepared = await database.fetch_value("SELECT prepared FROM outbox WHERE id = $1", letter)
            killer.left = None
            await engine.restarted().deliver(letter, sender=sender)
            again = await database.fetch_value("SELECT prepared FROM outbox WHERE id = $1", letter)
            assert prepared in (None, again), "what was made once is what is sent"
        killer.left = None
        event = homeserver.timeline(ROOM)[-1]
        contents.append(event["content"])
        await alice.sync()
        assert alice.read(event)["content"]["body"] == letter
    assert len(homeserver.timeline(ROOM)) == 60
    assert_no_index_twice(contents)


async def test_two_senders_at_once_use_no_index_twice(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    alice = await join("alice")
    for number in range(8):
        await engine.write(f"letter {number}", str(number))
    await asyncio.gather(*(engine.restarted().deliver(f"letter {number}") for number in range(8)))
    await alice.sync()
    events = homeserver.timeline(ROOM)
    assert {alice.read(event)["content"]["body"] for event in events} == {str(n) for n in range(8)}
    indexes = {(event["content"]["session_id"], index_of(event["content"])) for event in events}
    assert len(indexes) == 8


async def test_of_two_who_begin_a_rooms_first_session_at_once_both_use_one(
    engine: Engine, join: MakeParty
) -> None:
    """The second looks while the first has not committed, so that there is not even a row to wait for."""
    alice = await join("alice")
    await engine.own_devices.ensure(BOT)
    first, second = engine.restarted(), engine.restarted()
    async with engine.database.transaction() as tx:
        own = await first.own_devices.usable(tx, BOT)
        assert own is not None
        made = await first.encryptor._session(tx, ROOM, own, in_flight=None)
        assert made is not None
        saying = asyncio.create_task(second.say("hello"))
        await asyncio.sleep(0.2)
        assert not saying.done()
    event = await saying
    [kept] = await engine.rows("outbound_sessions")
    assert event["content"]["session_id"] == kept["session_id"] == made["session_id"]
    await alice.sync()
    assert alice.reads(event)


async def test_who_waited_for_a_session_sends_what_was_added_to_it_meanwhile(
    engine: Engine, homeserver: FakeHomeserver, join: MakeParty
) -> None:
    """Else an event goes before its keys: the other, who has noted them, may die before they are on their way."""
    await join("alice")
    event = await engine.say("hello")
    session_id = event["content"]["session_id"]
    async with engine.database.transaction() as tx:
        assert await engine.encryptor._still(tx, ROOM, BOT, session_id, in_flight=False) is not None
        saying = asyncio.create_task(engine.restarted().say("again"))
        await asyncio.sleep(0.2)
        await engine.to_device.add(tx, BOT, session_id, "m.test", {})
    await saying
    calls = [
        (call, about) for call, _, about in homeserver.log if call in ("send_to_device", "send_encrypted")
    ]
    assert [call for call, _ in calls][-2:] == ["send_to_device", "send_encrypted"]
    assert calls[-2][1] == ("m.test", {})


async def test_a_start_on_an_older_copy_of_the_database_uses_no_index_again(
    engine: Engine, join: MakeParty
) -> None:
    alice = await join("alice")
    await engine.say("before the copy was made")
    [copy] = await engine.rows("outbound_sessions")
    lost = await engine.say("after it")
    async with engine.database.transaction() as tx:
        await tx.execute("UPDATE outbound_sessions SET pickle = $1", copy["pickle"])
    await Reader(engine).parts.look_again()
    event = await engine.restarted().say("after the copy was put in place")
    await alice.sync()
    assert alice.reads(event)
    assert event["content"]["session_id"] != lost["content"]["session_id"]
