"""Many events at once: signed as one, each answered for itself."""

from typing import Any

import pytest

from bridge.platform.api import BATCH_PATH, MOST_EVENTS
from tests.bridge.platform.sender import (
    STRANGER,
    Client,
    MemoryIntake,
    encode,
    event,
    message_send,
    send,
    vendor_selected,
)

BATCH = "application/cloudevents-batch+json"


async def send_batch(client: Client, *events: Any, **how: Any) -> tuple[int, dict[str, Any]]:
    return await send(client, encode(list(events)), path=BATCH_PATH, **{"content_type": BATCH} | how)


async def test_each_event_is_answered_for_itself(client: Client, intake: MemoryIntake) -> None:
    sound, later = vendor_selected(), message_send() | {"id": "evt-2"}
    without_data = {name: value for name, value in vendor_selected().items() if name != "data"}
    status, answer = await send_batch(
        client,
        sound,
        without_data | {"id": "evt-3"},
        {"specversion": "1.0", "id": 7},
        event("party.postponed", None, id="evt-4"),
        later,
        sound,
        message_send(),  # under the id of the first
    )
    assert status == 200
    assert [(one["id"], one["status"], one["duplicate"]) for one in answer["events"]] == [
        ("evt-1", "accepted", False),
        ("evt-3", "refused", False),
        (None, "refused", False),
        ("evt-4", "kept_unknown_type", False),
        ("evt-2", "accepted", False),
        ("evt-1", "accepted", True),
        ("evt-1", "refused", False),
    ]
    problems = [one["problem"] for one in answer["events"] if one["status"] == "refused"]
    assert [(one["type"], one["field"]) for one in problems] == [
        ("urn:festimo:problem:invalid_input", "data"),
        ("urn:festimo:problem:invalid_input", None),
        ("urn:festimo:problem:event_id_reused", "id"),
    ]
    assert [stored.event_id for stored in intake.stored] == ["evt-1", "evt-4", "evt-2"]
    assert [stored.lane for stored in intake.stored] == [
        "party:festipin:p-1",
        "platform:festipin:unknown",
        "party:festipin:p-1",
    ]


async def test_a_single_event_is_the_same_in_a_batch(client: Client, intake: MemoryIntake) -> None:
    await send(client, encode(vendor_selected()))
    _, answer = await send_batch(client, dict(reversed(vendor_selected().items())))
    assert answer["events"] == [{"id": "evt-1", "status": "accepted", "duplicate": True, "problem": None}]
    assert len(intake.stored) == 1


async def test_nothing_at_all_is_a_batch(client: Client) -> None:
    assert await send_batch(client) == (200, {"events": []})


@pytest.mark.parametrize(
    ("body", "how", "expected"),
    [
        # Whom we do not know is not even told which of them are events.
        ([vendor_selected()], {"secret": STRANGER}, (401, "signature_refused")),
        # One event is no batch, nor is a list of anything else.
        (vendor_selected(), {}, (422, "invalid_input")),
        ([vendor_selected(), "evt-2"], {}, (422, "invalid_input")),
        ([{}] * (MOST_EVENTS + 1), {}, (422, "invalid_input")),
        (
            [vendor_selected()],
            {"content_type": "application/cloudevents+json"},
            (415, "unsupported_media_type"),
        ),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    client: Client, intake: MemoryIntake, body: Any, how: dict[str, Any], expected: tuple[int, str]
) -> None:
    status, problem = await send(client, encode(body), path=BATCH_PATH, **{"content_type": BATCH} | how)
    assert (status, problem["type"].removeprefix("urn:festimo:problem:")) == expected
    assert intake.stored == []


async def test_a_batch_that_could_not_be_stored_is_not_acknowledged(
    client: Client, intake: MemoryIntake
) -> None:
    intake.failure = OSError("disk full")
    status, _ = await send_batch(client, vendor_selected())
    assert status == 500
