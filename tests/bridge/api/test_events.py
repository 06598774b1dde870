"""What became of an event."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from bridge.core.ids import TenantId
from bridge.delivery.dispatcher import Dispatcher
from bridge.platform import intake
from bridge.platform.events.parties import VendorSelected
from bridge.platform.intake import TOPIC
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.requests import EVENTS, event_sent
from tests.bridge.api.world import OURS, SECRETS, World
from tests.bridge.platform.sender import (
    OTHER,
    encode,
    event,
    message_send,
    user_deleted,
    vendor_selected,
    vendor_status,
    vendor_updated,
)
from tests.databases import both_databases

RECEIVED = "2027-01-15T08:00:00.000Z"


async def state(api: Api, event_id: str = "evt-1", source: str = "/festipin") -> Answer:
    return await api.get(f"{EVENTS}/{event_id}", source=source)


async def work_off(world: World) -> None:
    """Apply what is in the inbox, 250 ms later."""
    world.clock.advance(250)
    dispatcher = Dispatcher(world.database, world.inbox, {TOPIC: world.platform.apply}, world.clock)
    running = asyncio.create_task(dispatcher.run())
    while await world.database.fetch("SELECT 1 FROM inbox WHERE state = 'waiting'"):
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])


@both_databases
async def test_an_event_is_accepted_then_applied(api: Api, world: World) -> None:
    assert (await event_sent(api, SECRETS[OURS])).json["status"] == "accepted"
    accepted = await state(api)
    assert accepted.json == {
        "id": "evt-1",
        "source": "/festipin",
        "type": "vendor.selected",
        "status": "accepted",
        "failure": None,
        "received_at": RECEIVED,
        "finished_at": None,
    }
    await work_off(world)
    applied = (await state(api)).json
    assert applied == accepted.json | {"status": "applied", "finished_at": "2027-01-15T08:00:00.250Z"}


async def test_an_event_that_cannot_be_applied_says_why(api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS], message_send())  # nobody has opened that conversation
    await work_off(world)
    failed = (await state(api)).json
    assert failed["status"] == "failed"
    assert failed["failure"].startswith(
        "conversation_missing: Party p-1 and vendor v-1 have no conversation."
    )


async def test_an_unknown_type_is_kept_and_stays_so(api: Api, world: World) -> None:
    sent = await event_sent(api, SECRETS[OURS], event("party.postponed", {"days": 5}))
    assert sent.json["status"] == "kept_unknown_type"
    assert (await state(api)).json["status"] == "kept_unknown_type"
    await work_off(world)
    kept = (await state(api)).json
    assert (kept["status"], kept["failure"]) == ("kept_unknown_type", None)


async def test_the_same_event_again_changes_nothing(api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS])
    before = await state(api)
    world.clock.advance(1_000)
    assert (await event_sent(api, SECRETS[OURS])).json["duplicate"] is True
    other = await event_sent(api, SECRETS[OURS], message_send())
    assert (other.status, other.problem) == (409, "event_id_reused")
    assert (await state(api)).json == before.json


@pytest.mark.parametrize("event_id", ["a/b", "a%2Fb", "é 🎉", "{x}", "a?b#c", "%", "..x", "+"])
async def test_any_id_can_be_asked_for(api: Api, event_id: str) -> None:
    await event_sent(api, SECRETS[OURS], vendor_selected() | {"id": event_id})
    async with api.http.get(
        URL(f"{EVENTS}/{quote(event_id, safe='')}?source=/festipin", encoded=True),
        headers={"Authorization": f"Bearer {api.key}"},
    ) as response:
        document: dict[str, Any] = await response.json()
    assert (response.status, document["id"]) == (200, event_id)


@both_databases
async def test_sources_number_their_events_apart(api: Api) -> None:
    await event_sent(api, SECRETS[OURS])
    await event_sent(api, SECRETS[OURS], message_send() | {"source": "urn:another"})
    assert (await state(api)).json["type"] == "vendor.selected"
    assert (await state(api, source="urn:another")).json["type"] == "message.send"
    assert (await state(api, source="urn:third")).problem == "not_found"


@pytest.mark.parametrize(
    ("query", "field"),
    [({}, "source"), ({"source": "two words"}, "source"), ({"source": "/festipin", "limit": "1"}, "limit")],
)
async def test_an_event_is_named_by_its_source_too(api: Api, query: dict[str, str], field: str) -> None:
    answer = await api.get(f"{EVENTS}/evt-1", **query)
    assert (answer.status, answer.fields) == (422, [field])


async def test_nobody_elses_signature_makes_an_event_of_ours(api: Api, world: World) -> None:
    await event_sent(api, OTHER)
    assert (await state(api)).status == 404
    owners = await world.database.fetch("SELECT tenant_id FROM platform_events")
    assert [TenantId(row["tenant_id"]) for row in owners] == ["other"]


async def listed(api: Api, **query: str) -> list[str]:
    """Ids, from all pages."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get(EVENTS, limit="2", **query, **cursor)
        assert page.status == 200, page.json
        ids += [one["id"] for one in page.json["events"]]
        if page.json["next_cursor"] is None:
            return ids
        cursor = {"cursor": page.json["next_cursor"]}


@both_databases
async def test_events_are_listed_by_what_became_of_them(api: Api, world: World) -> None:
    sent = [
        vendor_selected() | {"id": "opened"},
        message_send() | {"id": "said"},
        event("party.postponed", None, id="postponed"),
        message_send() | {"id": "lost", "data": message_send()["data"] | {"party_id": "p-9"}},
    ]
    for one in sent:
        await event_sent(api, SECRETS[OURS], one)
        world.clock.advance(1)
    await event_sent(api, OTHER, vendor_selected() | {"id": "theirs"})
    assert await listed(api, status="accepted") == ["lost", "said", "opened"]
    await work_off(world)
    assert await listed(api) == ["lost", "postponed", "said", "opened"]
    assert await listed(api, status="applied") == ["said", "opened"]
    assert await listed(api, status="failed") == ["lost"]
    assert await listed(api, status="kept_unknown_type") == ["postponed"]
    assert await listed(api, type="message.send") == ["lost", "said"]
    assert await listed(api, type="message.send", status="applied") == ["said"]


async def replay(api: Api, event_id: str = "evt-1") -> Answer:
    return await api.request("POST", f"{EVENTS}/{event_id}/replay", params={"source": "/festipin"})


async def test_what_failed_is_applied_once_its_reason_is_gone(api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS], message_send())
    await work_off(world)
    assert (await state(api)).json["status"] == "failed"
    await event_sent(api, SECRETS[OURS], vendor_selected() | {"id": "evt-2"})
    await work_off(world)
    waiting = await replay(api)
    assert (waiting.json["status"], waiting.json["failure"]) == ("accepted", None)
    assert (await replay(api)).json == waiting.json, "who waits already stays as they are"
    await work_off(world)
    assert (await state(api)).json["status"] == "applied"
    again = await replay(api)
    assert (again.status, again.problem) == (409, "already_done")
    assert await world.database.fetch_value("SELECT COUNT(*) FROM messages") == 1


async def test_nobody_replays_what_nobody_understands(api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS], event("party.postponed", None))
    await work_off(world)
    before = await world.contents()
    answer = await replay(api)
    assert (answer.status, answer.problem) == (409, "cannot_be_replayed")
    assert await world.contents() == before
    assert (await replay(api, "evt-9")).problem == "not_found"


@both_databases
async def test_what_a_former_version_did_not_know_is_applied_in_its_place(
    api: Api, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as former:
        former.setattr(intake, "KNOWN_TYPES", frozenset())
        former.setattr(VendorSelected, "lane", lambda *_: "platform:festipin:unknown")
        await event_sent(api, SECRETS[OURS])
    item = await world.inbox.head("platform:festipin:unknown")
    assert item is not None
    async with world.database.transaction() as tx:
        await world.inbox.bury(tx, item, failure="unknown event type vendor.selected")
    assert (await state(api)).json["status"] == "kept_unknown_type"
    assert (await replay(api)).json["status"] == "accepted"
    assert await world.inbox.lanes() == ["party:festipin:p-1"]
    await work_off(world)
    assert (await state(api)).json["status"] == "applied"


@both_databases
async def test_an_event_that_is_written_otherwise_is_the_same_event(api: Api, world: World) -> None:
    await event_sent(api, SECRETS[OURS])
    turned = dict(reversed(vendor_selected().items()))
    assert (await event_sent(api, SECRETS[OURS], turned)).json["duplicate"] is True
    # One from before that: its body alone tells what it is.
    async with world.database.transaction() as tx:
        former = world.sealer.fingerprint(encode(vendor_selected()))
        await tx.execute("UPDATE inbox SET body_hash = $1", former)
    assert (await event_sent(api, SECRETS[OURS])).json["duplicate"] is True
    assert (await event_sent(api, SECRETS[OURS], message_send())).problem == "event_id_reused"


async def test_an_event_that_was_to_change_nothing_says_why(api: Api, world: World) -> None:
    newer = vendor_updated(business_name="Sweet Bites") | {"id": "newer"}
    older = vendor_updated(business_name="Sour Bites") | {"id": "older", "time": "2027-04-30T10:00:00Z"}
    gone = [user_deleted("v-1") | {"id": "gone"}, vendor_status("away") | {"id": "after"}]
    for one in (newer, older, *gone):
        await event_sent(api, SECRETS[OURS], one)
        await work_off(world)
    assert await listed(api, status="without_effect") == ["after", "older"]
    assert (await state(api, "after")).json["failure"] == "v-1 asked to be erased"
    assert "something newer" in (await state(api, "older")).json["failure"]
    assert (await replay(api, "older")).problem == "already_done"
    assert (await api.get("/api/v1/vendors/v-1")).json["business_name"] == "Sweet Bites"
