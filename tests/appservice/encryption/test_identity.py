"""Cross-signing identities are derived: nothing but the secret is needed to have the same one again."""

import json

from appservice.encryption.identity import Identity
from tests.appservice.encryption.engine import BOT, GHOST, SECRET
from tests.fakes.homeserver import FakeHomeserver, is_signed


def public(secret: bytes, user: str) -> str:
    return json.dumps(Identity.derive(secret, user).public_keys())


def test_the_identity_is_the_same_whenever_it_is_derived() -> None:
    assert public(SECRET, BOT) == public(bytes(SECRET), BOT)


def test_the_identity_is_the_one_that_earlier_releases_derived() -> None:
    """A change here would reset the identity of everybody."""
    assert Identity.derive(SECRET, BOT).master.public == "on9yIqm4Qt+CXifdaTv8UtZwxOkTbmDYO7Z8MPHplSI"
    assert Identity.derive(SECRET, BOT).self_signing.public == "tZe2++JSqdPXfADwyoYSt9/WArRCKF7+CRU3ONE8r5Y"
    assert Identity.derive(SECRET, BOT).user_signing.public == "yZAXAm33hDU+93GlEa4V9XQtevr80mqURah7CRdo+aE"


def test_every_user_secret_and_usage_has_other_keys() -> None:
    identities = [
        Identity.derive(secret, user) for secret in (SECRET, bytes(32)) for user in (BOT, GHOST, BOT + "x")
    ]
    keys = [
        key.public
        for identity in identities
        for key in (identity.master, identity.self_signing, identity.user_signing)
    ]
    assert len(set(keys)) == len(keys)


async def test_a_strict_homeserver_takes_the_identity() -> None:
    homeserver = FakeHomeserver()
    await homeserver.create_device(BOT, "DEVICE", "")
    identity = Identity.derive(SECRET, BOT)
    await homeserver.upload_cross_signing(BOT, "DEVICE", identity.public_keys())
    assert homeserver.users[BOT].master == identity.public_keys()["master_key"]


def test_a_device_is_signed_with_the_self_signing_key() -> None:
    identity = Identity.derive(SECRET, BOT)
    signed = identity.sign_device({"user_id": BOT, "device_id": "DEVICE", "keys": {}})
    key = identity.self_signing.public
    assert is_signed(signed, BOT, f"ed25519:{key}", key)
