"""A token that was revoked ends at once; whoever signs in again afterwards gets in."""

from contextlib import suppress

import pytest

from bridge.core.caller import Caller
from bridge.core.clock import FrozenClock
from bridge.core.ids import TenantId
from bridge.storage.database import Database
from bridge.tokens.keys import PublicKeys
from bridge.tokens.model import Revocation
from bridge.tokens.rules import LEEWAY, LONGEST_LIFE
from bridge.tokens.service import Tokens
from bridge.tokens.store import RevocationStore
from tests.bridge.tokens.sign_in import HOUR, SignIn

OURS, THEIRS = TenantId("festipin"), TenantId("other")
SECOND = 1000


class Place:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FrozenClock()
        self.sign_in = SignIn(OURS, self.clock)
        self.theirs = SignIn(THEIRS, self.clock)
        self.tokens = self.process()

    def process(self) -> Tokens:
        """Another one on the same database."""
        issuers = {
            one.issuer: PublicKeys(one, self.clock, tenant_id=one.issuer.tenant_id)
            for one in (self.sign_in, self.theirs)
        }
        return Tokens(self.database, RevocationStore(), self.clock, issuers=issuers)

    async def revoke(self, revocation: Revocation) -> None:
        async with self.database.transaction() as tx:
            await self.tokens.revoke(tx, revocation)

    async def caller(self, token: str) -> Caller:
        caller = await self.tokens.caller_of(token)
        assert caller is not None
        return caller


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


THE_TOKEN = Revocation(tenant_id=OURS, kind="token", value="t-1")
THE_SESSION = Revocation(tenant_id=OURS, kind="session", value="s-1")
THE_PERSON = Revocation(tenant_id=OURS, kind="subject", value="u-anna")


@pytest.mark.parametrize("revocation", [THE_TOKEN, THE_SESSION, THE_PERSON], ids=lambda one: one.kind)
@pytest.mark.parametrize("role", ["host", "vendor", "admin"])
async def test_what_is_revoked_ends_at_once_and_in_every_process(
    place: Place, revocation: Revocation, role: str
) -> None:
    token = place.sign_in.token("u-anna", role, jti="t-1", sid="s-1")
    other_process = place.process()
    live = [await place.caller(token), await other_process.caller_of(token)]
    await place.revoke(revocation)
    assert await place.tokens.caller_of(token) is None
    assert await other_process.caller_of(token) is None
    for caller in live:  # of a connection that is open
        assert caller is not None
        assert not await place.tokens.still_holds(caller)
        assert not await other_process.still_holds(caller)


@pytest.mark.parametrize(
    "revocation",
    [
        Revocation(tenant_id=OURS, kind="token", value="t-2"),
        Revocation(tenant_id=OURS, kind="session", value="t-1"),  # it is a token's name
        Revocation(tenant_id=OURS, kind="token", value="u-anna"),
        Revocation(tenant_id=OURS, kind="subject", value="u-ben"),
        Revocation(tenant_id=THEIRS, kind="token", value="t-1"),
        Revocation(tenant_id=THEIRS, kind="session", value="s-1"),
        Revocation(tenant_id=THEIRS, kind="subject", value="u-anna"),
    ],
    ids=str,
)
async def test_nobody_else_is_ended(place: Place, revocation: Revocation) -> None:
    caller = await place.caller(place.sign_in.token(jti="t-1", sid="s-1"))
    bare = await place.caller(place.sign_in.token())
    await place.revoke(revocation)
    assert await place.tokens.still_holds(caller)
    assert await place.tokens.still_holds(bare)


async def test_who_signs_in_again_gets_in(place: Place) -> None:
    before = place.sign_in.token()
    await place.revoke(THE_PERSON)
    same_second = place.sign_in.token()  # `iat` cannot tell whether it was before
    place.clock.advance(SECOND)
    after = place.sign_in.token()
    assert await place.tokens.caller_of(before) is None
    assert await place.tokens.caller_of(same_second) is None
    assert await place.tokens.caller_of(after) is not None
    await place.revoke(THE_PERSON)
    assert await place.tokens.caller_of(after) is None


async def test_a_revocation_is_kept_for_as_long_as_a_token_can_live(place: Place) -> None:
    life = LONGEST_LIFE.days * 24 * HOUR
    fast = place.sign_in.seconds + LEEWAY.seconds  # by a clock that is ahead of ours
    token = place.sign_in.token(jti="t-1", iat=fast, exp=fast + life)
    assert await place.tokens.caller_of(token) is not None
    await place.revoke(THE_TOKEN)
    place.clock.advance((life + 2 * LEEWAY.seconds) * SECOND - 1)
    await place.revoke(THE_SESSION)  # which forgets what is old
    assert await place.tokens.caller_of(token) is None
    place.clock.advance(2 * LEEWAY.seconds * SECOND)
    await place.revoke(THE_SESSION)
    rows = await place.database.fetch("SELECT kind FROM token_revocations")
    assert [row["kind"] for row in rows] == ["session"]
    assert await place.tokens.caller_of(token) is None  # it has expired


async def test_a_connection_ends_with_its_token(place: Place) -> None:
    caller = await place.caller(place.sign_in.token())
    place.clock.advance((HOUR + LEEWAY.seconds) * SECOND - 1)
    assert await place.tokens.still_holds(caller)
    place.clock.advance(1)
    assert not await place.tokens.still_holds(caller)


async def test_whoever_holds_connections_is_told_after_the_commit(place: Place) -> None:
    told: list[Revocation] = []
    place.tokens.on_revoked(told.append)
    with suppress(KeyError):
        async with place.database.transaction() as tx:
            await place.tokens.revoke(tx, THE_TOKEN)
            raise KeyError
    assert told == []
    async with place.database.transaction() as tx:
        await place.tokens.revoke(tx, THE_TOKEN)
        assert told == []
    assert told == [THE_TOKEN]


async def test_what_is_no_token_is_not_vouched_for(place: Place) -> None:
    assert not await place.tokens.still_holds(Caller(tenant_id=OURS, role="service"))
