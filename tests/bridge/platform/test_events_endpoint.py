"""What the platform sees when it posts events, over real HTTP."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.platform.api import PATH
from bridge.web.body import MAX_BODY_BYTES
from tests.bridge.platform.sender import (
    NEW,
    OTHER,
    STRANGER,
    Client,
    MemoryIntake,
    booking_told,
    encode,
    event,
    message_send,
    payment_received,
    plan_completed,
    review_created,
    send,
    sign,
    user_deleted,
    user_updated,
    vendor_selected,
    vendor_status,
    vendor_updated,
)

PARTY, VENDOR, ANNA = "party:festipin:p-1", "person:festipin:v-1", "person:festipin:u-anna"
LANES = [
    (plan_completed(), PARTY),
    (vendor_selected(), PARTY),
    *(
        (booking_told(kind), PARTY)
        for kind in ("requested", "confirmed", "changed", "cancelled", "completed")
    ),
    (payment_received(), PARTY),
    (message_send(), PARTY),
    (review_created(party_id="p-1"), PARTY),
    (review_created(), VENDOR),
    (vendor_updated(business_name="Sweeter Bites"), VENDOR),
    (vendor_status("away"), VENDOR),
    (user_updated(name="Anna Berg"), ANNA),
    (user_deleted(), ANNA),
]


@pytest.mark.parametrize(
    ("sent", "lane"), LANES, ids=lambda one: one if isinstance(one, str) else one["type"]
)
async def test_an_event_is_stored_as_sent_in_the_lane_of_what_it_is_about(
    client: Client, intake: MemoryIntake, sent: dict[str, Any], lane: str
) -> None:
    body = encode(sent)
    assert await send(client, body) == (202, {"id": "evt-1", "status": "accepted", "duplicate": False})
    (stored,) = intake.stored
    assert stored.body == body
    assert stored.lane == lane
    assert (stored.tenant_id, stored.source, stored.event_id) == ("festipin", "/festipin", "evt-1")
    assert stored.event_type == sent["type"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "application/json",
        "application/cloudevents+json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "APPLICATION/JSON",
    ],
)
async def test_both_names_of_the_format_are_understood(client: Client, content_type: str) -> None:
    status, _ = await send(client, encode(vendor_selected()), content_type=content_type)
    assert status == 202


async def test_the_same_event_again_is_a_duplicate(client: Client, intake: MemoryIntake) -> None:
    body = encode(vendor_selected())
    await send(client, body)
    assert await send(client, body) == (202, {"id": "evt-1", "status": "accepted", "duplicate": True})
    assert len(intake.stored) == 1


async def test_an_id_with_another_body_is_a_conflict(client: Client, intake: MemoryIntake) -> None:
    await send(client, encode(vendor_selected()))
    status, problem = await send(client, encode(message_send()))
    assert (status, problem["type"]) == (409, "urn:festimo:problem:event_id_reused")
    assert problem["field"] == "id"
    assert [stored.event_type for stored in intake.stored] == ["vendor.selected"]


async def test_sources_and_tenants_number_their_events_apart(client: Client, intake: MemoryIntake) -> None:
    await send(client, encode(vendor_selected()))
    await send(client, encode(vendor_selected() | {"source": "/another"}))
    await send(client, encode(vendor_selected()), secret=OTHER)
    assert [(stored.tenant_id, stored.source) for stored in intake.stored] == [
        ("festipin", "/festipin"),
        ("festipin", "/another"),
        ("other", "/festipin"),
    ]
    assert intake.stored[2].lane == "party:other:p-1"


@pytest.mark.parametrize(
    "unknown",
    [
        event("party.postponed", {"days": 5}),  # a type of a later version
        event("party.postponed", None),  # without data
        event("party.postponed", [1, {"a": [2.5, None]}]),  # data is any JSON
        {"specversion": "1.0", "id": "evt-1", "source": "urn:x", "type": "a"},  # no more than must be
        {"specversion": "1.0", "id": "evt-1", "source": "urn:x", "type": "a", "data_base64": "AAEC"},
        event("Vendor.Selected", {}),  # types are case-sensitive
    ],
)
async def test_an_unknown_type_is_kept_and_reported(
    client: Client, intake: MemoryIntake, unknown: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        answer = await send(client, encode(unknown))
    assert answer == (202, {"id": "evt-1", "status": "kept_unknown_type", "duplicate": False})
    assert [stored.lane for stored in intake.stored] == ["platform:festipin:unknown"]
    assert [(log["log_level"], log["event_type"], log["tenant_id"]) for log in logs] == [
        ("warning", unknown["type"], "festipin")
    ]


async def test_a_stranger_is_told_what_to_check(client: Client, intake: MemoryIntake) -> None:
    status, problem = await send(client, encode(vendor_selected()), secret=STRANGER)
    assert (status, problem["type"]) == (401, "urn:festimo:problem:signature_refused")
    assert "clock" in problem["detail"]
    assert "festipin" not in json.dumps(problem)
    assert intake.stored == []


async def test_a_signature_is_asked_for_before_the_body_is_judged(
    client: Client, intake: MemoryIntake
) -> None:
    status, problem = await send(client, b"no JSON", headers={})
    assert (status, problem["field"]) == (401, "webhook-id")
    assert intake.stored == []


async def test_a_401_names_the_scheme(client: Client) -> None:
    async with client.post(PATH, data=b"{}", headers={"Content-Type": "application/json"}) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "StandardWebhooks")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),  # nothing
        (b"{", "malformed_json"),  # cut off
        (b"\xef\xbb\xbf{}", "malformed_json"),  # byte order mark
        (b"\xff\xfe{\x00}\x00", "malformed_json"),  # UTF-16
        (b'{"id": "\xe4"}', "malformed_json"),  # Latin-1
        (b'{"id": "a\nb"}', "malformed_json"),  # raw control character in a string
        (b'{"data": NaN}', "malformed_json"),
        (b'{"data": -Infinity}', "malformed_json"),
        (b'{"data": 1e999}', "malformed_json"),  # infinite once read
        (b'{"data": ' + b"9" * 5000 + b"}", "malformed_json"),  # more digits than Python converts
        (b'{"id": "a", "id": "b"}', "malformed_json"),  # which one would count?
        (b'{"data": [{"a": 1, "a": 1}]}', "malformed_json"),  # deep down as well
        (b'{"id": "\\ud800"}', "malformed_json"),  # half a surrogate pair
        (b'{"\\udfff": 1}', "malformed_json"),  # in a name
        (b"[" * 100_000, "malformed_json"),  # deeper than any parser
        (b"[" * 100_000 + b"]" * 100_000, "malformed_json"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "malformed_json"),  # deeper than we follow
    ],
)
async def test_what_is_not_json_is_refused(
    client: Client, intake: MemoryIntake, body: bytes, code: str
) -> None:
    status, problem = await send(client, body)
    assert (status, problem["type"]) == (400, f"urn:festimo:problem:{code}")
    assert intake.stored == []


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1", b"true", encode([vendor_selected()])])
async def test_json_that_is_no_event_is_refused(client: Client, intake: MemoryIntake, body: bytes) -> None:
    status, problem = await send(client, body)
    assert (status, problem["type"]) == (422, "urn:festimo:problem:invalid_input")
    assert intake.stored == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents-batch+json",  # batches are not taken
        "text/plain",
        "application/xml",
        "application/json; charset=latin-1",
        "application/cloudevents+json; charset=utf-16",
        "application",
    ],
)
async def test_other_formats_are_refused(client: Client, intake: MemoryIntake, content_type: str) -> None:
    status, problem = await send(client, encode(vendor_selected()), content_type=content_type)
    assert (status, problem["type"]) == (415, "urn:festimo:problem:unsupported_media_type")
    assert intake.stored == []


async def test_a_compressed_body_is_refused(client: Client, intake: MemoryIntake) -> None:
    body = encode(vendor_selected())
    headers = sign(body, secret=NEW) | {"Content-Encoding": "gzip"}
    status, _ = await send(client, body, headers=headers)
    assert status == 415
    assert intake.stored == []


def sized(size: int) -> bytes:
    body = encode(event("size.measured", "x"))
    return body.replace(b'"x"', b'"' + b"x" * (size - len(body) + 1) + b'"')


async def test_a_body_may_have_just_one_mebibyte(client: Client, intake: MemoryIntake) -> None:
    body = sized(MAX_BODY_BYTES)
    assert len(body) == MAX_BODY_BYTES
    assert (await send(client, body))[0] == 202
    intake.stored.clear()
    status, problem = await send(client, sized(MAX_BODY_BYTES + 1))
    assert (status, problem["type"]) == (413, "urn:festimo:problem:body_too_large")
    assert intake.stored == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_refused_as_problems(client: Client, method: str) -> None:
    async with client.request(method, PATH) as response:
        assert (response.status, response.content_type) == (405, "application/problem+json")
        assert response.headers["Allow"] == "POST"


async def test_an_event_that_could_not_be_stored_is_not_acknowledged(
    client: Client, intake: MemoryIntake
) -> None:
    intake.failure = OSError("disk full while writing 'Shall we say 8 pm?'")
    with capture_logs() as logs:
        status, problem = await send(client, encode(message_send()))
    assert status == 500
    assert "disk" not in json.dumps(problem)
    assert "8 pm" not in str(logs)
    assert [log["incident"] for log in logs] == [problem["incident"]]
