"""The recovery key and the secrets behind it, by other implementations' vectors where there are any."""

import itertools

import pytest

from appservice.encryption.recovery import Recovery, recovery_key
from appservice.encryption.secret_storage import (
    DEFAULT_KEY,
    KEY,
    description,
    is_described,
    opened,
    sealed,
)
from appservice.homeserver import HomeserverUnavailable
from tests.appservice.encryption.engine import BOT, GHOST, IDENTITY, RECOVERY, SECRET, Engine
from tests.fakes.homeserver import FakeHomeserver

ALICE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
"""The private key of RFC 7748, which the tests of matrix-js-sdk use, too."""


def test_a_recovery_key_is_written_as_other_clients_write_it() -> None:
    assert recovery_key(ALICE) == "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d"


def test_all_secrets_come_from_the_identity_secret_and_differ() -> None:
    again, ghost = Recovery.derive(SECRET, BOT), Recovery.derive(SECRET, GHOST)
    other = Recovery.derive(bytes(32), BOT)
    assert again == RECOVERY
    keys = [
        key
        for one in (RECOVERY, ghost, other)
        for key in (one.storage_key, one.backup_key, one.entry_key, one.storage_key_id)
    ]
    assert all(one != two for one, two in itertools.combinations(keys, 2))
    assert not any(key in repr(RECOVERY) for key in ("storage_key=", "backup_key=", "entry_key="))


def test_a_secret_opens_with_its_key_and_under_its_name_only() -> None:
    stored = sealed(ALICE, "m.megolm_backup.v1", "a secret")
    assert opened(ALICE, "m.megolm_backup.v1", stored) == "a secret"
    assert opened(bytes(32), "m.megolm_backup.v1", stored) is None
    assert opened(ALICE, "m.cross_signing.master", stored) is None
    assert sealed(ALICE, "m.megolm_backup.v1", "a secret") != stored


@pytest.mark.parametrize("field", ["iv", "ciphertext", "mac"])
@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA"])
def test_what_was_altered_does_not_open(field: str, value: object) -> None:
    stored = sealed(ALICE, "name", "a secret")
    assert opened(ALICE, "name", {**stored, field: value}) is None
    assert opened(ALICE, "name", {key: stored[key] for key in stored if key != field}) is None


def test_a_key_is_told_by_its_description() -> None:
    told = description(ALICE)
    assert is_described(ALICE, told)
    assert not is_described(bytes(32), told)
    assert not is_described(ALICE, {})
    assert not is_described(ALICE, {**told, "algorithm": "another"})


async def test_secret_storage_holds_the_identity_and_the_backup_key(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await engine.key_backup.secret_storage.ensure()
    data = homeserver.users[BOT].account_data
    key_id = data[DEFAULT_KEY]["key"]
    assert is_described(RECOVERY.storage_key, data[KEY + key_id])
    found = {
        name: opened(RECOVERY.storage_key, name, content["encrypted"][key_id])
        for name, content in data.items()
        if "encrypted" in content
    }
    assert found == {
        "m.cross_signing.master": IDENTITY.master.private,
        "m.cross_signing.self_signing": IDENTITY.self_signing.private,
        "m.cross_signing.user_signing": IDENTITY.user_signing.private,
        "m.megolm_backup.v1": RECOVERY.backup_secret.to_base64(),
    }
    written = len(homeserver.calls("put_account_data"))
    await engine.key_backup.secret_storage.ensure()
    assert len(homeserver.calls("put_account_data")) == written, "once is enough"


async def test_an_interrupted_secret_storage_is_completed_and_a_foreign_one_replaced(
    engine: Engine, homeserver: FakeHomeserver
) -> None:
    await engine.key_backup.secret_storage.ensure()
    complete = set(homeserver.users[BOT].account_data)
    for lost in complete:
        homeserver.users[BOT].account_data[lost] = {"encrypted": 5, "key": "foreign"}
        homeserver.fail("put_account_data", HomeserverUnavailable("no answer"))
        with pytest.raises(HomeserverUnavailable):
            await engine.key_backup.secret_storage.ensure()
        await engine.restarted().key_backup.secret_storage.ensure()
        assert homeserver.users[BOT].account_data[DEFAULT_KEY] == {"key": RECOVERY.storage_key_id}
        assert is_described(
            RECOVERY.storage_key, homeserver.users[BOT].account_data[KEY + RECOVERY.storage_key_id]
        )
