"""Reading `/keys/query`: other people's servers may say anything, and only what is signed counts."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.encryption.device_keys import Device, UserKeys, read_user
from tests.appservice.encryption.party import OLM, Identity, Party
from tests.fakes.homeserver import FakeHomeserver, Json

ALICE = "@alice:people.test"
IDENTITY = Identity(ALICE)
PHONE = Party(FakeHomeserver(), ALICE, "PHONE", IDENTITY)
OLD = Party(FakeHomeserver(), ALICE, "OLD")


async def answer_with(*parties: Party) -> Json:
    homeserver = FakeHomeserver()
    for party in parties:
        party.homeserver = homeserver
        await party.publish(one_time_keys=0)
    return await homeserver.query_keys(ALICE, parties[0].device, [ALICE])


def told(party: Party, *, signed: bool, olm: bool = True) -> Device:
    return Device(
        user_id=party.user,
        device_id=party.device,
        identity_key=party.identity_key,
        signing_key=party.signing_key,
        olm=olm,
        signed=signed,
    )


async def test_devices_are_told_with_whether_their_owner_signed_them() -> None:
    assert read_user(ALICE, await answer_with(PHONE, OLD)) == UserKeys(
        IDENTITY.master_key, (told(PHONE, signed=True), told(OLD, signed=False))
    )


async def test_a_user_without_an_identity_has_devices_only() -> None:
    assert read_user(ALICE, await answer_with(OLD)) == UserKeys(None, (told(OLD, signed=False),))


async def test_a_device_without_olm_is_marked_as_one() -> None:
    party = Party(FakeHomeserver(), ALICE, "TV", algorithms=["m.other"])
    assert read_user(ALICE, await answer_with(party)).devices == (told(party, signed=False, olm=False),)


async def test_nothing_is_read_from_what_is_said_about_another_user() -> None:
    answer = await answer_with(PHONE)
    assert read_user("@bob:people.test", answer) == UserKeys(None, ())
    moved = {section: {"@bob:people.test": value.get(ALICE)} for section, value in answer.items()}
    assert read_user("@bob:people.test", moved) == UserKeys(None, ())


def resigned(change: Callable[[Json], None]) -> Json:
    """The phone's keys with a change, signed by the phone nevertheless."""
    keys = PHONE.device_keys()
    change(keys)
    return PHONE._signed({key: value for key, value in keys.items() if key != "signatures"})


NO_DEVICE: list[tuple[str, Any]] = [
    ("nothing", None),
    ("a list", []),
    ("a text", "keys"),
    ("another device's keys", OLD.device_keys()),
    ("altered after signing", {**PHONE.device_keys(), "algorithms": [OLM]}),
    ("not signed", {**PHONE.device_keys(), "signatures": {}}),
    ("keys of a wrong kind", resigned(lambda keys: keys.update(keys=[]))),
    ("a key that is a number", resigned(lambda keys: keys["keys"].update({"curve25519:PHONE": 5}))),
    ("no curve25519 key", resigned(lambda keys: keys["keys"].pop("curve25519:PHONE"))),
    ("no ed25519 key", resigned(lambda keys: keys["keys"].pop("ed25519:PHONE"))),
    ("algorithms of a wrong kind", resigned(lambda keys: keys.update(algorithms=OLM))),
    ("another user", resigned(lambda keys: keys.update(user_id="@bob:people.test"))),
    # What no key can be made of would stop every message to the room later on.
    ("no curve25519 key but a text", resigned(lambda keys: keys["keys"].update({"curve25519:PHONE": "x"}))),
    ("a short curve25519 key", resigned(lambda keys: keys["keys"].update({"curve25519:PHONE": "AAAA"}))),
]


@pytest.mark.parametrize("keys", [keys for _, keys in NO_DEVICE], ids=[name for name, _ in NO_DEVICE])
async def test_a_device_that_is_malformed_or_not_its_own_is_left_out(keys: Any) -> None:
    answer = await answer_with(PHONE, OLD)
    answer["device_keys"][ALICE]["PHONE"] = keys
    assert read_user(ALICE, answer) == UserKeys(IDENTITY.master_key, (told(OLD, signed=False),))


async def test_a_device_whose_name_no_database_stores_is_left_out() -> None:
    for name in ("A\0B", "A\ud800B"):
        party = Party(FakeHomeserver(), ALICE, name)
        keys: Json = {"user_id": ALICE, "device_id": name, "algorithms": [OLM]}
        keys |= {"keys": {f"curve25519:{name}": party.identity_key, f"ed25519:{name}": party.signing_key}}
        try:
            keys = party._signed(keys)
        except UnicodeEncodeError:
            keys |= {"signatures": {ALICE: {f"ed25519:{name}": "x"}}}
        assert read_user(ALICE, {"device_keys": {ALICE: {name: keys}}}).devices == ()


NO_MASTER: list[tuple[str, Any]] = [
    ("nothing", None),
    ("another usage", {"usage": ["self_signing"]}),
    ("usage of a wrong kind", {"usage": "master"}),
    ("another user", {"user_id": "@bob:people.test"}),
    ("no key", {"keys": {}}),
    ("two keys", {"keys": {"ed25519:a": "a", "ed25519:b": "b"}}),
    ("a key under another name", {"keys": {"ed25519:a": IDENTITY.master_key}}),
    ("a key that is a number", {"keys": {"ed25519:5": 5}}),
    ("what is no key", {"keys": {"ed25519:x": "x"}}),
    ("what no database stores", {"keys": {"ed25519:\ud800": "\ud800"}}),
    ("what PostgreSQL does not store", {"keys": {"ed25519:\0": "\0"}}),
]


@pytest.mark.parametrize("change", [change for _, change in NO_MASTER], ids=[name for name, _ in NO_MASTER])
async def test_a_malformed_master_key_is_no_identity(change: Any) -> None:
    answer = await answer_with(PHONE)
    entry = answer["master_keys"][ALICE]
    answer["master_keys"][ALICE] = None if change is None else {**entry, **change}
    assert read_user(ALICE, answer) == UserKeys(None, (told(PHONE, signed=False),))


async def test_a_self_signing_key_of_another_master_key_signs_nothing() -> None:
    other = Identity(ALICE)
    answer = await answer_with(PHONE)
    theirs = await answer_with(Party(FakeHomeserver(), ALICE, "OTHER", other))
    answer["master_keys"][ALICE] = theirs["master_keys"][ALICE]
    assert read_user(ALICE, answer) == UserKeys(other.master_key, (told(PHONE, signed=False),))


# Random JSON, and the true answer with random JSON anywhere in it

ODD = st.sampled_from([ALICE, "PHONE", "keys", "usage", "signatures", "\0", "\ud800", "ed25519:PHONE", ""])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD | st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
SECTIONS = ("device_keys", "master_keys", "self_signing_keys", "failures")


@given(st.dictionaries(st.sampled_from(SECTIONS), JSON))
@settings(max_examples=300)
def test_no_answer_of_random_json_raises(answer: Json) -> None:
    found = read_user(ALICE, answer)
    assert found.devices == ()


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [path, *(found for key, inner in value.items() for found in places(inner, (*path, key)))]


@given(st.data())
@settings(max_examples=300)
async def test_random_json_at_any_place_of_an_answer_raises_nothing_and_adds_nobody(
    data: st.DataObject,
) -> None:
    answer = copy.deepcopy(await answer_with(PHONE, OLD))
    path = data.draw(st.sampled_from([path for path in places(answer) if path]))
    place = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = data.draw(JSON)
    found = read_user(ALICE, answer)
    assert {device.identity_key for device in found.devices} <= {PHONE.identity_key, OLD.identity_key}
    assert found.master_key in (IDENTITY.master_key, None)
