"""A sealed value opens at its own place, with the right key, unaltered; or not at all."""

import asyncio
from contextlib import suppress

import pytest

from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.storage.database import Database
from bridge.storage.sealing import MOST_KEYS, CannotOpen, Sealer

TENANT, OTHER = TenantId("festipin"), TenantId("other")
MASTER_KEY = bytes(range(32))
PLACE = "messages.content:1"


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(MASTER_KEY, FrozenClock())


async def seal(
    database: Database, sealer: Sealer, *, data: bytes = b"text", tenant: TenantId = TENANT, scope: str = "c1"
) -> bytes:
    async with database.transaction() as tx:
        return await sealer.seal(tx, tenant, scope, data, place=PLACE)


@pytest.mark.parametrize("data", [b"", b"text", b"\0\xff", b"x" * 1_000_000], ids=len)
async def test_what_was_sealed_opens(database: Database, sealer: Sealer, data: bytes) -> None:
    sealed = await seal(database, sealer, data=data)
    assert await sealer.open(database, sealed, place=PLACE) == data
    assert await Sealer(MASTER_KEY, FrozenClock()).open(database, sealed, place=PLACE) == data


async def test_the_same_text_is_never_sealed_alike(database: Database, sealer: Sealer) -> None:
    assert len({await seal(database, sealer) for _ in range(20)}) == 20


async def test_a_value_moved_elsewhere_does_not_open(database: Database, sealer: Sealer) -> None:
    sealed = await seal(database, sealer)
    for place in ("messages.content:2", "messages.content:11", "outbox.body:1", ""):
        with pytest.raises(CannotOpen, match="altered, or sealed for another place"):
            await sealer.open(database, sealed, place=place)


async def test_no_altered_byte_opens(database: Database, sealer: Sealer) -> None:
    sealed = await seal(database, sealer)
    for index in range(len(sealed)):
        altered = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(CannotOpen):
            await sealer.open(database, altered, place=PLACE)


async def test_no_shortened_or_lengthened_value_opens(database: Database, sealer: Sealer) -> None:
    sealed = await seal(database, sealer)
    for wrong in [*(sealed[:length] for length in range(len(sealed))), sealed + b"\0"]:
        with pytest.raises(CannotOpen):
            await sealer.open(database, wrong, place=PLACE)


async def test_another_master_key_opens_and_seals_nothing(database: Database, sealer: Sealer) -> None:
    sealed = await seal(database, sealer)
    stranger = Sealer(bytes(32), FrozenClock())
    with pytest.raises(CannotOpen, match=r"storage\.master_key is not the one"):
        await stranger.open(database, sealed, place=PLACE)
    with pytest.raises(CannotOpen, match=r"storage\.master_key is not the one"):
        await seal(database, stranger)


async def test_each_tenant_and_scope_has_a_key_of_its_own(database: Database, sealer: Sealer) -> None:
    for tenant in (TENANT, OTHER):
        for scope in ("c1", "c2"):
            for _ in range(3):
                await seal(database, sealer, tenant=tenant, scope=scope)
    assert await database.fetch_value("SELECT COUNT(*) FROM content_keys") == 4


async def test_when_its_key_is_deleted_a_value_is_gone(database: Database, sealer: Sealer) -> None:
    sealed, kept = await seal(database, sealer), await seal(database, sealer, scope="c2")
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM content_keys WHERE scope = 'c1'")
    later = Sealer(MASTER_KEY, FrozenClock())
    with pytest.raises(CannotOpen, match="not in the database"):
        await later.open(database, sealed, place=PLACE)
    assert await later.open(database, kept, place=PLACE) == b"text"


async def test_the_key_itself_is_not_in_the_database(database: Database, sealer: Sealer) -> None:
    """Nor is the master key: what the table holds opens nothing."""
    await seal(database, sealer)
    wrapped = await database.fetch_value("SELECT wrapped FROM content_keys")
    assert len(wrapped) == 12 + 32 + 16
    assert MASTER_KEY not in wrapped


async def test_a_key_that_was_rolled_back_never_seals_anything(database: Database, sealer: Sealer) -> None:
    with suppress(LookupError):
        async with database.transaction() as tx:
            await sealer.seal(tx, TENANT, "c1", b"text", place=PLACE)
            raise LookupError
    assert await database.fetch_value("SELECT COUNT(*) FROM content_keys") == 0
    sealed = await seal(database, sealer)
    assert await Sealer(MASTER_KEY, FrozenClock()).open(database, sealed, place=PLACE) == b"text"


async def test_racing_first_values_of_a_scope_share_one_key(database: Database) -> None:
    """Each from a process of its own, which knows nothing of the others' keys."""
    sealers = [Sealer(MASTER_KEY, FrozenClock()) for _ in range(8)]
    values = await asyncio.gather(*(seal(database, sealer) for sealer in sealers))
    assert await database.fetch_value("SELECT COUNT(*) FROM content_keys") == 1
    for value in values:
        assert await sealers[0].open(database, value, place=PLACE) == b"text"


async def test_several_values_in_one_transaction_share_a_key_not_yet_committed(
    database: Database, sealer: Sealer
) -> None:
    async with database.transaction() as tx:
        values = [await sealer.seal(tx, TENANT, "c1", b"text", place=PLACE) for _ in range(3)]
        assert await sealer.open(tx, values[0], place=PLACE) == b"text"
    assert await database.fetch_value("SELECT COUNT(*) FROM content_keys") == 1


async def test_few_keys_are_kept_in_memory_and_all_open(database: Database, sealer: Sealer) -> None:
    scopes = [f"c{number}" for number in range(MOST_KEYS + 20)]
    async with database.transaction() as tx:
        sealed = [await sealer.seal(tx, TENANT, scope, scope.encode(), place=PLACE) for scope in scopes]
    for _ in range(2):
        assert [await sealer.open(database, one, place=PLACE) for one in sealed] == [
            scope.encode() for scope in scopes
        ]
    assert len(sealer._by_id) == len(sealer._by_scope) == MOST_KEYS
    again = await seal(database, sealer, data=b"again", scope=scopes[0])
    assert again[1:17] == sealed[0][1:17], "the same key as before, from the database"
