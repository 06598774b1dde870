"""Keys at rest follow one another, and the master key changes: what was sealed opens, before, meanwhile and after."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.checkup.database import check_master_key
from bridge.core.checkup import Suspicious
from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.core.start import CannotStart
from bridge.storage import rewrap
from bridge.storage.database import Database, open_database
from bridge.storage.master_keys import CannotOpen
from bridge.storage.migrate import SHIPPED
from bridge.storage.rewrap import Rewrapping
from bridge.storage.sealing import ROTATE_AFTER, Sealer
from tests.databases import quick_database
from tests.examples import examples

TENANT = TenantId("festipin")
OLD, NEW, NEWEST = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)
PLACE = "messages.content:1"
AGE = int(ROTATE_AFTER.total_seconds() * 1000)


async def seal(database: Database, sealer: Sealer, data: bytes = b"text", scope: str = "c1") -> bytes:
    async with database.transaction() as tx:
        return await sealer.seal(tx, TENANT, scope, data, place=PLACE)


def key_of(sealed: bytes) -> bytes:
    return sealed[1:17]


# The keys of content


async def test_after_90_days_another_key_seals_and_both_open(database: Database) -> None:
    clock = FrozenClock()
    sealer = Sealer(OLD, clock)
    first = await seal(database, sealer)
    clock.advance(AGE - 1)
    assert key_of(await seal(database, sealer)) == key_of(first)
    clock.advance(1)
    second = await seal(database, sealer)
    assert key_of(second) != key_of(first)
    assert key_of(await seal(database, sealer)) == key_of(second)
    clock.advance(AGE)
    third = await seal(database, sealer)
    assert len({key_of(one) for one in (first, second, third)}) == 3
    for reader in (sealer, Sealer(OLD, clock)):
        for sealed in (first, second, third):
            assert await reader.open(database, sealed, place=PLACE) == b"text"


async def test_a_process_that_starts_later_seals_with_the_newest(database: Database) -> None:
    clock = FrozenClock()
    sealer = Sealer(OLD, clock)
    await seal(database, sealer)
    clock.advance(AGE)
    newest = await seal(database, sealer)
    clock.advance(AGE - 1)
    assert key_of(await seal(database, Sealer(OLD, clock))) == key_of(newest)


async def test_processes_that_find_a_key_too_old_at_once_make_one_new_one(database: Database) -> None:
    clock = FrozenClock()
    sealers = [Sealer(OLD, clock) for _ in range(6)]
    former = [await seal(database, sealer) for sealer in sealers]
    clock.advance(AGE)
    after = await asyncio.gather(*(seal(database, sealer) for sealer in sealers))
    assert len({key_of(one) for one in after}) == 1
    assert {key_of(one) for one in after}.isdisjoint({key_of(one) for one in former})
    assert await database.fetch_value("SELECT COUNT(*) FROM content_keys") == 2


async def test_a_clock_that_goes_back_makes_no_keys(database: Database) -> None:
    clock = FrozenClock()
    sealer = Sealer(OLD, clock)
    first = await seal(database, sealer)
    clock.advance(-2 * AGE)
    assert key_of(await seal(database, Sealer(OLD, clock))) == key_of(first)


async def test_what_is_no_key_of_content_stays_for_ever(database: Database) -> None:
    clock = FrozenClock()
    sealer = Sealer(OLD, clock)
    assert await sealer.secret_of(database, TENANT, "search") is None
    async with database.transaction() as tx:
        secret = await sealer.secret(tx, TENANT, "search")
        assert await sealer.secret(tx, TENANT, "other") != secret
    clock.advance(10 * AGE)
    for later in (sealer, Sealer(OLD, clock)):
        async with database.transaction() as tx:
            assert await later.secret(tx, TENANT, "search") == secret
        assert await later.secret_of(database, TENANT, "search") == secret


async def test_keys_of_an_older_release_open_and_age(empty_url: str, tmp_path: Path) -> None:
    """They were written before keys had numbers and master keys had names."""
    for file in SHIPPED.iterdir():
        if file.name.endswith(".sql") and file.name < "0014":
            (tmp_path / file.name).write_text(file.read_text())
    older = await open_database(empty_url, migrations=tmp_path)
    clock = FrozenClock()
    sealer = Sealer(OLD, clock)
    key_id, raw = bytes(range(16)), bytes(range(32))
    async with older.transaction() as tx:
        await tx.execute(
            "INSERT INTO content_keys (key_id, tenant_id, scope, wrapped, created_at) VALUES ($1, $2, $3, $4, $5)",
            key_id.hex(),
            TENANT,
            "c1",
            sealer.master.wrap(key_id, raw),
            clock.now(),
        )
    await older.close()

    database = await open_database(empty_url)
    sealed = await seal(database, sealer)
    assert key_of(sealed) == key_id
    clock.advance(AGE)
    assert key_of(await seal(database, sealer)) != key_id
    with pytest.raises(CannotOpen):
        await Sealer(NEW, clock).check(database)
    changing = Sealer(NEW, clock, former_master_key=OLD)
    await changing.check(database)
    assert await Rewrapping(database, changing).all() == 2
    alone = Sealer(NEW, clock)
    await alone.check(database)
    assert await alone.open(database, sealed, place=PLACE) == b"text"
    await database.close()


# The master key


async def changing(database: Database, new: bytes = NEW, old: bytes = OLD) -> Sealer:
    sealer = Sealer(new, FrozenClock(), former_master_key=old)
    await sealer.check(database)
    return sealer


async def test_the_master_key_changes(database: Database) -> None:
    before = Sealer(OLD, FrozenClock())
    sealed = [await seal(database, before, scope=scope) for scope in ("c1", "c2", "c3")]
    fingerprint = before.fingerprint(b"text")

    both = await changing(database)
    sealed.append(await seal(database, both, scope="c4"))  # made while it changes
    for one in sealed:
        assert await both.open(database, one, place=PLACE) == b"text"
    # Neither alone will do, and that is noticed at once.
    for key in (OLD, NEW):
        with pytest.raises(CannotOpen):
            await Sealer(key, FrozenClock()).check(database)

    assert await Rewrapping(database, both).all() == 3
    assert await Rewrapping(database, both).all() == 0
    after = Sealer(NEW, FrozenClock())
    await after.check(database)
    for one in sealed:
        assert await after.open(database, one, place=PLACE) == b"text"
    assert after.fingerprint(b"text") == both.fingerprint(b"text") == fingerprint
    with pytest.raises(CannotOpen):
        await Sealer(OLD, FrozenClock()).check(database)
    with pytest.raises(CannotOpen):
        await Sealer(OLD, FrozenClock()).open(database, sealed[0], place=PLACE)


async def test_the_doctor_says_how_far_it_is(database: Database) -> None:
    await seal(database, Sealer(OLD, FrozenClock()))
    assert await check_master_key(database, Sealer(OLD, FrozenClock())) == "opens what is stored"
    both = await changing(database)
    with pytest.raises(Suspicious, match="together with"):
        await check_master_key(database, both)
    await Rewrapping(database, both).all()
    with pytest.raises(Suspicious, match="all by itself"):
        await check_master_key(database, both)
    with pytest.raises(CannotStart):
        await check_master_key(database, Sealer(OLD, FrozenClock()))


async def test_it_changes_twice(database: Database) -> None:
    first = Sealer(OLD, FrozenClock())
    sealed = await seal(database, first)
    fingerprint = first.fingerprint(b"text")
    for new, old in ((NEW, OLD), (NEWEST, NEW)):
        await Rewrapping(database, await changing(database, new, old)).all()
    last = Sealer(NEWEST, FrozenClock())
    await last.check(database)
    assert await last.open(database, sealed, place=PLACE) == b"text"
    assert last.fingerprint(b"text") == fingerprint


async def test_a_second_change_before_the_first_has_ended_is_noticed(database: Database) -> None:
    await seal(database, Sealer(OLD, FrozenClock()))
    await seal(database, await changing(database), scope="c2")
    with pytest.raises(CannotOpen):
        await changing(database, NEWEST, NEW)
    await changing(database)  # with both it still opens


@pytest.mark.parametrize("kills_after", range(5))
async def test_a_kill_at_any_point_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, kills_after: int
) -> None:
    """After so many of its transactions: each is stored as a whole or not at all."""
    monkeypatch.setattr(rewrap, "AT_ONCE", 2)
    before = Sealer(OLD, FrozenClock())
    sealed = [await seal(database, before, scope=f"c{number}") for number in range(7)]
    fingerprint = before.fingerprint(b"text")

    class Killed(Exception):
        pass

    class UntilKilled:
        done = 0

        def __getattr__(self, name: str) -> object:
            if name == "transaction":
                if self.done == kills_after:
                    raise Killed
                self.done += 1
            return getattr(database, name)

    with pytest.raises(Killed):
        await Rewrapping(UntilKilled(), await changing(database)).all()  # type: ignore[arg-type]

    again = await changing(database)
    for one in sealed:
        assert await again.open(database, one, place=PLACE) == b"text"
    assert again.fingerprint(b"text") == fingerprint
    if kills_after:  # something has changed already
        assert await Rewrapping(database, again).all() == 7 - 2 * (kills_after - 1)
    else:
        assert await Rewrapping(database, again).all() == 7
    after = Sealer(NEW, FrozenClock())
    await after.check(database)
    for one in sealed:
        assert await after.open(database, one, place=PLACE) == b"text"


async def test_two_that_change_it_at_once_do_it_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bridge does it by itself, and beside it somebody gives the command."""
    monkeypatch.setattr(rewrap, "AT_ONCE", 3)
    before = Sealer(OLD, FrozenClock())
    sealed = [await seal(database, before, scope=f"c{number}") for number in range(10)]
    one, other = await changing(database), await changing(database)
    await asyncio.gather(Rewrapping(database, one).all(), Rewrapping(database, other).run())
    after = Sealer(NEW, FrozenClock())
    await after.check(database)
    for value in sealed:
        assert await after.open(database, value, place=PLACE) == b"text"


async def test_a_key_that_opens_with_neither_is_told_and_left(database: Database) -> None:
    before = Sealer(OLD, FrozenClock())
    await seal(database, before)
    both = await changing(database)
    async with database.transaction() as tx:
        await tx.execute("UPDATE content_keys SET wrapped = $1", b"x" * 60)
    with pytest.raises(CannotOpen):
        await Rewrapping(database, both).all()
    assert (
        await database.fetch_value("SELECT wrapped FROM content_keys WHERE tenant_id = 'festipin'")
        == b"x" * 60
    )


# All of it in any order

step = st.one_of(
    st.tuples(st.just("seal"), st.binary(max_size=200)),
    st.tuples(st.just("wait"), st.sampled_from([b"1", b"45", b"90", b"200"])),
    st.tuples(st.just("restart"), st.just(b"")),
    st.tuples(st.just("change"), st.integers(0, 3).map(lambda number: bytes([number]))),
)


async def story(steps: list[tuple[str, bytes]]) -> None:
    clock, keys = FrozenClock(), [bytes([9] * 32)]
    sealer = Sealer(keys[-1], clock)
    kept: list[tuple[bytes, bytes, str]] = []
    async with quick_database() as database:
        for number, (action, value) in enumerate(steps):
            if action == "seal":
                scope = f"c{number % 2}"
                kept.append((await seal(database, sealer, value, scope), value, scope))
            elif action == "wait":
                clock.advance(int(value) * 24 * 3600 * 1000)
            elif action == "restart":
                sealer = Sealer(keys[-1], clock)
            else:
                keys.append(bytes([10 + number] * 32))
                # Killed so often, then to the end.
                for _ in range(value[0]):
                    sealer = Sealer(keys[-1], clock, former_master_key=keys[-2])
                    await sealer.check(database)
                    await Rewrapping(database, sealer)._some("")
                    kept.append((await seal(database, sealer, value, "c1"), value, "c1"))
                sealer = Sealer(keys[-1], clock, former_master_key=keys[-2])
                await sealer.check(database)
                await Rewrapping(database, sealer).all()
                sealer = Sealer(keys[-1], clock)
            await sealer.check(database)
            for sealed, plain, _ in kept:
                assert await sealer.open(database, sealed, place=PLACE) == plain
        fresh = Sealer(keys[-1], clock)
        for sealed, plain, _ in kept:
            assert await fresh.open(database, sealed, place=PLACE) == plain
            if len(plain) > 3:
                assert plain not in sealed


@given(steps=st.lists(step, max_size=12))
@settings(max_examples=examples(100))
def test_what_was_sealed_opens_whatever_changes(steps: list[tuple[str, bytes]]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 8: decrypt(encrypt(x)) = x, at rest"""
    asyncio.run(story(steps))
