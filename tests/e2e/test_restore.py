"""What was lost comes back: room keys, devices, a whole database from an older copy; with a real homeserver."""

import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from vodozemac import MegolmMessage

from appservice.encryption.recovery import Recovery
from bridge.demo.stand import Stand, stand
from bridge.storage.database import open_database
from tests.clients.js import JsClient
from tests.clients.people import People
from tests.e2e.scene import Scene, without_a_shield
from tests.e2e.test_first_path import eventually


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path / "stand") as ready:
        yield ready


@pytest.fixture
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Scene]:
    """The bridge does not run."""
    async with People(ground.synapse, tmp_path) as people:
        yield Scene(ground, people)


def as_token(scene: Scene) -> str:
    return scene.ground.config.appservice.as_token.get_secret_value()


def recovery(scene: Scene) -> Recovery:
    secret = scene.ground.config.encryption.identity_secret.get_secret_value()
    return Recovery.derive(secret, scene.bridge.names.bot)


def database_file(scene: Scene) -> Path:
    return Path(scene.ground.config.database.url.get_secret_value().removeprefix("sqlite:///"))


async def backed_up(scene: Scene) -> None:
    """Wait until all room keys are in the backup."""

    async def all_of_them() -> bool | None:
        row = await scene.bridge.database.fetch_one(
            "SELECT COUNT(*) AS number, SUM(backed_up) AS saved FROM inbound_sessions"
        )
        assert row is not None
        return True if row["number"] and row["number"] == row["saved"] else None

    await eventually(all_of_them, timeout=40)


async def devices(scene: Scene, user: str) -> dict[str, str]:
    _, told = await scene.call("GET", f"v3/devices?user_id={user}", as_token(scene))
    return {device["device_id"]: device["display_name"] for device in told["devices"]}


async def delete_device(scene: Scene, user: str, device: str) -> None:
    path = f"v3/devices/{device}?user_id={user}"
    status, _ = await scene.call("DELETE", path, as_token(scene), json={})
    assert status == 200


async def device_of(scene: Scene, user: str) -> str:
    found = await scene.bridge.database.fetch_value(
        "SELECT device_id FROM own_devices WHERE user_id = $1", user
    )
    return str(found)


async def arrives(scene: Scene, text: str) -> None:
    """On our side."""
    await scene.stored(lambda message: message.text == text)


async def indexes(scene: Scene) -> Counter[tuple[str, int]]:
    """How often each index of each Megolm session was used in the room, by whomever."""
    path = f"v3/rooms/{scene.room}/messages?dir=b&limit=500&user_id={scene.bridge.names.bot}"
    _, page = await scene.call("GET", path, as_token(scene))
    encrypted = [event["content"] for event in page["chunk"] if event["type"] == "m.room.encrypted"]
    return Counter(
        (content["session_id"], MegolmMessage.from_base64(content["ciphertext"]).message_index())
        for content in encrypted
    )


async def test_lost_room_keys_come_back_from_the_backup(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    host = await scene.people.js(anna)
    async with scene.running():
        await scene.open(host, hosts={"Anna": anna})
        await scene.say("Everybody is here.")
        await host.wait_for_text(scene.room, "Everybody is here.")
        await host.send_text(scene.room, "Before.")
        await arrives(scene, "Before.")
        await backed_up(scene)
    await host.send_text(scene.room, "With a key that was shared once, and lost.")
    database = await open_database(scene.ground.config.database.url.get_secret_value())
    async with database.transaction() as tx:
        lost = {row["session_id"] for row in await tx.fetch("SELECT session_id FROM inbound_sessions")}
        await tx.execute("DELETE FROM inbound_sessions")
    await database.close()
    async with scene.running():
        await arrives(scene, "With a key that was shared once, and lost.")
        restored = await scene.bridge.database.fetch(
            "SELECT session_id FROM inbound_sessions WHERE restored = 1"
        )
        assert {row["session_id"] for row in restored} == lost
    assert len(lost) == len({session for session, _ in await indexes(scene)}), "nobody began another session"


async def test_another_client_opens_the_backup_with_the_recovery_key(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    host = await scene.people.js(anna)
    async with scene.running():
        await scene.open(host, hosts={"Anna": anna})
        await host.send_text(scene.room, "From the host.")
        await scene.say("From the ghost.")
        await host.wait_for_text(scene.room, "From the ghost.")
        await arrives(scene, "From the host.")
        await backed_up(scene)
        bot = scene.bridge.names.bot
        await scene.call("PUT", f"v3/devices/CHECK?user_id={bot}", as_token(scene), json={})
        client, told = await JsClient.recover(
            scene.ground.synapse.url,
            bot,
            device_id="CHECK",
            as_token=as_token(scene),
            recovery_key=recovery(scene).recovery_key,
        )
        async with client:
            assert told["privateKeysInSecretStorage"]
            assert (told["trusted"], told["matchesDecryptionKey"]) == (True, True)
            number = await scene.bridge.database.fetch_value("SELECT COUNT(*) FROM inbound_sessions")
            assert told["imported"] == told["total"] == number
            for text, sender in (("From the host.", anna.user_id), ("From the ghost.", scene.ghost)):
                assert (await client.wait_for_text(scene.room, text)).sender == sender
        assert await host.call("devices_of", user_id=bot)
        assert "CHECK" in await devices(scene, bot), "a device that is not ours is left alone"


async def test_deleted_devices_are_replaced_and_nobody_sees_a_warning(scene: Scene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    async with scene.running():
        await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
        bot, ghost = scene.bridge.names.bot, scene.ghost
        await scene.say("Before.")
        await scene.say("Said for Anna before.", sender="Anna")
        await js.wait_for_text(scene.room, "Anna: Said for Anna before.")
        for user in (bot, ghost):
            await delete_device(scene, user, await device_of(scene, user))
        await scene.say("After.")
        await scene.say("Said for Anna after.", sender="Anna")
        for text, sender in (("After.", ghost), ("Anna: Said for Anna after.", bot)):
            seen = await js.wait_for_text(scene.room, text)
            assert (seen.sender, without_a_shield(seen)) == (sender, True)
            entry = await nio.wait_for_text(scene.room, text)
            assert (entry.sender, entry.encrypted, entry.warning) == (sender, True, None)
        for user in (bot, ghost):
            assert list(await devices(scene, user)) == [await device_of(scene, user)]
        for client, text in ((js, "I read you."), (nio, "Me too.")):
            await client.send_text(scene.room, text)
            await arrives(scene, text)
        assert max((await indexes(scene)).values()) == 1


async def test_an_older_copy_of_the_database_goes_on_in_both_directions_and_says_nothing_twice(
    scene: Scene, tmp_path: Path
) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    async with scene.running():
        await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
        await scene.say("First.")
        await js.wait_for_text(scene.room, "First.")
        await js.send_text(scene.room, "I see.")
        await arrives(scene, "I see.")
        await scene.ground.synapse.stop()
        await scene.say("Not sent when the copy was made.")
    copy = tmp_path / "copy.db"
    shutil.copy(database_file(scene), copy)
    await scene.ground.synapse.start()
    async with scene.running():
        first_device = await device_of(scene, scene.bridge.names.bot)
        await js.wait_for_text(scene.room, "Not sent when the copy was made.")
        await js.send_text(scene.room, "Said after the copy.")
        await nio.send_text(scene.room, "From a new session after the copy.")
        await arrives(scene, "From a new session after the copy.")
        await scene.say("Only in the future that is lost.", sender="Anna")
        await js.wait_for_text(scene.room, "Anna: Only in the future that is lost.")
        await backed_up(scene)
    for leftover in database_file(scene).parent.glob(f"{database_file(scene).name}*"):
        leftover.unlink()
    shutil.copy(copy, database_file(scene))
    async with scene.running():
        for text in ("Said after the copy.", "From a new session after the copy."):
            await arrives(scene, text)
        await scene.say("From the ghost again.")
        await scene.say("From the bot again.", sender="Anna")
        for text in ("From the ghost again.", "Anna: From the bot again."):
            assert without_a_shield(await js.wait_for_text(scene.room, text))
            assert (await nio.wait_for_text(scene.room, text)).warning is None
        for client, text in ((js, "Still here."), (nio, "Here, too.")):
            await client.send_text(scene.room, text)
            await arrives(scene, text)

        bot = scene.bridge.names.bot
        assert await device_of(scene, bot) != first_device
        assert list(await devices(scene, bot)) == [await device_of(scene, bot)]
        bodies = Counter(entry.body for entry in await js.timeline(scene.room))
        assert bodies["Not sent when the copy was made."] == 1
        assert max(bodies.values()) == 1
        assert max((await indexes(scene)).values()) == 1
        texts = Counter(message.text for message in await scene.history())
        assert max(texts.values()) == 1


async def test_a_lost_database_finds_its_room_keys_and_keeps_its_identity(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    js = await scene.people.js(anna)
    async with scene.running():
        await scene.open(js, hosts={"Anna": anna})
        await js.send_text(scene.room, "Kept by the homeserver.")
        await arrives(scene, "Kept by the homeserver.")
        await backed_up(scene)
        bot = scene.bridge.names.bot
        before: set[Any] = {
            (row["session_id"], row["sender"], row["sender_key"], row["signing_key"])
            for row in await scene.bridge.database.fetch("SELECT * FROM inbound_sessions")
        }
        former = await device_of(scene, bot)
    for leftover in database_file(scene).parent.glob(f"{database_file(scene).name}*"):
        leftover.unlink()
    async with scene.running():

        async def restored() -> bool | None:
            rows = await scene.bridge.database.fetch("SELECT * FROM inbound_sessions WHERE restored = 1")
            found = {
                (row["session_id"], row["sender"], row["sender_key"], row["signing_key"]) for row in rows
            }
            return True if found == before else None

        await eventually(restored)
        assert former not in await devices(scene, bot)
