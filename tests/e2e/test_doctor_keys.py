"""`festimo doctor` where the bot's keys on the homeserver are not as they should be: they are spoiled more and more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.encryption.own_devices import ONE_TIME_KEY
from appservice.own_account import OwnAccount
from bridge.core.checkup import Outcome
from bridge.core.start import Reason
from bridge.demo.stand import Stand, stand
from tests.bridge.commands.process import festimo
from tests.e2e.doctor import bot_of, device_in, doctor, homeserver_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def another(folder: Path) -> AsyncIterator[Stand]:
    async with stand(folder) as ready:
        async with festimo(folder, "run", "-c", ready.config_path) as bridge:
            await bridge.until_ready(ready.config)
            await bridge.stop()
        yield ready


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def without_keys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with another(tmp_path_factory.mktemp("keys")) as spoilt:
        yield spoilt


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def without_device(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    async with another(tmp_path_factory.mktemp("device")) as spoilt:
        yield spoilt


async def test_keys_that_are_used_up_are_told(without_keys: Stand) -> None:
    homeserver, bot = homeserver_of(without_keys), bot_of(without_keys)
    device = device_in(without_keys.config_path.parent)

    async def claim(number: int) -> None:
        for _ in range(number):
            await homeserver.claim_keys(bot, device, {bot: {device: ONE_TIME_KEY}})

    await claim(45)
    told = await doctor(without_keys.config_path)
    assert (told.printed.code, told.outcomes["one-time keys"]) == (0, Outcome.WARNING)
    assert told.whats["one-time keys"] == "5 one-time keys, a fallback key"
    await claim(6)
    told = await doctor(without_keys.config_path)
    assert (told.printed.code, told.outcomes["one-time keys"]) == (Reason.KEYS_EXHAUSTED, Outcome.FAILED)
    assert told.outcomes["round trip"] == Outcome.OK


async def test_a_backup_that_is_not_ours_is_told(without_device: Stand) -> None:
    await OwnAccount(homeserver_of(without_device), bot_of(without_device)).make_backup(
        "m.megolm_backup.v1.curve25519-aes-sha2", {"public_key": "abc"}
    )
    told = await doctor(without_device.config_path)
    assert (told.printed.code, told.outcomes["key backup"]) == (Reason.BACKUP_NOT_OURS, Outcome.FAILED)
    assert "is not ours" in told.whats["key backup"]


async def test_a_device_that_is_not_signed_is_told(without_device: Stand) -> None:
    homeserver, bot = homeserver_of(without_device), bot_of(without_device)
    device = device_in(without_device.config_path.parent)
    keys = (await homeserver.query_keys(bot, None, [bot]))["device_keys"][bot][device]
    del keys["unsigned"]
    keys["signatures"][bot] = {f"ed25519:{device}": keys["signatures"][bot][f"ed25519:{device}"]}
    await homeserver.upload_keys(bot, device, {"device_keys": keys})
    told = await doctor(without_device.config_path)
    assert (told.printed.code, told.outcomes["device"]) == (Reason.DEVICE_LOST, Outcome.FAILED)
    assert "is not signed" in told.whats["device"]


async def test_a_device_that_the_homeserver_lost_is_told(without_device: Stand) -> None:
    device = device_in(without_device.config_path.parent)
    await OwnAccount(homeserver_of(without_device), bot_of(without_device)).delete_device(device)
    told = await doctor(without_device.config_path)
    assert (told.printed.code, told.outcomes["device"]) == (Reason.DEVICE_LOST, Outcome.FAILED)
    assert "does not have the bot's device" in told.whats["device"]
    assert told.outcomes["round trip"] == Outcome.SKIPPED
