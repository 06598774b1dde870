"""Every rule of the format, each broken once: named by its field, and nothing stored."""

import json
from typing import Any

import pytest

from tests.bridge.platform.sender import (
    MAX_TEXT_LENGTH,
    Client,
    MemoryIntake,
    booking_confirmed,
    encode,
    host,
    message_send,
    payment_received,
    plan_completed,
    send,
    vendor,
    vendor_selected,
)

ABSENT = object()


def changed(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The event with one place set to `value`, or taken out."""
    *parents, last = path.split("/")
    target: Any = event
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    if value is ABSENT:
        del target[last]
    else:
        target[int(last) if last.isdigit() else last] = value
    return event


async def assert_refused(client: Client, intake: MemoryIntake, event: object, *fields: str) -> None:
    status, problem = await send(client, encode(event))
    assert status == 422, problem
    assert sorted(error["field"] for error in problem["errors"]) == sorted(fields)
    assert all(error["detail"] for error in problem["errors"])
    assert problem.get("field") == (fields[0] if len(fields) == 1 else None)
    assert intake.stored == []


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("specversion", ABSENT, "specversion"),
        ("specversion", "0.3", "specversion"),  # an older CloudEvents
        ("specversion", 1.0, "specversion"),  # a number is not a text
        ("id", ABSENT, "id"),
        ("id", "", "id"),
        ("id", "x" * 256, "id"),  # one longer than allowed
        ("id", 7, "id"),
        ("id", "a\x00b", "id"),  # PostgreSQL could not keep it
        ("id", "a\x9fb", "id"),  # C1 control
        ("id", "a\uffff", "id"),  # noncharacter
        ("source", ABSENT, "source"),
        ("source", "", "source"),
        ("source", "two words", "source"),
        ("source", "a%zz", "source"),  # broken percent-encoding
        ("source", "1a:b", "source"),  # neither a scheme nor a relative path
        ("source", "http://[::1/", "source"),  # bracket left open
        ("source", "/é", "source"),  # not ASCII
        ("source", "/" + "x" * 512, "source"),
        ("type", 1, "type"),
        ("type", "", "type"),
        ("time", "yesterday", "time"),
        ("time", 1_800_000_000, "time"),  # seconds are not RFC 3339
        ("time", "2027-05-01T10:00:00", "time"),  # no zone
        ("time", "2027-05-01", "time"),
        ("time", "2027-02-30T10:00:00Z", "time"),  # no such day
        ("time", "2027-05-01T24:00:00Z", "time"),
        ("time", "0001-01-01T00:00:00+14:00", "time"),  # cannot be told in UTC
        ("time", "2027-05-01T10:00:00Z\n", "time"),
        ("subject", "", "subject"),
        ("subject", 5, "subject"),
        ("datacontenttype", "application/xml", "datacontenttype"),
        ("dataschema", "/relative", "dataschema"),  # must be absolute
        ("data", ABSENT, "data"),
        ("data", None, "data"),
        ("data", [], "data"),
        ("data", "{}", "data"),  # JSON in a text
        ("data_base64", "e30=", "data_base64"),  # our types carry JSON
        ("Subject", "x", "Subject"),  # attribute names are lower-case
        ("my_extension", "x", "my_extension"),
        ("", "x", ""),
        ("traceparent", {}, "traceparent"),  # extension values are scalars
        ("sequence", 2**31, "sequence"),  # beyond 32 bits
        ("weight", 1.5, "weight"),  # CloudEvents has no fractions
    ],
)
async def test_a_broken_envelope_is_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(vendor_selected(), path, value), field)


async def test_an_event_without_a_type_is_refused(client: Client, intake: MemoryIntake) -> None:
    await assert_refused(client, intake, changed(vendor_selected(), "type", ABSENT), "type")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data/extra", 1, "data.extra"),  # unknown fields are refused at every level
        ("data/party/extra", 1, "data.party.extra"),
        ("data/vendor/phone", "1", "data.vendor.phone"),
        ("data/party", ABSENT, "data.party"),
        ("data/party/id", "", "data.party.id"),
        ("data/party/id", "x" * 129, "data.party.id"),
        ("data/party/id", "a:b", "data.party.id"),  # would blur the lanes
        ("data/party/id", "a/b", "data.party.id"),
        ("data/party/id", "a\n", "data.party.id"),
        ("data/party/id", 5, "data.party.id"),
        ("data/party/title", "", "data.party.title"),
        ("data/party/title", " \t ", "data.party.title"),
        ("data/party/title", "x" * 201, "data.party.title"),
        ("data/party/title", "Anna\nBen", "data.party.title"),
        ("data/party/title", "Anna\u2028Ben", "data.party.title"),  # a line break of Unicode
        ("data/party/hosts", [], "data.party.hosts"),
        ("data/party/hosts", {}, "data.party.hosts"),
        ("data/party/hosts", [{"id": f"u{i}", "name": "x"} for i in range(21)], "data.party.hosts"),
        ("data/party/hosts", [host(), host()], "data.party.hosts"),  # one person twice
        ("data/party/hosts/0", "Anna", "data.party.hosts[0]"),
        ("data/party/hosts/0/name", "", "data.party.hosts[0].name"),
        ("data/party/hosts/0/name", "\u200b\u200d", "data.party.hosts[0].name"),  # nothing to see
        ("data/party/hosts/0/name", "x" * 101, "data.party.hosts[0].name"),
        ("data/party/hosts/0/name", "A\x00", "data.party.hosts[0].name"),
        ("data/party/hosts/0/name", "A\x85B", "data.party.hosts[0].name"),
        ("data/party/hosts/0/name", "\u202eanna", "data.party.hosts[0].name"),  # reads backwards
        ("data/party/hosts/0/name", None, "data.party.hosts[0].name"),
        ("data/party/hosts/0/mxid", "anna:example.org", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@anna", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@:example.org", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@an na:example.org", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@änna:example.org", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@anna:exa_mple.org", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@anna:example.org:port", "data.party.hosts[0].mxid"),
        ("data/party/hosts/0/mxid", "@" + "a" * 243 + ":example.org", "data.party.hosts[0].mxid"),  # 256
        ("data/party/hosts/0/avatar_url", "https://x.org/a.png", "data.party.hosts[0].avatar_url"),
        ("data/party/hosts/0/avatar_url", "mxc://example.org", "data.party.hosts[0].avatar_url"),
        ("data/party/hosts/0/avatar_url", "mxc://example.org/../a", "data.party.hosts[0].avatar_url"),
        ("data/vendor", ABSENT, "data.vendor"),
        ("data/vendor/vendor_type", "", "data.vendor.vendor_type"),
    ],
)
async def test_broken_people_and_parties_are_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(vendor_selected(), path, value), field)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data/vendors", [], "data.vendors"),
        ("data/vendors", [vendor(f"v{i}") for i in range(51)], "data.vendors"),
        ("data/vendors", [vendor("v"), vendor("v")], "data.vendors"),  # one vendor twice
        ("data/vendors/1/id", ABSENT, "data.vendors[1].id"),
        ("data/vendor", vendor(), "data.vendor"),  # the field of another type
    ],
)
async def test_a_broken_plan_is_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(plan_completed(), path, value), field)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data/booking/service", " ", "data.booking.service"),
        ("data/booking/starts_at", "2027-06-12T18:00:00", "data.booking.starts_at"),  # no zone
        ("data/booking/starts_at", "2027-06-12 18:00:00Z", "data.booking.starts_at"),
        ("data/booking/ends_at", "2027-06-12T15:59:59Z", "data.booking.ends_at"),  # a second early
        ("data/booking/total", 12.5, "data.booking.total"),
        ("data/booking/total/amount", -1, "data.booking.total.amount"),
        ("data/booking/total/amount", 12.5, "data.booking.total.amount"),
        ("data/booking/total/amount", "12", "data.booking.total.amount"),
        ("data/booking/total/amount", True, "data.booking.total.amount"),
        ("data/booking/total/amount", 2**53, "data.booking.total.amount"),
        ("data/booking/total/currency", "eur", "data.booking.total.currency"),
        ("data/booking/total/currency", "EURO", "data.booking.total.currency"),
        ("data/booking/total/currency", ABSENT, "data.booking.total.currency"),
        ("data/booking/time_zone", "Europe/Atlantis", "data.booking.time_zone"),
        ("data/booking/time_zone", "Europe", "data.booking.time_zone"),  # a folder of zones
        ("data/booking/time_zone", "../zoneinfo/Europe/Berlin", "data.booking.time_zone"),
        ("data/booking/time_zone", "/etc/localtime", "data.booking.time_zone"),
        ("data/booking/time_zone", "+02:00", "data.booking.time_zone"),
        ("data/booking/time_zone", "", "data.booking.time_zone"),
    ],
)
async def test_a_broken_booking_is_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(booking_confirmed(), path, value), field)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data/party_id", ABSENT, "data.party_id"),
        ("data/booking_id", "b 1", "data.booking_id"),
        ("data/payment/id", ABSENT, "data.payment.id"),
        ("data/payment/amount", -1, "data.payment.amount"),
        ("data/payment/amount", 0.5, "data.payment.amount"),
        ("data/payment/currency", "euro", "data.payment.currency"),
    ],
)
async def test_a_broken_payment_is_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(payment_received(), path, value), field)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("data/text", "", "data.text"),
        ("data/text", " \n\t ", "data.text"),
        ("data/text", "\u2060\ufeff", "data.text"),  # nothing to see
        ("data/text", "x" * (MAX_TEXT_LENGTH + 1), "data.text"),
        ("data/text", "a\r\nb", "data.text"),
        ("data/text", "a\x1b[31mb", "data.text"),  # a terminal's escape
        ("data/text", None, "data.text"),
        ("data/sender_id", ABSENT, "data.sender_id"),
        ("data/party_id", "../p", "data.party_id"),
        ("data/vendor_id", ["v"], "data.vendor_id"),
    ],
)
async def test_a_broken_message_is_refused(
    client: Client, intake: MemoryIntake, path: str, value: object, field: str
) -> None:
    await assert_refused(client, intake, changed(message_send(), path, value), field)


async def test_every_fault_is_named_at_once(client: Client, intake: MemoryIntake) -> None:
    event = changed(vendor_selected(), "time", "now")
    changed(event, "Loud", True)
    changed(event, "data/party/hosts/0/mxid", "anna")
    changed(event, "data/party/hosts/0/nick", "A")
    changed(event, "data/vendor", ABSENT)
    fields = ("Loud", "data.party.hosts[0].mxid", "data.party.hosts[0].nick", "data.vendor", "time")
    await assert_refused(client, intake, event, *fields)


async def test_an_answer_stays_small_whatever_is_wrong(client: Client, intake: MemoryIntake) -> None:
    event = vendor_selected()
    event["data"] |= {f"unknown{i}": i for i in range(20_000)} | {"x" * 100_000: 1}
    status, problem = await send(client, encode(event))
    assert (status, len(problem["errors"])) == (422, 100)
    assert len(json.dumps(problem)) < 50_000
    assert intake.stored == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", "x" * 255),
        ("source", "https://festipin.example/tenants/1?x=%20#y"),
        ("source", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"),
        ("source", "http://[2001:db8::1]:8080/a"),
        ("source", "a/b:c"),  # relative, a colon after the first segment
        ("time", "2027-05-01t10:00:00.123456789z"),  # lower case and nanoseconds
        ("time", None),  # null stands for an attribute left out
        ("datacontenttype", "application/vnd.festipin+json; charset=utf-8"),
        ("dataschema", "https://festipin.example/schema/1"),
        ("subject", "Größe"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("sequence", -(2**31)),
        ("sampled", True),
        ("partitionkey", None),
        ("data/party/id", "A.b_c~d-" + "9" * 120),
        ("data/party/title", "x" * 200),
        ("data/party/hosts", [{"id": f"u{i}", "name": "x"} for i in range(20)]),
        ("data/party/hosts/0/name", "👩‍👩‍👧 de la Cruz-Müller ‏עברית"),
        ("data/party/hosts/0/mxid", "@anna:localhost:8448"),
        ("data/party/hosts/0/mxid", "@_Old=User!/:[::1]:8448"),  # historical localparts
        ("data/party/hosts/0/mxid", None),
    ],
)
async def test_the_far_ends_of_the_format_are_accepted(
    client: Client, intake: MemoryIntake, path: str, value: object
) -> None:
    status, answer = await send(client, encode(changed(vendor_selected(), path, value)))
    assert status == 202, answer
    assert len(intake.stored) == 1


async def test_the_longest_text_and_a_booking_of_no_length_are_accepted(client: Client) -> None:
    assert (await send(client, encode(message_send("ä" * MAX_TEXT_LENGTH))))[0] == 202
    booking = changed(booking_confirmed(), "data/booking/ends_at", "2027-06-12T16:00:00Z")
    changed(booking, "data/booking/total/amount", 0)
    assert (await send(client, encode(booking | {"id": "evt-2"})))[0] == 202
