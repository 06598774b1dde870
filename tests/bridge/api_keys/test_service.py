"""Keys of the REST API: made, recognised, revoked."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api_keys.errors import NameUnusable, ScopeUnknown, TenantUnknown
from bridge.api_keys.model import Token, read_token
from bridge.api_keys.service import ApiKeys
from bridge.api_keys.store import ApiKeyStore
from bridge.core.caller import Caller
from bridge.core.clock import FrozenClock
from bridge.core.errors import Refusal
from bridge.core.ids import TenantId
from bridge.storage.database import Database

OURS, THEIRS = TenantId("festipin"), TenantId("other")


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(
        database,
        ApiKeyStore(),
        FrozenClock(5),
        tenants=[OURS, THEIRS],
        scopes=["messages:read", "messages:write"],
    )


async def test_a_key_opens_its_tenant(keys: ApiKeys) -> None:
    for tenant in (OURS, THEIRS):
        token = await keys.create(tenant, name="shop")
        assert await keys.caller_of(str(token)) == Caller(tenant_id=tenant, role="service")


async def test_only_a_hash_of_it_is_kept(keys: ApiKeys, database: Database) -> None:
    token = await keys.create(OURS, name="shop")
    (row,) = await database.fetch("SELECT * FROM api_keys")
    assert row["secret_hash"] == hashlib.sha256(token.secret.encode()).digest()
    assert token.secret not in str(tuple(row[name] for name in ("key_id", "tenant_id", "name")))
    assert len(bytes.fromhex(token.secret)) * 8 == 256


async def test_no_two_keys_are_alike(keys: ApiKeys) -> None:
    made = [await keys.create(OURS, name="shop") for _ in range(3)]
    assert len({token.key_id for token in made}) == len({token.secret for token in made}) == 3


async def test_a_revoked_key_opens_nothing_at_once_and_for_good(keys: ApiKeys) -> None:
    revoked, other = [await keys.create(OURS, name="shop") for _ in range(2)]
    assert await keys.revoke(revoked.key_id)
    assert not await keys.revoke(revoked.key_id)
    assert not await keys.revoke("unknown")
    assert await keys.caller_of(str(revoked)) is None
    assert await keys.caller_of(str(other)) == Caller(tenant_id=OURS, role="service")
    assert {key.key_id: key.revoked_at for key in await keys.all()} == {
        revoked.key_id: 5,
        other.key_id: None,
    }


async def test_a_key_of_a_tenant_that_is_gone_opens_nothing(keys: ApiKeys, database: Database) -> None:
    token = await keys.create(THEIRS, name="shop")
    without_them = ApiKeys(database, ApiKeyStore(), FrozenClock(), tenants=[OURS])
    assert await without_them.caller_of(str(token)) is None


async def test_the_secret_of_another_key_does_not_fit(keys: ApiKeys) -> None:
    first, second = [await keys.create(OURS, name="shop") for _ in range(2)]
    assert await keys.caller_of(str(Token(first.key_id, second.secret))) is None


@pytest.mark.parametrize(
    ("tenant", "name", "refusal"),
    [
        ("stranger", "shop", TenantUnknown),
        (OURS, "", NameUnusable),
        (OURS, "  ", NameUnusable),
        (OURS, "a\nb", NameUnusable),
        (OURS, "x" * 101, NameUnusable),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    keys: ApiKeys, tenant: str, name: str, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        await keys.create(TenantId(tenant), name=name)
    assert await keys.all() == []


async def test_a_key_has_the_scopes_it_was_made_with(keys: ApiKeys) -> None:
    everything = await keys.caller_of(str(await keys.create(OURS, name="shop")))
    reads = await keys.caller_of(str(await keys.create(OURS, name="shop", scopes=["messages:read"])))
    assert everything is not None
    assert reads is not None
    for scope, for_both in (("messages:read", True), ("messages:write", False), ("to_come:read", False)):
        assert everything.may_use(scope)
        assert reads.may_use(scope) == for_both
    assert [key.scopes for key in await keys.all() if key.scopes] == [frozenset({"messages:read"})]


@pytest.mark.parametrize("scopes", [["messages"], ["messages:read", "messages:*"], ["*"], [""], []], ids=str)
async def test_a_key_of_unknown_scopes_is_not_made(keys: ApiKeys, scopes: list[str]) -> None:
    with pytest.raises(ScopeUnknown, match="messages:read, messages:write"):
        await keys.create(OURS, name="shop", scopes=scopes)
    assert await keys.all() == []


async def test_a_connection_ends_with_its_key(keys: ApiKeys) -> None:
    token = await keys.create(OURS, name="shop")
    caller = await keys.caller_of(str(token))
    assert caller is not None
    assert await keys.still_holds(caller)
    await keys.revoke(token.key_id)
    assert not await keys.still_holds(caller)
    assert not await keys.still_holds(Caller(tenant_id=OURS, role="service"))


def test_a_token_does_not_show_in_logs() -> None:
    assert "s" * 64 not in repr(Token("k" * 16, "s" * 64))


@given(st.text() | st.from_regex(r"festimo_[0-9a-f]{15,17}_[0-9a-f]{63,65}\n?", fullmatch=True))
def test_what_is_read_as_a_token_is_written_so(text: str) -> None:
    token = read_token(text)
    assert token is None or str(token) == text
