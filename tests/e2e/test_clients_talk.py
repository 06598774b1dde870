"""The two independent clients by which the bridge is judged: they have to be right about each other first."""

import sys
from pathlib import Path

import pytest

from appservice.embedded.client import Client, ClientError
from tests.clients.js import JsClient
from tests.clients.people import People

NO_SHIELD = 0


async def meet(host: Client, vendor: JsClient) -> str:
    """Both in one encrypted room."""
    room = await host.create_room(invite=[vendor.user_id])
    await vendor.wait_for_invite(room)
    await vendor.join(room)
    await host.sync_until(lambda: vendor.user_id in host.members(room))
    return room


@pytest.mark.parametrize("signed_devices_only", [False, True])
async def test_signed_clients_talk_in_both_directions_without_a_shield(
    people: People, *, signed_devices_only: bool
) -> None:
    host = await people.nio("Hanna")
    vendor = await people.js("Viktor", signed_devices_only=signed_devices_only)
    room = await meet(host, vendor)

    await host.send_text(room, "Is the 14th free?")
    question = await vendor.wait_for_text(room, "Is the 14th free?")
    await vendor.send_text(room, "It is.")
    answer = await host.wait_for_text(room, "It is.")

    assert question.sender == host.user_id
    assert question.encrypted
    assert question.shield is not None
    assert question.shield.colour == NO_SHIELD
    assert answer.sender == vendor.user_id
    assert answer.encrypted
    assert answer.warning is None


async def test_element_marks_a_device_its_owner_has_not_signed(people: People) -> None:
    host = await people.nio("Hanna", cross_sign=False)
    vendor = await people.js("Viktor")
    room = await meet(host, vendor)

    await host.send_text(room, "Trust me.")
    message = await vendor.wait_for_text(room, "Trust me.")

    assert message.shield is not None
    assert message.shield.colour != NO_SHIELD


async def test_a_signed_only_client_and_an_unsigned_device_cannot_read_each_other(people: People) -> None:
    host = await people.nio("Hanna", cross_sign=False)
    vendor = await people.js("Viktor", signed_devices_only=True)
    room = await meet(host, vendor)

    unreadable = await vendor.wait_for_event(room, await host.send_text(room, "Trust me."))
    withheld = await vendor.send_text(room, "Who are you?")
    await host.sync_until(lambda: any(entry.event_id == withheld for entry in host.timeline(room)))

    assert unreadable.failure == "UNSIGNED_SENDER_DEVICE"
    assert unreadable.body == ""
    assert [entry.undecryptable for entry in host.timeline(room) if entry.event_id == withheld] == [True]


async def test_a_second_device_of_a_person_signs_itself_and_reads_what_comes_after(people: People) -> None:
    hanna, viktor = await people.person("Hanna"), await people.person("Viktor")
    host, vendor = await people.nio(hanna), await people.js(viktor, signed_devices_only=True)
    room = await meet(host, vendor)

    phone = await people.js(viktor)
    laptop = await people.nio(hanna)
    await laptop.send_text(room, "From my other device.")

    for reader in (vendor, phone):
        message = await reader.wait_for_text(room, "From my other device.")
        assert message.shield is not None
        assert message.shield.colour == NO_SHIELD


async def test_what_was_sent_before_a_device_existed_stays_unreadable_on_it(people: People) -> None:
    viktor = await people.person("Viktor")
    host, vendor = await people.nio("Hanna"), await people.js(viktor)
    room = await meet(host, vendor)
    early = await host.send_text(room, "Sent early.")
    await vendor.wait_for_text(room, "Sent early.")

    phone = await people.js(viktor)
    message = await phone.wait_for_event(room, early)

    assert message.failure is not None
    assert message.failure.startswith("HISTORICAL_MESSAGE")


async def test_a_nio_client_goes_on_with_the_device_and_keys_of_its_store(people: People) -> None:
    viktor = await people.person("Viktor")
    host, vendor = await people.nio("Hanna"), await people.nio(viktor, store="viktor")
    room = await host.create_room(invite=[vendor.user_id])
    await vendor.join(room)
    await host.send_text(room, "Kept.")
    await vendor.wait_for_text(room, "Kept.")

    await vendor.close()
    again = await people.nio(viktor, store="viktor")

    assert again.device_id == vendor.device_id
    assert (await again.wait_for_text(room, "Kept.")).encrypted


async def test_without_matrix_nio_the_client_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nio", None)
    with pytest.raises(ClientError, match=r"festimo-bridge\[demo\]"):
        await Client.login("http://127.0.0.1", "@hanna:server", "secret", tmp_path)


async def test_a_nio_client_knows_that_it_has_left(people: People) -> None:
    host, vendor = await people.nio("Hanna"), await people.nio("Viktor")
    room = await host.create_room(invite=[vendor.user_id])
    await vendor.sync_until(lambda: room in vendor.invites())
    await vendor.join(room)

    await vendor.leave(room)

    assert room not in vendor.rooms()
    await host.sync_until(lambda: vendor.user_id not in host.members(room))
