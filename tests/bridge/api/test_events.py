"""What became of an event."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from bridge.core.ids import TenantId
from bridge.delivery.dispatcher import Dispatcher
from bridge.platform.intake import TOPIC
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.requests import EVENTS, event_sent
from tests.bridge.api.world import OURS, SECRETS, World
from tests.bridge.platform.sender import OTHER, event, message_send, vendor_selected
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
