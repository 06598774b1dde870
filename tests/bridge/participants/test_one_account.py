"""One account is one participant's: also of those who shared one before that was so."""

import pytest

from bridge.core.clock import FrozenClock
from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.erasures import ErasureStore
from bridge.storage.database import Database, Transaction
from bridge.storage.migrate import SHIPPED, split
from tests.bridge.conversations.features import TENANT, Features, person

SHARED, OWN = "@both:example.org", "@own:example.org"
OTHER = TenantId("other")
MIGRATION = split((SHIPPED / "0049_one_account.sql").read_text())
BEFORE = (
    "DROP INDEX participants_of_mxid",
    "CREATE INDEX participants_of_mxid ON participants (tenant_id, mxid)",
)


async def known(tx: Transaction, features: Features, *people: tuple[str, str | None], of: TenantId) -> None:
    for name, mxid in people:
        features.clock.advance(1)
        await features.participants.put(tx, person(name, name, mxid=mxid, tenant=of))


async def test_of_those_who_shared_one_who_was_known_first_keeps_it(database: Database) -> None:
    features = Features(database)
    async with database.transaction() as tx:
        for statement in BEFORE:
            await tx.execute(statement)
        shared = [("zoe", SHARED), ("anna", SHARED), ("ben", SHARED), ("cleo", OWN), ("dora", None)]
        await known(tx, features, *shared, of=TENANT)
        await known(tx, features, ("anna", SHARED), ("zoe", SHARED), of=OTHER)
        await ErasureStore().insert(tx, OTHER, ParticipantId("anna"), FrozenClock())
    async with database.transaction() as tx:
        for statement in MIGRATION:
            await tx.execute(statement)
    rows = await database.fetch(
        "SELECT tenant_id, participant_id, mxid FROM participants WHERE mxid IS NOT NULL"
    )
    assert {(row["tenant_id"], row["participant_id"], row["mxid"]) for row in rows} == {
        (TENANT, "zoe", SHARED),
        (TENANT, "cleo", OWN),
        (OTHER, "zoe", SHARED),
    }


async def test_nobody_is_stored_with_anothers(database: Database) -> None:
    features = Features(database)
    async with database.transaction() as tx:
        await known(tx, features, ("anna", SHARED), ("dora", None), ("ella", None), of=TENANT)
        await known(tx, features, ("anna", SHARED), of=OTHER)
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with database.transaction() as tx:
            await known(tx, features, ("ben", SHARED), of=TENANT)
