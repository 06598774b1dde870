"""Whatever a tenant signs is answered: accepted and stored, or refused and not stored, never a 5xx."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bridge.platform.sender import (
    Client,
    MemoryIntake,
    booking_confirmed,
    encode,
    message_send,
    payment_received,
    plan_completed,
    send,
    vendor_selected,
)

# One server serves all examples of a test; each example starts with an empty intake.
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

EVENTS = [plan_completed(), vendor_selected(), booking_confirmed(), payment_received(), message_send()]

texts = st.text(st.characters(exclude_categories=[]), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


@st.composite
def bent_events(draw: st.DrawFn) -> object:
    """A good event with a few places replaced or added to."""
    event: Any = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(event)[1:]))
        target = event
        for part in parents:
            target = target[part]
        if isinstance(target, dict) and draw(st.booleans()):
            last = draw(texts)
        target[last] = draw(values)
    return event


async def assert_answered(client: Client, intake: MemoryIntake, body: bytes) -> None:
    intake.stored.clear()
    status, _ = await send(client, body)
    assert status in (202, 400, 422)
    assert len(intake.stored) == (1 if status == 202 else 0)


@fuzz
@given(body=st.binary(max_size=200))
async def test_any_bytes_are_answered(client: Client, intake: MemoryIntake, body: bytes) -> None:
    await assert_answered(client, intake, body)


@fuzz
@given(value=values)
async def test_any_json_is_answered(client: Client, intake: MemoryIntake, value: object) -> None:
    await assert_answered(client, intake, encode(value))


@fuzz
@given(event=bent_events())
async def test_any_bent_event_is_answered(client: Client, intake: MemoryIntake, event: object) -> None:
    await assert_answered(client, intake, encode(event))


@fuzz
@given(attributes=st.dictionaries(texts, values, max_size=4), data=values)
async def test_any_unknown_event_is_answered(
    client: Client, intake: MemoryIntake, attributes: dict[str, object], data: object
) -> None:
    envelope = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": data}
    await assert_answered(client, intake, encode(envelope | attributes))


@fuzz
@given(
    name=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), value=st.text(max_size=40)
)
async def test_any_signature_headers_are_answered(
    client: Client, intake: MemoryIntake, name: str, value: str
) -> None:
    headers = {"webhook-id": "m", "webhook-timestamp": "1800000000", "webhook-signature": "v1,AAAA"}
    printable = "".join(c for c in value if c.isprintable()).strip()
    status, _ = await send(client, b"{}", headers=headers | {name: printable})
    assert status == 401
    assert intake.stored == []
