"""What homeservers say of typing, receipts and presence: taken where it is as specified, left out where it is not."""

from dataclasses import replace
from typing import Any

import pytest

from appservice.inbound.ephemeral import (
    UNTOLD,
    PresenceTold,
    Receipt,
    TypingNow,
    presence_in,
    receipts_in,
    typing_in,
)

ROOM, ANNA, BEN = "!room:example.org", "@anna:example.org", "@ben:example.org"


@pytest.mark.parametrize(
    ("content", "users"),
    [
        ({"user_ids": [ANNA, BEN]}, (ANNA, BEN)),
        ({"user_ids": []}, ()),
        ({"user_ids": [ANNA, 5, None, "", "\0", "@" + "a" * 255, [ANNA]]}, (ANNA,)),
        ({"user_ids": [ANNA] * 101}, (ANNA,) * 100),
        ({"user_ids": ANNA}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_who_types(content: Any, users: tuple[str, ...] | None) -> None:
    event = {"type": "m.typing", "room_id": ROOM, "content": content}
    assert typing_in(event) == (None if users is None else TypingNow(ROOM, users))


def receipt(**keys: object) -> dict[str, Any]:
    return {"$event": {"m.read": {ANNA: {"ts": 5} | keys}}}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (receipt(), [(ANNA, "$event", 5, None)]),  # of all of the room
        (receipt(thread_id="main"), [(ANNA, "$event", 5, "main")]),
        (receipt(thread_id="$thread"), [(ANNA, "$event", 5, "$thread")]),
        (receipt(thread_id={}), []),
        (receipt(ts="5"), []),
        (receipt(ts=True), []),
        (receipt(ts=-1), []),
        (receipt(ts=2**53), []),
        ({"$event": {"m.read.private": {ANNA: {"ts": 5}}}}, []),  # nobody's business
        ({"$event": {"m.read": {"": {"ts": 5}}}}, []),
        ({"$event": {"m.read": [ANNA]}}, []),
        ({"$event": None, "$other": {"m.read": {BEN: {"ts": 6}}}}, [(BEN, "$other", 6, None)]),
        ({"$\0": {"m.read": {ANNA: {"ts": 5}}}}, []),
        ([], []),
    ],
)
def test_who_has_read_what(content: Any, found: list[tuple[str, str, int, str | None]]) -> None:
    event = {"type": "m.receipt", "room_id": ROOM, "content": content}
    receipts = [Receipt(ROOM, *one) for one in found]
    assert list(receipts_in(event, threads_told=True)) == receipts
    untold = [replace(one, thread=UNTOLD if one.thread is None else one.thread) for one in receipts]
    assert list(receipts_in(event, threads_told=False)) == untold


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"presence": "online", "currently_active": True}, ("online", 0)),
        ({"presence": "online", "last_active_ago": 70}, ("online", 70)),
        ({"presence": "online", "last_active_ago": 70, "currently_active": True}, ("online", 0)),
        ({"presence": "unavailable", "last_active_ago": 70}, ("away", 70)),
        ({"presence": "offline"}, ("offline", None)),
        ({"presence": "offline", "last_active_ago": "70"}, ("offline", None)),
        ({"presence": "busy"}, None),
        ({"presence": ["online"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_who_is_there(content: Any, told: tuple[Any, int | None] | None) -> None:
    event = {"type": "m.presence", "sender": ANNA, "content": content}
    assert presence_in(event) == (None if told is None else PresenceTold(ANNA, *told))


@pytest.mark.parametrize("where", [None, 5, "", "\ud800", "!" * 256])
def test_a_place_that_can_be_none_is_none(where: object) -> None:
    assert typing_in({"room_id": where, "content": {"user_ids": []}}) is None
    assert list(receipts_in({"room_id": where, "content": receipt()}, threads_told=True)) == []
    assert presence_in({"sender": where, "content": {"presence": "online"}}) is None
