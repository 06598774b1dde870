"""What must be true of a world that has come to rest, whatever befell it before."""

import json
from collections import defaultdict
from typing import Any

from vodozemac import MegolmMessage

from bridge.festimo.answers import greeting, help_text
from tests.simulation.faults import CANARY
from tests.simulation.homeserver import IN_ROOM, DeviceLife, Landed, LiveHomeserver, Membership
from tests.simulation.people import Phone
from tests.simulation.world import BITES, VENDORS, World

FAULTS = ("handler_failed", "request_failed", "sync_not_kept", "sync_answer_odd", "to_device_dropped")
"""Log lines that tell of an error that nobody foresaw."""
LONGEST_ATTEMPT = 2_000
"""Milliseconds from the beginning of an attempt to send until the homeserver has it."""
LEFT = "not_allowed: They take part in this conversation no more."
EXPECTED_ERRORS = ("DatabaseUnavailable",)


def judge(world: World) -> None:
    _every_posted_message_is_delivered_once_and_in_order(world)
    _every_message_said_is_taken_in_once(world)
    no_index_is_used_twice(world)
    _who_is_entitled_reads_and_who_is_not_does_not(world)
    _the_party_has_one_space(world)
    nothing_was_given_up(world)
    nothing_leaks(world)


def _refused(world: World) -> list[str]:
    """Posts in the name of somebody who had left meanwhile: the only ones that may be refused."""
    rows = world.rows("SELECT id, failure FROM inbox WHERE state = 'dead' AND topic = 'platform.event'")
    return [row["id"] for row in rows if world.has_left and row["failure"].startswith(LEFT)]


def _every_posted_message_is_delivered_once_and_in_order(world: World) -> None:
    posts = {row["id"] for row in world.rows("SELECT id FROM outbox WHERE topic = 'matrix.MessagePosted'")}
    answers = missing = 0
    for vendor in VENDORS:
        room_id, messages = world.conversation(vendor)
        ours = [message for message in messages if not message.from_client]
        assert all(message.status == "sent" for message in ours), ours
        landed = [one.event for one in world.homeserver.landed.get(room_id, []) if one.txn_id in posts]
        assert [message.origin_id for message in ours] == [event["event_id"] for event in landed]
        posted = [message.text for message in ours if message.sender_type != "festimo"]
        remaining = iter(world.posted[vendor])
        assert all(text in remaining for text in posted), "in order, and none twice"
        missing += len(world.posted[vendor]) - len(posted)
        for message, event in zip(ours, landed, strict=True):
            for phone in _phones(world):
                if phone.reads(event):
                    assert phone.read(event)["content"]["body"].endswith(message.text)
        said = [message.text for message in ours if message.sender_type == "festimo"]
        assert said.count(greeting()) == 1, "one greeting"
        answers += said.count(help_text())
    assert missing == len(_refused(world)), "none is lost"
    assert answers == world.commands, "each command has one answer"


def _the_party_has_one_space(world: World) -> None:
    homeserver = world.homeserver
    (space,) = (room_id for room_id in homeserver.rooms if homeserver.is_space(room_id))
    state = homeserver.room_state(space)
    children = {key for (kind, key), event in state.items() if kind == "m.space.child" and event["content"]}
    assert children == {world.conversation(vendor)[0] for vendor in VENDORS}, "its open conversations"
    for room_id in children:
        assert homeserver.room_state(room_id)["m.space.parent", space]["content"]["canonical"]
    people = {person.user for person in world.people}
    assert people & homeserver.rooms[space].members.keys() <= people - {BITES}, "its hosts"


def _every_message_said_is_taken_in_once(world: World) -> None:
    rows = {row["origin_id"]: row for row in world.rows("SELECT * FROM messages")}
    order: dict[tuple[str, str], list[int]] = defaultdict(list)
    positions = {
        event["event_id"]: place
        for room in world.homeserver.rooms.values()
        for place, event in enumerate(room.timeline)
    }
    for said in sorted(world.said, key=lambda said: positions.get(said.event_id, 0)):
        assert said.event_id in rows, f"{said} is lost"
        assert world.text_of(rows[said.event_id]["message_id"]) == said.text
        order[said.room_id, said.session_id].append(rows[said.event_id]["position"])
    for taken in order.values():
        assert taken == sorted(taken), "taken in in another order than said"


def no_index_is_used_twice(world: World) -> None:
    last: dict[str, int] = {}
    for landed in world.homeserver.landed.values():
        for one in landed:
            content = one.event["content"]
            index = MegolmMessage.from_base64(content["ciphertext"]).message_index()
            assert index > last.get(content["session_id"], -1), "an index again, or a lower one"
            last[content["session_id"]] = index


def _who_is_entitled_reads_and_who_is_not_does_not(world: World) -> None:
    told = {row["id"]: row["created_at"] for row in world.rows("SELECT id, created_at FROM inbox")}
    items = {row["id"]: row for row in world.rows("SELECT id, created_at, prepared_at FROM outbox")}
    for room_id, landed in world.homeserver.landed.items():
        for one in landed:
            item = items.get(one.txn_id)
            if item is None:
                continue  # a ciphertext that was fixed elsewhere
            for phone in _phones(world):
                history = world.homeserver.memberships.get((room_id, phone.user), [])
                life = world.homeserver.lives[phone.user, phone.device]
                verdict = _entitled(world.homeserver, history, told, phone, life, item, one)
                about = (phone.user, phone.device, one.event["event_id"], item, life, history)
                if verdict is True:
                    assert phone.reads(one.event), f"cannot read what it is entitled to: {about}"
                elif verdict is False:
                    assert not phone.reads(one.event), f"reads what it must not: {about}"


def _entitled(
    homeserver: LiveHomeserver,
    history: list[Membership],
    told: dict[str, int],
    phone: Phone,
    life: DeviceLife,
    item: dict[str, Any],
    one: Landed,
) -> bool | None:
    """None: both are right, as the bridge could not know yet."""
    prepared = item["prepared_at"]
    if not phone.trusted:
        return False
    if life.published >= one.at:
        return None
    removal_known = (
        homeserver.acknowledged_at(life.removed_position)
        if life.removed_position is not None and life.removed_told
        else None
    )
    if removal_known is not None and removal_known < prepared:
        return False
    # What was in flight is shared with whoever came meanwhile before it is sent at last.
    by = max(prepared, one.at - LONGEST_ATTEMPT)
    before = [change for change in history if change.at < by]
    during = [change for change in history if by <= change.at <= one.at]
    if not before:
        return None if during else False
    latest = before[-1]
    if told.get(f"matrix:{latest.event_id}", one.at) >= by or during:
        return None
    if latest.membership not in IN_ROOM:
        return False if told[f"matrix:{latest.event_id}"] < prepared else None
    if life.removed is not None and life.removed <= one.at:
        return None
    if latest.membership == "invite":
        return True if life.published < item["created_at"] else None
    if life.published < latest.at:
        return True
    known = homeserver.acknowledged_at(life.position) if life.told else None
    return True if known is not None and known < by else None


def nothing_was_given_up(world: World) -> None:
    refused = _refused(world)
    for table in ("inbox", "outbox"):
        dead = world.rows(f"SELECT id, topic, failure FROM {table} WHERE state = 'dead'")
        given_up = [row for row in dead if row["id"] not in refused]
        assert not given_up, given_up
    unforeseen = [
        entry
        for entry in world.logs
        if entry["event"] in FAULTS and entry.get("error") not in EXPECTED_ERRORS
    ]
    assert not unforeseen, unforeseen


def nothing_leaks(world: World) -> None:
    assert CANARY not in json.dumps([room.timeline for room in world.homeserver.rooms.values()])
    assert CANARY not in repr(world.logs)
    for file in world.path.parent.glob("bridge.db*"):
        assert CANARY.encode() not in file.read_bytes(), f"{file.name} holds what was said in the clear"


def _phones(world: World) -> list[Phone]:
    return [phone for person in world.people for phone in (*person.phones, *person.former)]
