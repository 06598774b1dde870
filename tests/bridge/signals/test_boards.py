"""Typing and presence in memory: bounded, ending by themselves, told to whoever listens."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.signals.events import PresenceChanged, TypingChanged
from bridge.signals.model import Person, Presence
from bridge.signals.presence import PresenceBoard
from bridge.signals.store import SeenStore
from bridge.signals.typing import TypingBoard
from bridge.storage.database import Database
from tests.examples import examples

TENANT = TenantId("festipin")
HERE, THERE = ConversationId("here"), ConversationId("there")
ANNA, BEN = ParticipantId("anna"), ParticipantId("ben")
OF_ANNA = Person(tenant_id=TENANT, participant_id=ANNA)


def nobody(_: object) -> None:
    """Listens."""


def typists(board: TypingBoard, conversation_id: ConversationId = HERE) -> list[str]:
    return [one.participant_id for one in board.of(conversation_id)]


def test_who_types_shows_until_they_stop_or_ten_seconds_are_over() -> None:
    clock = FrozenClock()
    board = TypingBoard(nobody, clock)
    board.set(TENANT, HERE, ANNA, is_typing=True)
    clock.advance(4_000)
    board.set(TENANT, HERE, BEN, is_typing=True)
    assert (typists(board), typists(board, THERE)) == (["anna", "ben"], [])
    clock.advance(6_000)
    assert typists(board) == ["ben"]
    board.set(TENANT, HERE, BEN, is_typing=False)
    assert typists(board) == []


def test_who_goes_on_typing_goes_on_showing() -> None:
    clock = FrozenClock()
    board = TypingBoard(nobody, clock)
    for _ in range(3):
        board.set(TENANT, HERE, ANNA, is_typing=True)
        clock.advance(9_999)
    assert typists(board) == ["anna"]


def test_what_clients_say_ends_nothing_that_the_platform_said() -> None:
    board = TypingBoard(nobody, FrozenClock())
    board.set(TENANT, HERE, BEN, is_typing=True)
    board.set_in_clients(TENANT, HERE, [ANNA])
    assert typists(board) == ["ben", "anna"]
    board.set_in_clients(TENANT, HERE, [])
    assert typists(board) == ["ben"]


def test_who_types_in_a_client_shows_until_the_homeserver_says_otherwise_or_two_minutes_are_over() -> None:
    """A homeserver tells of changes only, however often the client says that they go on."""
    clock, heard = FrozenClock(), list[TypingChanged]()
    board = TypingBoard(heard.append, clock)
    board.set_in_clients(TENANT, HERE, [ANNA])
    board.set(TENANT, HERE, BEN, is_typing=True)
    clock.advance(10_000)
    board.lapse()
    assert typists(board) == ["anna"]
    clock.advance(109_999)
    board.lapse()
    assert typists(board) == ["anna"]
    board.set_in_clients(TENANT, HERE, [ANNA, BEN])  # so she types still
    clock.advance(119_999)
    assert typists(board) == ["anna", "ben"]
    board.set_in_clients(TENANT, HERE, [BEN])
    assert typists(board) == ["ben"]
    heard.clear()
    clock.advance(120_000)
    board.lapse()
    assert (typists(board), heard) == ([], [typing_of(BEN, None)])


def test_who_types_here_and_there_shows_as_long_as_was_said_last() -> None:
    clock = FrozenClock()
    board = TypingBoard(nobody, clock)
    board.set_in_clients(TENANT, HERE, [ANNA])
    board.set(TENANT, HERE, ANNA, is_typing=True)
    board.set(TENANT, HERE, BEN, is_typing=True)
    board.set_in_clients(TENANT, HERE, [BEN])
    assert typists(board) == ["anna", "ben"]
    clock.advance(10_000)
    board.lapse()
    assert typists(board) == ["ben"]


def test_typing_in_more_conversations_than_there_is_room_for_does_not_show() -> None:
    clock = FrozenClock()
    board = TypingBoard(nobody, clock, most=1)
    board.set(TENANT, HERE, ANNA, is_typing=True)
    board.set(TENANT, THERE, ANNA, is_typing=True)
    assert (typists(board), typists(board, THERE)) == (["anna"], [])
    clock.advance(10_000)
    board.set(TENANT, THERE, ANNA, is_typing=True)
    assert (typists(board), typists(board, THERE)) == ([], ["anna"])


STEP = st.one_of(
    st.tuples(st.just("types"), st.sampled_from((ANNA, BEN)), st.sampled_from((HERE, THERE))),
    st.tuples(st.just("stops"), st.sampled_from((ANNA, BEN)), st.sampled_from((HERE, THERE))),
    st.tuples(st.just("waits"), st.integers(0, 12_000), st.none()),
)


@given(steps=st.lists(STEP, max_size=30))
@settings(max_examples=examples(200))
def test_just_those_show_who_typed_in_the_last_ten_seconds(
    steps: list[tuple[str, ParticipantId | int, ConversationId | None]],
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 4: typing shows, and ends by itself, whatever is typed
    where and in whatever order."""
    clock = FrozenClock()
    board = TypingBoard(nobody, clock)
    typed: dict[tuple[ConversationId, ParticipantId], int] = {}
    for what, who, where in steps:
        if isinstance(who, int):
            clock.advance(who)
        elif where is not None:
            board.set(TENANT, where, who, is_typing=what == "types")
            typed.pop((where, who), None)
            if what == "types":
                typed[where, who] = clock.now()
        for place in (HERE, THERE):
            shown = {one.participant_id for one in board.of(place)}
            expected = {
                person
                for (there, person), at in typed.items()
                if there == place and clock.now() < at + 10_000
            }
            assert shown == expected


def typing_of(who: ParticipantId, until: int | None, where: ConversationId = HERE) -> TypingChanged:
    return TypingChanged(tenant_id=TENANT, conversation_id=where, participant_id=who, until=until)


def test_a_listener_hears_of_typing_and_of_its_end() -> None:
    clock, heard = FrozenClock(), list[TypingChanged]()
    board = TypingBoard(heard.append, clock)
    board.set(TENANT, HERE, ANNA, is_typing=True)
    board.set(TENANT, HERE, ANNA, is_typing=False)
    board.set(TENANT, HERE, ANNA, is_typing=False)  # no news
    board.set(TENANT, THERE, BEN, is_typing=True)
    until = clock.now() + 10_000
    assert heard == [typing_of(ANNA, until), typing_of(ANNA, None), typing_of(BEN, until, THERE)]


def test_what_ends_by_itself_is_told_once_and_those_first_that_ended_first() -> None:
    clock, heard = FrozenClock(), list[TypingChanged]()
    board = TypingBoard(heard.append, clock)
    for who, where in ((ANNA, HERE), (BEN, HERE), (ANNA, THERE)):
        board.set(TENANT, where, who, is_typing=True)
        clock.advance(1_000)
    board.set(TENANT, HERE, ANNA, is_typing=True)  # she goes on
    heard.clear()
    clock.advance(8_000)
    board.lapse()
    assert heard == [typing_of(BEN, None)]
    clock.advance(2_000)
    board.lapse()
    board.lapse()
    assert heard == [typing_of(BEN, None), typing_of(ANNA, None, THERE), typing_of(ANNA, None)]


async def test_presence_is_shown_and_last_seen_outlives_the_process(database: Database) -> None:
    clock = FrozenClock()
    board = PresenceBoard(database, SeenStore(), nobody, clock)
    assert await board.of(database, OF_ANNA) == Presence(state="offline", seen_at=None)
    began = clock.now()
    board.declared(OF_ANNA, "online")
    assert await board.of(database, OF_ANNA) == Presence(state="online", seen_at=began)
    await board.keep()
    clock.advance(60_000)
    board.seen(OF_ANNA, "away", at=began + 30_000)
    assert await board.of(database, OF_ANNA) == Presence(state="away", seen_at=began + 30_000)
    await board.keep()
    later = PresenceBoard(database, SeenStore(), nobody, clock)
    # Coarsely: what is less than five minutes after what is stored is not.
    assert await later.of(database, OF_ANNA) == Presence(state="offline", seen_at=began)
    board.seen(OF_ANNA, "online", at=began + 300_000)
    assert (await board.of(database, OF_ANNA)).seen_at == clock.now()  # nobody was seen in the future


async def test_last_seen_never_goes_back(database: Database) -> None:
    store = SeenStore()
    for at in (2_000, 1_000):
        async with database.transaction() as tx:
            await store.put(tx, OF_ANNA, at=at)
    assert await store.get(database, OF_ANNA) == 2_000
    other = Person(tenant_id=TenantId("other"), participant_id=ANNA)
    assert await store.get(database, other) is None


async def test_who_was_heard_of_longest_ago_is_forgotten_first(database: Database) -> None:
    board = PresenceBoard(database, SeenStore(), nobody, FrozenClock(), most=1)
    board.declared(OF_ANNA, "online")
    board.declared(Person(tenant_id=TENANT, participant_id=BEN), "online")
    assert (await board.of(database, OF_ANNA)).state == "offline"


async def test_only_a_change_of_presence_is_told(database: Database) -> None:
    heard = list[PresenceChanged]()
    board = PresenceBoard(database, SeenStore(), heard.append, FrozenClock())
    board.declared(OF_ANNA, "online")
    board.declared(OF_ANNA, "online")
    board.declared(OF_ANNA, "offline")
    assert [event.state for event in heard] == ["online", "offline"]


async def test_who_was_declared_to_be_there_has_gone_five_minutes_later(database: Database) -> None:
    clock, heard = FrozenClock(), list[PresenceChanged]()
    board = PresenceBoard(database, SeenStore(), heard.append, clock)
    board.seen(Person(tenant_id=TENANT, participant_id=BEN), "online", at=None)  # his client would tell
    board.declared(OF_ANNA, "online")
    began = clock.now()
    clock.advance(200_000)
    board.declared(OF_ANNA, "online")
    clock.advance(299_999)
    board.lapse()
    assert [event.state for event in heard] == ["online", "online"]
    clock.advance(1)
    board.lapse()
    board.lapse()
    gone = PresenceChanged(tenant_id=TENANT, participant_id=ANNA, state="offline", seen_at=began + 200_000)
    assert heard[2:] == [gone]
    assert await board.of(database, OF_ANNA) == Presence(state="offline", seen_at=began + 200_000)
