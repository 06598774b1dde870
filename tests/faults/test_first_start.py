"""Killed at its very first start, between any two steps: the bot ends with one device whose every key opens."""

from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from vodozemac import Account, Curve25519PublicKey

from appservice.encryption.own_devices import ONE_TIME_KEY, ONE_TIME_KEYS
from appservice.homeserver import Homeserver
from bridge.demo.stand import Stand, stand
from bridge.storage.database import open_database
from tests.faults.doom import Fault, Kind
from tests.faults.lives import Lives
from tests.faults.story import eventually

KINDS: tuple[Kind, ...] = ("commit", "call")
LEAST_STEPS = 4
DEVICE = "SELECT user_id, device_id, account FROM own_devices"


def with_database(ready: Stand, path: Path) -> Path:
    """The same bridge, as far as the homeserver knows, with nothing stored yet."""
    raw = yaml.safe_load(ready.config_path.read_text())
    raw["database"]["url"] = f"sqlite:///{path}"
    copy = path.with_suffix(".yaml")
    copy.write_text(yaml.safe_dump(raw))
    return copy


async def keys_all_open(ready: Stand, homeserver: Homeserver, path: Path) -> None:
    """Every one-time key that the homeserver hands out is one that the bot holds, and none comes twice."""
    database = await open_database(f"sqlite:///{path}")
    try:
        rows = await database.fetch(DEVICE)
    finally:
        await database.close()
    assert len(rows) == 1
    bot, device = rows[0]["user_id"], rows[0]["device_id"]
    account = Account.from_pickle(rows[0]["account"], ready.config.encryption.pickle_key.get_secret_value())
    told = await homeserver.query_keys(bot, device, [bot])
    signed_by = told["device_keys"][bot][device]["signatures"][bot].keys()
    self_signing = told["self_signing_keys"][bot]["keys"].keys()
    assert signed_by == {f"ed25519:{device}", *self_signing}
    keys = [await claim(homeserver, bot, device) for _ in range(ONE_TIME_KEYS)]
    assert len(set(keys)) == ONE_TIME_KEYS
    stranger = Account()
    for key in keys:
        session = stranger.create_outbound_session(
            account.curve25519_key, Curve25519PublicKey.from_base64(key)
        )
        message = session.encrypt(b"hello").to_pre_key()
        assert message is not None
        _, plaintext = account.create_inbound_session(stranger.curve25519_key, message)
        assert plaintext == b"hello"


async def claim(homeserver: Homeserver, user: str, device: str) -> str:
    answer: dict[str, Any] = await homeserver.claim_keys(user, device, {user: {device: ONE_TIME_KEY}})
    key: str = next(iter(answer["one_time_keys"][user][device].values()))["key"]
    return key


async def supplied(homeserver: Homeserver, path: Path) -> bool | None:
    database = await open_database(f"sqlite:///{path}")
    try:
        row = await database.fetch_one(DEVICE)
    finally:
        await database.close()
    if row is None:
        return None
    counts = await homeserver.upload_keys(row["user_id"], row["device_id"], {})
    return True if counts.get(ONE_TIME_KEY) == ONE_TIME_KEYS else None


async def test_a_first_start_killed_anywhere_ends_with_a_device_whose_keys_all_open(tmp_path: Path) -> None:
    """Just after each commit and each call: that is just before the next one, as there is only one thing going on."""
    async with stand(tmp_path / "stand") as ready:
        token = ready.config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(ready.config.homeserver.url, token, session=ready.session)
        lives = Lives(ready.config_path)
        lives.hold()
        async with lives.running():
            for kind in KINDS:
                for number in count(1):
                    path = tmp_path / f"{kind}-{number}.db"
                    faults = iter([Fault(kind, number, before=False, from_start=True)])
                    lives.go_on(partial(next, faults, None), config_path=with_database(ready, path))
                    await lives.ready()
                    await eventually(partial(supplied, homeserver, path), "the keys are there")
                    died = any(life.died_at for life in lives.ended)
                    await lives.pause()
                    await keys_all_open(ready, homeserver, path)
                    if not died:
                        break
                assert number > LEAST_STEPS
