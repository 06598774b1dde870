"""Whatever comes with the right token is answered 200: any other answer would stop all traffic for ever."""

import json
from typing import Any

import pytest

from tests.appservice.delivering import Delivering, event
from tests.databases import both_databases, one_database

# Where the database only ever sees sealed bytes.
pytestmark = one_database

NOT_A_TRANSACTION = {
    "nothing": b"",
    "an array": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "a string": b'"events"',
    "an object without events": b'{"ephemeral": []}',
    "events that are an object": b'{"events": {"0": {}}}',
    "events that are null": b'{"events": null}',
    "cut off": b'{"events": [{"event_id": "$1"',
    "not UTF-8": b'{"events": [], "x": "\xff\xfe"}',
    "a lone byte order mark": b"\xef\xbb\xbf",
    "UTF-16 of odd length": '{"events": []}'.encode("utf-16")[:-1],
    "an array in 100,000 arrays": b"[" * 100_000 + b"]" * 100_000,
    "an object in 100,000 objects": b'{"events":' * 100_000 + b"1" + b"}" * 100_000,
    "an integer of 5,000 digits": b'{"events": ' + b"9" * 5_000 + b"}",
    "two values": b'{"events": []} {}',
}


@pytest.mark.parametrize("body", NOT_A_TRANSACTION.values(), ids=NOT_A_TRANSACTION)
async def test_what_is_no_transaction_is_a_dead_letter_byte_for_byte(
    homeserver: Delivering, body: bytes
) -> None:
    for _ in range(2):
        assert await homeserver.put(body) == 200
    assert await homeserver.dead_bodies() == [body]
    assert await homeserver.waiting() == []


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in event("$bad").items() if name != key}


NOT_AN_EVENT: dict[str, object] = {
    "a string": "event",
    "null": None,
    "an array": [event("$bad")],
    "no event id": without("event_id"),
    "no room": without("room_id"),
    "no sender": without("sender"),
    "no type": without("type"),
    "no content": without("content"),
    "an empty event id": event(""),
    "an event id that is a number": event("$bad", event_id=5),
    "a room that is null": event("$bad", room_id=None),
    "a sender that is a list": event("$bad", sender=["@anna:example.org"]),
    "a type that is an object": event("$bad", type={}),
    "content that is a string": event("$bad", content="text"),
    "content that is null": event("$bad", content=None),
    "content that is a list": event("$bad", content=[]),
    "an event id of 256 characters": event("$" + "x" * 255),
    "a room id of 256 characters": event("$bad", room_id="!" + "x" * 255),
    "a sender of a million characters": event("$bad", sender="@" + "x" * 1_000_000),
    # PostgreSQL has no such character in a text.
    "a NUL in the event id": event("$b\0d"),
    "a NUL in the room id": event("$bad", room_id="!r\0"),
    # JSON may hold half a surrogate pair; UTF-8, and so either database, cannot.
    "half a surrogate pair in the event id": event("$\ud800"),
    "half a surrogate pair in the room id": event("$bad", room_id="!\udfff"),
    "half a surrogate pair in the sender": event("$bad", sender="@\ud800:example.org"),
    "half a surrogate pair in the type": event("$bad", type="m.\ud800"),
}


@pytest.mark.parametrize("bad", NOT_AN_EVENT.values(), ids=NOT_AN_EVENT)
async def test_what_is_no_event_is_a_dead_letter_and_the_rest_is_taken(
    homeserver: Delivering, bad: object
) -> None:
    assert await homeserver.deliver(event("$before"), bad, event("$after")) == 200
    assert [json.loads(body) for body in await homeserver.dead_bodies()] == [bad]
    assert await homeserver.waiting() == ["matrix:$before", "matrix:$after"]


UNUSUAL_EVENTS: dict[str, bytes] = {
    "NaN and Infinity in the content": json.dumps(
        event(content={"x": [float("nan"), float("-inf")]})
    ).encode(),
    "the content twice": json.dumps(event()).encode()[:-1] + b', "content": {}}',
    "half a surrogate pair in the content": json.dumps(event(content={"body": "\ud800"})).encode(),
    "a NUL in the content": json.dumps(event(content={"body": "\0", "\0": 1})).encode(),
    "an integer beyond 64 bits": json.dumps(event(origin_server_ts=2**70)).encode(),
    "a state key of another type": json.dumps(event(state_key=7)).encode(),
    "unsigned of another type": json.dumps(event(unsigned=[])).encode(),
    "an event id of 255 characters": json.dumps(event("$" + "x" * 254)).encode(),
    "four-byte characters in an id": json.dumps(event("$🎂")).encode(),
}


@pytest.mark.parametrize("raw", UNUSUAL_EVENTS.values(), ids=UNUSUAL_EVENTS)
async def test_an_unusual_event_is_kept_for_its_handler_to_judge(homeserver: Delivering, raw: bytes) -> None:
    assert await homeserver.put(b'{"events": [' + raw + b"]}") == 200
    assert await homeserver.waiting() == [f"matrix:{json.loads(raw)['event_id']}"]


@both_databases
async def test_a_body_of_two_mebibytes_is_taken(homeserver: Delivering) -> None:
    large = event("$large", content={"body": "x" * 2**21})
    assert await homeserver.deliver(large, "no event") == 200
    assert await homeserver.waiting() == ["matrix:$large"]
    assert await homeserver.dead_bodies() == [b'"no event"']


@pytest.mark.parametrize("size", [0, 300_000], ids=["parsed here", "parsed in a thread"])
async def test_no_depth_of_nesting_is_too_much(homeserver: Delivering, size: int) -> None:
    """Around the interpreter's limit, where reading still succeeds and writing, deeper in the stack, may not."""
    filler = "x" * size
    for depth in (100, *range(850, 1050, 7), 5_000):
        nested = "[" * depth + "]" * depth
        deep = json.dumps(event(f"${depth}", content={"filler": filler, "deep": 0}))
        bodies = [f'{{"events": [{event_json}]}}' for event_json in (deep[:-3] + nested + "}}", nested)]
        for body in bodies:
            assert await homeserver.put(body.encode()) == 200, depth
    kept = await homeserver.rows()
    assert len(kept) >= len(range(850, 1050, 7)) + 2
