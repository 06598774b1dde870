"""Which tokens let whom in: every way in which one can be wrong is refused."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from bridge.core.caller import Caller
from bridge.core.clock import FrozenClock
from bridge.core.ids import ParticipantId, TenantId
from bridge.storage.database import Database
from bridge.tokens.errors import NotBelieved
from bridge.tokens.keys import PublicKeys
from bridge.tokens.rules import LEEWAY, LONGEST_LIFE, check_header, read_object
from bridge.tokens.service import LONGEST, Tokens
from bridge.tokens.store import RevocationStore
from tests.bridge.tokens.sign_in import HOUR, SignIn, new_key, part, sign, unsigned

OURS, THEIRS = TenantId("festipin"), TenantId("other")
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
STRANGER = new_key()  # of the same id as ours
LATE = LEEWAY.seconds
TEXT, HALF, EMPTY = part(b'"alg"'), part(b"{"), part(b"{}")


class Place:
    def __init__(self, database: Database) -> None:
        self.clock = FrozenClock()
        self.ours, self.theirs = SignIn(OURS, self.clock), SignIn(THEIRS, self.clock)
        self.tokens = Tokens(
            database,
            RevocationStore(),
            self.clock,
            issuers={
                one.issuer: PublicKeys(one, self.clock, tenant_id=one.issuer.tenant_id)
                for one in (self.ours, self.theirs)
            },
        )


@pytest.fixture
def place(database: Database) -> Place:
    return Place(database)


@pytest.mark.parametrize(
    ("role", "participant_id"), [("host", "u-anna"), ("vendor", "u-anna"), ("admin", None)]
)
async def test_a_token_stands_for_a_person_of_its_tenant(
    place: Place, role: str, participant_id: ParticipantId | None
) -> None:
    for sign_in, tenant in ((place.ours, OURS), (place.theirs, THEIRS)):
        caller = await place.tokens.caller_of(sign_in.token("u-anna", role))
        assert caller == Caller(tenant_id=tenant, role=role, participant_id=participant_id)  # type: ignore[arg-type]
        assert caller.credential is not None
        assert caller.credential.subject == "u-anna"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *((RSA, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (new_key("p-256"), "ES256"),
        (new_key("p-384", "P-384"), "ES384"),
        (new_key("p-521", "P-521"), "ES512"),
        (OKPKey.generate_key("Ed25519", {"kid": "ed"}), "EdDSA"),
        (OKPKey.generate_key("Ed25519", {"kid": "ed"}), "Ed25519"),
    ],
)
async def test_what_is_signed_with_a_published_key_is_believed(
    place: Place, key: Key, algorithm: str
) -> None:
    place.ours.keys.append(key)
    token = place.ours.signed(place.ours.claims(), key=key, algorithm=algorithm)
    assert await place.tokens.caller_of(token) is not None


def of(sign_in: SignIn, **claims: object) -> str:
    """A token with these claims; None leaves one out."""
    made = sign_in.claims(**claims)  # type: ignore[arg-type]
    return sign_in.signed({name: value for name, value in made.items() if value is not None})


Make = Callable[[SignIn], str]
GOOD: dict[str, Make] = {
    "several audiences": lambda one: of(one, aud=["shop", "festimo"]),
    "roles in a list": lambda one: of(one, role=["offline", "host"]),
    "expired within the leeway": lambda one: of(one, exp=one.seconds - LATE + 1),
    "valid soon, within the leeway": lambda one: of(one, nbf=one.seconds + LATE),
    "issued by a clock that is fast": lambda one: of(one, iat=one.seconds + LATE),
    "times with fractions": lambda one: of(one, iat=one.seconds - 0.5, exp=one.seconds + 0.5),
    "as long as a token may live": lambda one: of(one, exp=one.seconds + LONGEST_LIFE.days * 86400),
    "type of an access token": lambda one: one.signed(one.claims(), typ="at+JWT"),
    "without a type": lambda one: one.signed(one.claims(), typ=None),
    "a header nobody knows": lambda one: one.signed(one.claims(), trace="7"),
    "a claim nobody knows": lambda one: of(one, favourite_cake="marzipan"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
async def test_what_may_differ_is_believed(place: Place, make: Make) -> None:
    assert await place.tokens.caller_of(make(place.ours)) == Caller(
        tenant_id=OURS, role="host", participant_id=ParticipantId("u-anna")
    )


def as_hmac(one: SignIn) -> str:
    """Signed with the public key as if it were a shared secret: whoever trusts `alg` believes it."""
    public = json.dumps(one.keys[0].as_dict(private=False)).encode()
    return sign(one.claims(), OctKey.import_key(public), {"alg": "HS256", "kid": "k1"})


def as_pem_hmac(one: SignIn) -> str:
    key = one.keys[0]
    assert isinstance(key, ECKey)
    # `import_key` would not take a PEM for a secret.
    secret = OctKey(key.as_pem(private=False), key.as_pem(private=False))
    return sign(one.claims(), secret, {"alg": "HS256", "kid": "k1"})


def tampered(one: SignIn) -> str:
    header, _, signature = one.token().split(".")
    return f"{header}.{part(json.dumps(one.claims('u-ben')).encode())}.{signature}"


def with_its_own_key(one: SignIn) -> str:
    return one.signed(one.claims(), key=STRANGER, jwk=STRANGER.as_dict(private=False), kid="theirs")


def as_rsa(one: SignIn) -> str:
    return sign(one.claims(), RSA, {"alg": "RS256", "kid": "k1"})


BAD: dict[str, tuple[str, Make]] = {
    # Signature
    "not signed": ("algorithm", lambda one: unsigned(one.claims(), {"alg": "none", "kid": "k1"})),
    "not signed, in capitals": (
        "algorithm",
        lambda one: unsigned(one.claims(), {"alg": "None", "kid": "k1"}),
    ),
    "signed with the public key as a secret": ("algorithm", as_hmac),
    "signed with its PEM as a secret": ("algorithm", as_pem_hmac),
    "no algorithm": ("malformed", lambda one: unsigned(one.claims(), {"kid": "k1"})),
    "an algorithm that is a list": (
        "algorithm",
        lambda one: unsigned(one.claims(), {"alg": ["ES256"], "kid": "k1"}),
    ),
    "no signature": ("signature", lambda one: one.token().rpartition(".")[0] + "."),
    "another's key under our id": ("signature", lambda one: one.signed(one.claims(), key=STRANGER)),
    "its own key in the header": ("key_unknown", with_its_own_key),
    "other claims under a good signature": ("signature", tampered),
    "another algorithm than the key is of": ("signature", as_rsa),
    # Key
    "no key named": ("key_unknown", lambda one: one.signed(one.claims(), kid=None)),
    "a key that is not published": ("key_unknown", lambda one: one.signed(one.claims(), kid="k2")),
    "a key that is no text": (
        "key_unknown",
        lambda one: unsigned(one.claims(), {"alg": "ES256", "kid": 5}) + "eA",
    ),
    # Header
    "made for something else": ("type", lambda one: one.signed(one.claims(), typ="logout+jwt")),
    "must be understood": ("malformed", lambda one: one.signed(one.claims(), crit=["exp"], exp=1)),
    "an unencoded payload": ("malformed", lambda one: one.signed(one.claims(), b64=False, crit=["b64"])),
    "a header that is a text": ("malformed", lambda _: f"{TEXT}.{EMPTY}.eA"),
    "a header that is no JSON": ("malformed", lambda _: f"{HALF}.{EMPTY}.eA"),
    "claims that are a list": ("malformed", lambda one: one.signed([])),
    "claims that are no JSON": ("malformed", lambda one: one.signed(b"{'iss': 1}")),
    "claims deeper than any parser": ("malformed", lambda one: one.signed(b"[" * 5000)),
    "longer than a token is": ("malformed", lambda one: of(one, more="x" * LONGEST)),
    # For whom, by whom
    "another issuer": ("issuer_unknown", lambda one: of(one, iss="https://evil.example")),
    "an issuer that only begins alike": ("issuer_unknown", lambda one: of(one, iss=f"{one.issuer.issuer}/")),
    "no issuer": ("issuer_unknown", lambda one: of(one, iss=None)),
    "another audience": ("issuer_unknown", lambda one: of(one, aud="shop")),
    "no audience": ("issuer_unknown", lambda one: of(one, aud=None)),
    "an audience that is an object": ("issuer_unknown", lambda one: of(one, aud={"festimo": 1})),
    # Times
    "expired": ("expired", lambda one: of(one, exp=one.seconds - LATE)),
    "never expires": ("malformed", lambda one: of(one, exp=None)),
    "expires as a text": ("malformed", lambda one: of(one, exp=str(one.seconds + HOUR))),
    "expires as a truth": ("malformed", lambda one: of(one, exp=True)),
    "expires never by infinity": (
        "malformed",
        lambda one: one.signed(json.dumps(one.claims(exp=float("inf"))).encode()),
    ),
    "expires when no calendar reaches": ("malformed", lambda one: of(one, exp=10**18)),
    "lives too long": (
        "lives_too_long",
        lambda one: of(one, exp=one.seconds + LONGEST_LIFE.days * 86400 + 1),
    ),
    "not valid yet": ("not_yet_valid", lambda one: of(one, nbf=one.seconds + LATE + 1)),
    "issued in the future": ("not_yet_valid", lambda one: of(one, iat=one.seconds + LATE + 1)),
    "issued in the future, valid before": (
        "not_yet_valid",
        lambda one: of(one, iat=one.seconds + LATE + 1, nbf=one.seconds),
    ),
    "issued at no time": ("malformed", lambda one: of(one, iat=None)),
    # Who
    "no role": ("role", lambda one: of(one, role=None)),
    "a role that is none here": ("role", lambda one: of(one, role="guest")),
    "a program's role": ("role", lambda one: of(one, role="service")),
    "two roles": ("role", lambda one: of(one, role=["host", "admin"])),
    "a role that is an object": ("role", lambda one: of(one, role={"host": True})),
    "nobody": ("participant", lambda one: of(one, sub=None)),
    "somebody without a name": ("participant", lambda one: of(one, sub="")),
    "a name that is no id": ("participant", lambda one: of(one, sub="auth0|7")),
    "a name that is a number": ("participant", lambda one: of(one, sub=7)),
    "a name with a line break": ("participant", lambda one: of(one, sub="u-anna\n")),
    "a session that is no text": ("malformed", lambda one: of(one, sid=["s"])),
    "a token's name that is no text": ("malformed", lambda one: of(one, jti=7)),
}


@pytest.mark.parametrize(("reason", "make"), BAD.values(), ids=BAD.keys())
async def test_what_is_wrong_lets_nobody_in(
    place: Place, reason: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for its own reason, so that no other check stands in for a missing one."""
    token = make(place.ours)
    assert await place.tokens.caller_of(token) is None
    with pytest.raises(NotBelieved) as refused:
        await place.tokens._believed(token)
    assert refused.value.reason == reason


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "festimo_x_y", "eyJ.eyJ.x", "ä.ö.ü"])
async def test_what_is_no_token_lets_nobody_in(place: Place, text: str) -> None:
    assert await place.tokens.caller_of(text) is None


async def test_one_tenants_keys_make_no_token_of_another(place: Place) -> None:
    forged = place.theirs.signed(place.ours.claims())
    assert await place.tokens.caller_of(forged) is None


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None, 5, ["https://id.festipin.example"]])
async def test_the_only_issuer_is_not_taken_for_granted(database: Database, issuer: object) -> None:
    clock = FrozenClock()
    one = SignIn(OURS, clock)
    keys = PublicKeys(one, clock, tenant_id=OURS)
    tokens = Tokens(database, RevocationStore(), clock, issuers={one.issuer: keys})
    assert await tokens.caller_of(of(one)) is not None
    assert await tokens.caller_of(of(one, iss=issuer)) is None


async def test_what_is_for_two_tenants_at_once_is_for_none(database: Database) -> None:
    clock = FrozenClock()
    one, other = SignIn(OURS, clock), SignIn(THEIRS, clock)
    shared = replace(other.issuer, issuer=one.issuer.issuer, audience="festimo-2")
    keys = PublicKeys(one, clock, tenant_id=OURS)
    tokens = Tokens(database, RevocationStore(), clock, issuers={one.issuer: keys, shared: keys})
    assert await tokens.caller_of(of(one, aud=["festimo", "festimo-2"])) is None
    theirs = await tokens.caller_of(of(one, aud="festimo-2"))
    assert theirs is not None
    assert theirs.tenant_id == THEIRS


@pytest.mark.parametrize(
    ("role_claim", "claims"),
    [
        ("https://festipin.example/role", {"https://festipin.example/role": "host"}),
        ("realm_access.roles", {"realm_access": {"roles": ["host", "offline_access"]}}),
    ],
)
async def test_the_role_stands_where_the_issuer_puts_it(
    database: Database, role_claim: str, claims: dict[str, object]
) -> None:
    clock = FrozenClock()
    one = SignIn(OURS, clock)
    issuer = replace(one.issuer, role_claim=role_claim, participant_claim="user.id")
    keys = PublicKeys(one, clock, tenant_id=OURS)
    tokens = Tokens(database, RevocationStore(), clock, issuers={issuer: keys})
    caller = await tokens.caller_of(of(one, role=None, user={"id": "u-7"}, **claims))
    assert caller is not None
    assert (caller.role, caller.participant_id) == ("host", "u-7")
    assert await tokens.caller_of(of(one)) is None


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_stands_in_a_token_is_read_or_refused(text: bytes) -> None:
    with suppress(NotBelieved):
        check_header(read_object(text))
