"""Conversations are closed, archived, blocked, left, deleted, and people get accounts: what real clients see of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.embedded.client import Client, ClientError
from appservice.inbound.late import INVITE
from appservice.outbound.rooms import OWNER
from bridge.core.ids import ParticipantId, TenantId
from bridge.demo.stand import TENANT, Stand
from tests.clients.people import People, Person
from tests.e2e.life import LivingScene, both
from tests.e2e.scene import without_a_shield
from tests.e2e.test_first_path import eventually, party, person

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[LivingScene]:
    async with People(ground.synapse, tmp_path) as people:
        here = LivingScene(ground, people)
        async with here.running():
            yield here


async def test_nobody_but_festimo_writes_in_a_closed_conversation(scene: LivingScene) -> None:
    host, vendor, _ = await both(scene)
    await host.send_text(scene.room, "before")
    await vendor.wait_for_text(scene.room, "before")
    assert (await scene.act("close", method="PUT"))["status"] == "closed"
    await scene.until_nobody_writes()

    with pytest.raises(ClientError, match="M_FORBIDDEN"):
        await vendor.send_text(scene.room, "from an old client")
    with pytest.raises(Exception, match="M_FORBIDDEN"):
        await host.send_text(scene.room, "from the owner")
    before = next(entry for entry in vendor.timeline(scene.room) if entry.body == "before")
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": before.event_id, "key": "👍"}}
    for what, content in (
        ("send/org.example.other/1", {}),
        ("send/m.reaction/2", reaction),
        (f"redact/{before.event_id}/3", {}),
        ("state/m.room.pinned_events", {"pinned": [before.event_id]}),
        ("state/m.room.tombstone", {"body": "gone", "replacement_room": "!elsewhere"}),
    ):
        path = f"v3/rooms/{scene.room}/{what}"
        status, answer = await scene.call("PUT", path, host.access_token, json=content)
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), what
    body = {"sender_id": scene.chef["id"], "text": "by the API"}
    assert await scene.refused(body) == (409, "conversation_closed")
    notice = await scene.book()
    await vendor.wait_for_text(scene.room, notice)

    assert (await scene.act("reopen"))["status"] == "active"
    await scene.until("m.room.power_levels", {"events_default": 0})
    await host.send_text(scene.room, "after")
    await vendor.wait_for_text(scene.room, "after")
    await vendor.send_text(scene.room, "indeed")
    await host.wait_for_text(scene.room, "indeed")


async def test_a_ghost_is_silenced_too_and_staff_can_still_delete_what_it_said(scene: LivingScene) -> None:
    anna = await scene.people.person("Anna")
    host = await scene.people.js(anna)
    scene.token = host.access_token
    await scene.open(host, hosts={"Anna": anna})
    await scene.say("oh no")
    message = await scene.said("oh no")
    assert message.origin_id is not None
    await host.wait_for_text(scene.room, "oh no")
    await scene.act("close")
    await scene.until_nobody_writes()
    await scene.api("DELETE", f"messages/{message.message_id}")

    async def redacted() -> bool | None:
        path = f"v3/rooms/{scene.room}/event/{message.origin_id}"
        return True if not (await scene.call("GET", path, scene.token))[1]["content"] else None

    await eventually(redacted)


async def test_hosts_find_the_open_conversations_of_a_party_in_its_space(scene: LivingScene) -> None:
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.nio(anna), await scene.people.nio(chef)
    scene.token = host.access_token
    await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
    await host.sync_until(lambda: bool(host.space_invites()))
    (space,) = host.space_invites()
    await host.join(space)
    via = {"via": [scene.ground.config.homeserver.server_name]}
    await scene.until("m.space.child", via, key=scene.room, room=space)
    state = await scene.state(space)
    assert state["m.room.create", ""]["type"] == "m.space"
    assert state["m.room.name", ""] == {"name": "Anna & Ben"}
    assert state["m.room.join_rules", ""] == {"join_rule": "invite"}
    await scene.until("m.space.parent", via | {"canonical": True}, key=space)
    write = {"msgtype": "m.text", "body": "not encrypted"}
    status, _ = await scene.call(
        "PUT", f"v3/rooms/{space}/send/m.room.message/1", host.access_token, json=write
    )
    assert status == 403, "nothing is said in a space"

    florist = {"id": f"florist-{scene.party_id}", "name": "Petals"}
    data = {"party": party(*scene.hosts, party_id=scene.party_id), "vendor": florist}
    await scene.ground.platform.send("vendor.selected", data)

    async def listed() -> set[str]:
        children = await scene.state(space)
        return {key for (kind, key), content in children.items() if kind == "m.space.child" and content}

    async def both_listed() -> bool | None:
        return True if len(await listed()) == 2 else None

    await eventually(both_listed)
    assert (await scene.act("archive", method="PUT"))["status"] == "archived"

    async def one_listed() -> bool | None:
        return True if len(await listed()) == 1 else None

    await eventually(one_listed)
    assert scene.room not in await listed()
    assert (await scene.state())["m.space.parent", space] == {}
    shown = await scene.api("GET", f"parties/{scene.party_id}/conversations")
    assert [one["vendor_id"] for one in shown["conversations"]] == [florist["id"]]
    await vendor.send_text(scene.room, "in the archive")  # it is read there as before
    await host.wait_for_text(scene.room, "in the archive")
    await scene.act("unarchive")
    await eventually(both_listed)
    assert vendor.space_invites() == [], "vendors do not see who else was asked"


async def test_who_is_blocked_is_put_out_until_the_conversation_is_reopened(scene: LivingScene) -> None:
    host, vendor, chef = await both(scene)
    assert (await scene.act("block", json={"side": "vendor"}))["status"] == "blocked"
    await scene.until_member(chef.user_id, "leave")
    await vendor.sync_until(lambda: scene.room not in vendor.rooms())
    body = {"sender_id": scene.chef["id"], "text": "let me in"}
    assert await scene.refused(body) == (409, "conversation_blocked")
    await host.send_text(scene.room, "among ourselves")
    await scene.select_again()
    await scene.act("reopen")
    await scene.join(vendor)
    await host.send_text(scene.room, "welcome back")
    await vendor.wait_for_text(scene.room, "welcome back")
    assert "among ourselves" not in [entry.body for entry in vendor.timeline(scene.room)]


async def test_who_leaves_by_the_api_leaves_the_room(scene: LivingScene) -> None:
    host, vendor, chef = await both(scene)
    await scene.act("leave", params={"participant_id": scene.chef["id"]})
    await scene.until_member(chef.user_id, "leave")
    await vendor.sync_until(lambda: scene.room not in vendor.rooms())
    assert await scene.refused({"sender_id": scene.chef["id"], "text": "still here"}) == (403, "not_allowed")
    await scene.select_again()
    await scene.join(vendor)
    await host.send_text(scene.room, "you again")
    await vendor.wait_for_text(scene.room, "you again")


async def test_a_ghost_leaves_and_comes_back(scene: LivingScene) -> None:
    anna = await scene.people.person("Anna")
    host = await scene.people.js(anna)
    scene.token = host.access_token
    await scene.open(host, hosts={"Anna": anna})
    await scene.until_member(scene.ghost, "join")
    await scene.act("leave", params={"participant_id": scene.chef["id"]})
    await scene.until_member(scene.ghost, "leave")
    await scene.select_again()
    await scene.until_member(scene.ghost, "join")
    await scene.say("here I am")
    assert without_a_shield(await host.wait_for_text(scene.room, "here I am"))


async def test_an_account_takes_over_from_the_ghost_and_gives_back(scene: LivingScene) -> None:
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.js(anna), await scene.people.nio(chef)
    scene.token = host.access_token
    await scene.open(host, hosts={"Anna": anna})
    await scene.say("by my ghost")
    await host.wait_for_text(scene.room, "by my ghost")
    by_ghost = await scene.said("by my ghost")
    await scene.all_is_read()
    await host.send_text(scene.room, "have you read this?")
    await scene.unread(host=0, chef=1)

    account = f"participants/{scene.chef['id']}/account"
    assert (await scene.api("PUT", account, json={"mxid": chef.user_id}))["mxid"] == chef.user_id
    await scene.join(vendor)
    await scene.until_member(scene.ghost, "leave")
    assert (await scene.members())[chef.user_id] == "join"
    await scene.unread(host=0, chef=1)
    await vendor.send_text(scene.room, "by myself")
    await host.wait_for_text(scene.room, "by myself")
    mine = await scene.stored(lambda message: message.text == "by myself")
    assert mine.sender_id == scene.chef["id"]
    change = {"sender_id": scene.chef["id"], "text": "by my ghost, corrected"}
    await scene.api(
        "PUT", f"messages/{by_ghost.message_id}", json=change
    )  # only a ghost can edit what it said
    seen = await host.wait_for_text(scene.room, "by my ghost, corrected")
    assert seen.sender == scene.ghost
    await scene.until_member(scene.ghost, "leave")
    await host.send_text(scene.room, "and this?")
    await scene.unread(host=1, chef=2)
    await scene.read_up_to("by myself", by=vendor)
    await scene.unread(host=1, chef=1)

    assert (await scene.api("DELETE", account))["mxid"] is None
    await scene.until_member(chef.user_id, "leave")
    await scene.until_member(scene.ghost, "join")
    await scene.unread(host=1, chef=1)
    await scene.say("by my ghost again")
    seen = await host.wait_for_text(scene.room, "by my ghost again")
    assert without_a_shield(seen)
    assert seen.sender == scene.ghost
    await scene.unread(host=2, chef=1)
    said = [message for message in await scene.history() if message.sender_id == scene.chef["id"]]
    assert [message.text for message in said] == [
        "by my ghost, corrected",
        "by myself",
        "by my ghost again",
    ]


async def test_a_host_who_gets_an_account_owns_the_room_with_it(scene: LivingScene) -> None:
    chef = await scene.people.person("Chef")
    vendor = await scene.people.nio(chef)
    scene.token = vendor.access_token
    await scene.open(vendor, hosts={"Anna": None}, vendor=chef)
    anna = await scene.people.person("Anna")
    host = await scene.people.nio(anna)
    await scene.api("PUT", f"participants/Anna-{scene.party_id}/account", json={"mxid": anna.user_id})
    await scene.join(host)
    await scene.until("m.room.power_levels", {"users": {anna.user_id: 50}})
    await host.sync_until(lambda: bool(host.space_invites()))


async def test_a_new_title_is_the_rooms_name_and_deletion_empties_it(scene: LivingScene) -> None:
    _, vendor, _ = await both(scene)
    first = await scene.conversation_id()
    await scene.api("PUT", f"conversations/{first}", json={"title": "Cake and more"})
    await vendor.sync_until(lambda: vendor.room_name(scene.room) == "Cake and more")
    old = scene.room
    await scene.api("DELETE", f"conversations/{first}")
    await vendor.sync_until(lambda: old not in vendor.rooms())
    await scene.select_again()
    second = await scene.conversation_id()
    assert second != first
    await vendor.sync_until(lambda: any(room != old for room in vendor.invites()))


async def test_the_room_of_a_group_whose_owner_left_has_another_owner(scene: LivingScene) -> None:
    anna, ben = await scene.people.person("Anna"), await scene.people.person("Ben")
    host, other = await scene.people.nio(anna), await scene.people.nio(ben)
    scene.token = other.access_token
    everybody = [person(f"{who.name}-group", who.name, who) | {"role": "host"} for who in (anna, ben)]
    body = {"title": "Surprise!", "owner": everybody[0], "participants": everybody[1:]}
    group = await scene.api("POST", "conversations/groups", json=body)
    await other.sync_until(lambda: bool(other.invites()))
    (scene.room,) = other.invites()
    await scene.join(other)
    await scene.join(host)
    await scene.until("m.room.power_levels", {"users": {anna.user_id: OWNER}})
    await host.leave(scene.room)
    await scene.until("m.room.power_levels", {"users": {ben.user_id: OWNER}})
    shown = await scene.api("GET", f"conversations/{group['conversation_id']}")
    assert [one["standing"] for one in shown["participants"]] == ["member", "owner"]


async def test_a_group_is_run_by_whom_its_owners_let_and_left_by_whom_they_take_out(
    scene: LivingScene,
) -> None:
    """As the clients of its people see it: power levels, what they allow, the kick, keys that are good no more."""
    anna, ben, cleo = [await scene.people.person(name) for name in ("Anna", "Ben", "Cleo")]
    host, other, third = [await scene.people.nio(one) for one in (anna, ben, cleo)]
    scene.token = host.access_token
    everybody = [person(f"{one.name}-run", one.name, one) | {"role": "host"} for one in (anna, ben, cleo)]
    dora = {"id": "dora-run", "name": "Dora", "role": "host"}
    body = {"title": "Surprise!", "owner": everybody[0], "participants": [*everybody[1:], dora]}
    group = (await scene.api("POST", "conversations/groups", json=body))["conversation_id"]
    people = f"conversations/{group}/participants"
    await host.sync_until(lambda: bool(host.invites()))
    (scene.room,) = host.invites()
    for guest in (host, other, third):
        await scene.join(guest)

    async def pins(attempt: int) -> int:
        path = f"v3/rooms/{scene.room}/state/m.room.pinned_events"
        content = {"pinned": [], "attempt": attempt}  # Synapse says 200 to what is so already, to anybody
        return (await scene.call("PUT", path, other.access_token, json=content))[0]

    assert await pins(1) == 403
    await scene.api("PUT", f"{people}/Ben-run", json={"standing": "admin"})
    both = {anna.user_id: OWNER, ben.user_id: OWNER}
    await third.sync_until(lambda: third.powers(scene.room) == both)
    assert await pins(2) == 200
    await scene.api("PUT", f"{people}/Ben-run", json={"standing": "member"})
    await scene.until("m.room.power_levels", {"users": {anna.user_id: OWNER}})  # nio forgets nobody's
    assert await pins(3) == 403

    async def session_of(text: str) -> str:
        """Under which key Dora's ghost says it."""
        sent = await scene.api(
            "POST", f"conversations/{group}/messages", json={"sender_id": dora["id"], "text": text}
        )
        await host.wait_for_text(scene.room, text)
        event_id = (await scene.api("GET", f"messages/{sent['message_id']}"))["event_id"]
        _, event = await scene.call("GET", f"v3/rooms/{scene.room}/event/{event_id}", host.access_token)
        return str(event["content"]["session_id"])

    before = await session_of("with Cleo")
    await third.wait_for_text(scene.room, "with Cleo")
    await scene.api("DELETE", f"{people}/Cleo-run", params={"asked_by": "Anna-run"})
    await third.sync_until(lambda: scene.room not in third.rooms())
    await scene.until_member(cleo.user_id, "leave")
    assert await session_of("among ourselves") != before
    ghost = scene.bridge.names.ghost(TenantId(TENANT), ParticipantId(dora["id"]))
    await scene.until_member(ghost, "join")
    await scene.api("DELETE", f"{people}/{dora['id']}")
    await scene.until_member(ghost, "leave")

    async def invite(whom: Person, by: Client) -> int:
        """As in Element."""
        path, body = f"v3/rooms/{scene.room}/invite", {"user_id": whom.user_id}
        return (await scene.call("POST", path, by.access_token, json=body))[0]

    eve = await scene.people.person("Eve")  # of whom the platform has not told
    assert await invite(cleo, by=other) == 403
    assert await invite(eve, by=host) == 200
    await scene.until_member(eve.user_id, "leave")
    reason = "The platform introduces people to each other. Ask it to add them."
    await host.wait_for_text(scene.room, INVITE.format(who=eve.user_id, reason=reason))
    assert await invite(cleo, by=host) == 200
    await scene.join(third)
    await host.send_text(scene.room, "Welcome back")
    await third.wait_for_text(scene.room, "Welcome back")
    shown = await scene.api("GET", f"conversations/{group}")
    assert [(one["participant_id"], one["away"]) for one in shown["participants"]] == [
        ("Anna-run", None),
        ("Ben-run", None),
        ("Cleo-run", None),
        ("dora-run", "removed"),
    ]
    assert await scene.members() == {
        scene.bridge.names.bot: "join",
        anna.user_id: "join",
        ben.user_id: "join",
        cleo.user_id: "join",
        eve.user_id: "leave",
        ghost: "leave",
    }
