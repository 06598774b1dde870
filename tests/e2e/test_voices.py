"""Who says it, who can read it and who cannot: every voice in a room, judged by two independent clients."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from nio.crypto.attachments import decrypt_attachment
from PIL import Image

from appservice.embedded.client import Client
from appservice.encryption.outbound_sessions import Encryptor
from appservice.encryption.own_device import OwnDevice
from appservice.encryption.own_devices import OwnDevices
from bridge.demo.stand import Stand, stand
from tests.clients.js import JsClient
from tests.clients.people import People
from tests.e2e.scene import NO_SHIELD, Scene, without_a_shield
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = 20_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    folder = tmp_path_factory.mktemp("voices")
    async with stand(folder, settings={"messages": {"max_text_length": LONGEST}}) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def idle(ground: Stand, tmp_path: Path) -> AsyncIterator[Scene]:
    """The bridge does not run."""
    async with People(ground.synapse, tmp_path) as people:
        yield Scene(ground, people)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(idle: Scene) -> AsyncIterator[Scene]:
    async with idle.running():
        yield idle


async def test_a_person_without_matrix_speaks_in_their_own_name(scene: Scene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    default, nio = await scene.people.js(anna), await scene.people.nio(bea)
    strict = await scene.people.js(anna, signed_devices_only=True)
    await scene.open(default, nio, hosts={"Anna": anna, "Bea": bea})
    await scene.say("Tarte or cake?")

    for reader in (default, strict):
        seen = await reader.wait_for_text(scene.room, "Tarte or cake?")
        assert seen.sender == scene.ghost
        assert without_a_shield(seen)
    entry = await nio.wait_for_text(scene.room, "Tarte or cake?")
    assert (entry.sender, entry.encrypted, entry.warning) == (scene.ghost, True, None)


async def test_a_ghost_has_the_persons_name_and_a_face(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    await scene.open(nio, hosts={"Anna": anna})
    token = nio.access_token
    _, profile = await scene.call("GET", f"v3/profile/{scene.ghost}", token)

    async def joined() -> dict[str, Any] | None:
        path = f"v3/rooms/{scene.room}/state/m.room.member/{scene.ghost}"
        _, content = await scene.call("GET", path, token)
        return content if content.get("membership") == "join" else None

    member = await eventually(joined)
    server, media = profile["avatar_url"].removeprefix("mxc://").split("/")
    _, picture = await scene.call("GET", f"v1/media/download/{server}/{media}", token)

    assert profile["displayname"] == "Sweet Bites"
    assert (member["displayname"], member["avatar_url"]) == ("Sweet Bites", profile["avatar_url"])
    assert Image.open(io.BytesIO(picture)).format == "PNG"


async def test_festimo_says_what_an_account_holder_wrote_through_the_api(scene: Scene) -> None:
    """Nobody can speak as a real user; so whose words they are stands before them."""
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna, signed_devices_only=True), await scene.people.nio(bea)
    await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
    await scene.say("Is it vegan?", sender="Anna")

    seen = await js.wait_for_text(scene.room, "Anna: Is it vegan?")
    assert seen.sender == scene.bridge.names.bot
    assert without_a_shield(seen)
    assert (await nio.wait_for_text(scene.room, "Anna: Is it vegan?")).sender == scene.bridge.names.bot
    await scene.sent("Is it vegan?")
    assert [message.text for message in await scene.history()] == ["Is it vegan?"]


async def test_who_has_no_identity_at_all_reads_and_is_read(scene: Scene) -> None:
    """`identity_aware`: a device that nobody could have signed is not held against its owner."""
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna, cross_sign=False)
    await scene.open(nio, hosts={"Anna": anna})
    await scene.say("From a ghost.")
    notice = await scene.book()

    assert (await nio.wait_for_text(scene.room, "From a ghost.")).sender == scene.ghost
    assert (await nio.wait_for_text(scene.room, notice)).sender == scene.bridge.names.bot
    await nio.send_text(scene.room, "Read me too.")
    assert (await scene.stored(lambda message: message.text == "Read me too.")).sender_type == "user"


async def test_an_unsigned_device_of_somebody_with_an_identity_reads_nothing(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    signed = await scene.people.js(anna)
    unsigned = await scene.people.nio(anna, cross_sign=False)
    await scene.open(signed, hosts={"Anna": anna})
    await unsigned.sync_until(lambda: scene.room in unsigned.rooms())
    await scene.say("For signed eyes only.")
    event_id = await scene.sent("For signed eyes only.")

    assert without_a_shield(await signed.wait_for_text(scene.room, "For signed eyes only."))
    await unsigned.sync_until(lambda: any(e.event_id == event_id for e in unsigned.timeline(scene.room)))
    assert [e.undecryptable for e in unsigned.timeline(scene.room) if e.event_id == event_id] == [True]
    shares = await scene.bridge.database.fetch(
        "SELECT outcome FROM session_shares WHERE user_id = $1 AND device_id = $2",
        anna.user_id,
        unsigned.device_id,
    )
    assert {row["outcome"] for row in shares} == {"m.unverified"}


LONG_TEXTS = {
    # Four bytes each; under the limit of an event, over it, and the longest that may be configured.
    "an event holds it": "🎂" * 7_000,
    "ten thousand characters": "🎂" * 10_000,
    "the longest": "🎂\n𝔘 ä\tx\n" * (LONGEST // 8),
}


@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=LONG_TEXTS)
async def test_a_long_text_arrives_whole(scene: Scene, text: str) -> None:
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    await scene.open(nio, hosts={"Anna": anna})
    await scene.say(text)
    event_id = await scene.sent(text)

    await nio.sync_until(lambda: any(e.event_id == event_id for e in nio.timeline(scene.room)))
    (entry,) = [e for e in nio.timeline(scene.room) if e.event_id == event_id]
    assert (entry.sender, entry.encrypted, entry.undecryptable) == (scene.ghost, True, False)
    if entry.content["msgtype"] == "m.text":
        assert entry.body == text
        return
    file = entry.content["file"]
    assert entry.body.startswith(text[:100])
    downloaded = await cast(Any, nio)._client.download(file["url"])  # the client of ours has no word for it
    plain = decrypt_attachment(downloaded.body, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    assert plain.decode() == text
    assert text[:20].encode() not in downloaded.body
    assert entry.content["info"] == {"mimetype": "text/plain", "size": len(text.encode())}


async def test_only_the_short_of_the_long_texts_is_no_file(scene: Scene) -> None:
    """So that the test above judges both ways."""
    anna = await scene.people.person("Anna")
    js = await scene.people.js(anna)
    await scene.open(js, hosts={"Anna": anna})
    kinds = []
    for text in LONG_TEXTS.values():
        await scene.say(text)
        seen = await js.wait_for_event(scene.room, await scene.sent(text))
        assert without_a_shield(seen)
        kinds.append(seen.content["msgtype"])
    assert kinds == ["m.text", "m.file", "m.file"]


async def test_ten_thousand_characters_from_a_client_are_stored_whole(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    js = await scene.people.js(anna)  # nio escapes each of them into twelve bytes, too many for an event
    await scene.open(js, hosts={"Anna": anna})
    await js.send_text(scene.room, "🎂" * 10_000)
    assert (await scene.stored(lambda message: len(message.text) == 10_000)).text == "🎂" * 10_000


async def test_a_strangers_invite_is_declined(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    await scene.open(nio, hosts={"Anna": anna})  # makes the ghost
    stranger = (await scene.ground.synapse.register_user("stranger", "secret")).access_token
    for invited in (scene.bridge.names.bot, scene.ghost):
        _, made = await scene.call("POST", "v3/createRoom", stranger, json={"invite": [invited]})

        async def declined(room_id: str = made["room_id"], invited: str = invited) -> bool | None:
            path = f"v3/rooms/{room_id}/state/m.room.member/{invited}"
            _, member = await scene.call("GET", path, stranger)
            assert member["membership"] != "join"
            return member["membership"] == "leave" or None

        assert await eventually(declined)


async def test_what_a_member_sends_unencrypted_is_not_stored(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    nio = await scene.people.nio(anna)
    await scene.open(nio, hosts={"Anna": anna})
    path = f"v3/rooms/{scene.room}/send/m.room.message/1"
    content = {"msgtype": "m.text", "body": "In the clear."}
    status, _ = await scene.call("PUT", path, nio.access_token, json=content)
    assert status == 200
    await nio.send_text(scene.room, "In secret.")

    await scene.stored(lambda message: message.text == "In secret.")  # of the same lane, so after the other
    assert [message.text for message in await scene.history()] == ["In secret."]


async def test_a_device_added_later_reads_what_comes_after(scene: Scene) -> None:
    anna, bea = await scene.people.person("Anna"), await scene.people.person("Bea")
    js, nio = await scene.people.js(anna), await scene.people.nio(bea)
    await scene.open(js, nio, hosts={"Anna": anna, "Bea": bea})
    await scene.say("Before.")
    await js.wait_for_text(scene.room, "Before.")
    await nio.wait_for_text(scene.room, "Before.")

    phone, laptop = await scene.people.js(anna, signed_devices_only=True), await scene.people.nio(bea)
    await scene.knows_devices(anna.user_id, phone.device_id)
    await scene.knows_devices(bea.user_id, laptop.device_id)
    await scene.say("After.")

    assert without_a_shield(await phone.wait_for_text(scene.room, "After."))
    assert (await laptop.wait_for_text(scene.room, "After.")).warning is None
    assert without_a_shield(await js.wait_for_text(scene.room, "After."))


async def test_who_has_left_gets_no_more_keys(scene: Scene) -> None:
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.js(anna), await scene.people.nio(chef)
    await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
    await scene.say("All together.", sender="Anna")
    await vendor.wait_for_text(scene.room, "Anna: All together.")
    keys = "SELECT session_id FROM session_shares WHERE user_id = $1 AND outcome = 'shared'"
    had = {row["session_id"] for row in await scene.bridge.database.fetch(keys, chef.user_id)}

    await vendor.leave(scene.room)
    await eventually(lambda: stale(scene))
    await scene.say("Among ourselves.", sender="Anna")
    seen = await host.wait_for_text(scene.room, "Anna: Among ourselves.")

    assert without_a_shield(seen)
    assert {row["session_id"] for row in await scene.bridge.database.fetch(keys, chef.user_id)} <= had
    live = await scene.bridge.database.fetch_value(
        "SELECT session_id FROM outbound_sessions WHERE room_id = $1 AND sender = $2",
        scene.room,
        scene.bridge.names.bot,
    )
    assert live not in had
    store = cast(Any, vendor)._client.olm.inbound_group_store
    assert live not in {session.id for session in store}
    assert had & {session.id for session in store}


async def stale(scene: Scene) -> bool | None:
    return (
        bool(
            await scene.bridge.database.fetch_value(
                "SELECT members_stale FROM rooms WHERE room_id = $1", scene.room
            )
        )
        or None
    )


async def test_what_was_written_while_the_bridge_was_off_is_read_after_its_start(idle: Scene) -> None:
    """By devices it has never seen, with room keys it was not there to receive."""
    scene = idle
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.nio(anna), await scene.people.js(chef)
    async with scene.running():
        await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
        await host.send_text(scene.room, "Before.")
        await scene.stored(lambda message: message.text == "Before.")
    laptop, phone = await scene.people.nio(anna), await scene.people.js(chef)
    await laptop.sync_until(lambda: scene.room in laptop.rooms())
    said = ["Old device.", "New laptop.", "New phone.", "Old device of the vendor."]
    clients: tuple[JsClient | Client, ...] = (host, laptop, phone, vendor)
    for client, text in zip(clients, said, strict=True):
        await client.send_text(scene.room, text)
    async with scene.running():
        await scene.stored(lambda message: message.text == said[-1])

        async def all_of_them() -> set[str] | None:
            texts = {message.text for message in await scene.history()}
            return texts if len(texts) > len(said) else None

        assert await eventually(all_of_them) == {"Before.", *said}


# Negative controls: the bridge is broken on purpose, and the judges of the tests above must see it.


async def test_control_a_ghost_whose_device_is_not_signed_has_a_shield(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = OwnDevices.signed_device_keys

    def unsigned(self: OwnDevices, device: OwnDevice) -> dict[str, Any]:
        keys = signed(self, device)
        own = keys["signatures"][device.user_id]
        kept = {key_id: own[key_id] for key_id in own if key_id == f"ed25519:{device.device_id}"}
        return {**keys, "signatures": {device.user_id: kept}}

    monkeypatch.setattr(OwnDevices, "signed_device_keys", unsigned)
    await assert_the_ghost_has_a_shield(scene)


async def test_control_a_ghost_that_uses_the_bots_session_has_a_shield(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other bridges do."""
    encrypt = cast(Callable[..., Awaitable[dict[str, Any]]], Encryptor.encrypt)

    async def as_the_bot(self: Encryptor, room_id: str, sender: str, *rest: Any) -> dict[str, Any]:
        own = await self._own_devices.ensure(
            sender
        )  # the homeserver takes nothing from a device that it does not know
        return await encrypt(self, room_id, scene.bridge.names.bot, *rest) | {"device_id": own}

    monkeypatch.setattr(Encryptor, "encrypt", as_the_bot)
    await assert_the_ghost_has_a_shield(scene)


async def assert_the_ghost_has_a_shield(scene: Scene) -> None:
    anna = await scene.people.person("Anna")
    default = await scene.people.js(anna)
    strict = await scene.people.js(anna, signed_devices_only=True)
    await scene.open(default, hosts={"Anna": anna})
    await scene.say("It is really me.")
    seen = await default.wait_for_event(scene.room, await scene.sent("It is really me."))
    assert seen.shield is not None
    assert seen.shield.colour != NO_SHIELD
    refused = await strict.wait_for_event(scene.room, seen.event_id)
    assert refused.failure is not None
