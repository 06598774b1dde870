"""Webhooks by REST."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from bridge.webhooks.model import TEST, Attempt, EndpointId, Happened
from bridge.webhooks.payload import body_of, document, known_events
from bridge.webhooks.rules import MOST
from tests.bridge.api.client import DOCUMENT, Api
from tests.bridge.api.conftest import Sides
from tests.bridge.api.requests import messages_of, opened, said
from tests.bridge.api.world import OURS, World
from tests.databases import both_databases

PATH = "/api/v1/webhooks"
URL = "https://hooks.festipin.example/festimo"


async def made(api: Api, **more: object) -> tuple[str, str]:
    """Its id and its secret."""
    answer = await api.post(PATH, {"url": URL} | more)
    assert answer.status == 201, answer.json
    assert answer.headers["Location"] == f"{PATH}/{answer.json['webhook_id']}"
    return answer.json["webhook_id"], answer.json["secret"]


@both_databases
async def test_one_is_made_looked_at_changed_and_deleted(api: Api, world: World) -> None:
    webhook_id, secret = await made(api, events=["message.*", "vendor.replied"], description="CRM")
    one = f"{PATH}/{webhook_id}"
    seen = await api.get(one)
    assert (seen.json["url"], seen.json["events"], seen.json["description"], seen.json["enabled"]) == (
        URL,
        ["message.*", "vendor.replied"],
        "CRM",
        True,
    )
    listed = await api.get(PATH)
    assert listed.json == {"webhooks": [seen.json], "next_cursor": None}
    assert secret not in json.dumps([seen.json, listed.json])
    world.clock.advance(1_000)
    changed = await api.send("PUT", one, {"url": f"{URL}/2", "enabled": False})
    assert (changed.json["url"], changed.json["events"], changed.json["description"]) == (
        f"{URL}/2",
        None,
        None,
    )
    assert (changed.json["enabled"], changed.json["disabled_because"]) == (False, "by_request")
    enabled = await api.send("PUT", one, {"url": URL, "events": None})
    assert (enabled.json["enabled"], enabled.json["disabled_because"]) == (True, None)
    assert secret not in json.dumps([changed.json, enabled.json])
    assert (await api.request("DELETE", one)).json["webhook_id"] == webhook_id
    assert (await api.get(one)).problem == "not_found"
    assert (await api.get(PATH)).json["webhooks"] == []


async def test_a_secret_is_shown_when_it_is_made_and_is_rotated(api: Api, world: World) -> None:
    webhook_id, first = await made(api)
    rotated = await api.post(f"{PATH}/{webhook_id}/secret", {"overlap_hours": 1})
    second = rotated.json["secret"]
    assert first != second
    assert rotated.json["former_secret_until"] is not None
    endpoint = await world.webhooks.get(world.database, OURS, webhook_id)
    assert endpoint.secrets.at(world.clock.now()) == (second, first)
    at_once = await api.post(f"{PATH}/{webhook_id}/secret", {"overlap_hours": 0})
    assert at_once.json["former_secret_until"] is None
    assert (await api.post(f"{PATH}/{webhook_id}/secret", {"overlap_hours": 169})).status == 422


@pytest.mark.parametrize(
    ("body", "problem", "field"),
    [
        ({"url": "http://hooks.festipin.example/"}, "webhook_url_refused", "url"),  # not where it is allowed
        ({"url": "https://127.0.0.1/"}, "webhook_url_refused", "url"),
        ({"url": "https://2130706433/"}, "webhook_url_refused", "url"),  # another way to write it
        ({"url": "https://169.254.169.254/latest"}, "webhook_url_refused", "url"),
        ({"url": "https://[::1]/"}, "webhook_url_refused", "url"),
        ({"url": "https://inside.festipin.example/"}, "webhook_url_refused", "url"),  # stands for 10.0.0.7
        ({"url": "https://nowhere.example/"}, "webhook_url_refused", "url"),
        ({"url": "https://anna:pw@hooks.festipin.example/"}, "webhook_url_refused", "url"),
        ({"url": "https://[]@"}, "webhook_url_refused", "url"),  # brackets around no host at all
        ({"url": "gopher://hooks.festipin.example/"}, "invalid_input", "url"),
        ({"url": URL, "events": ["message.send"]}, "unknown_event", "events"),
        ({"url": URL, "events": []}, "invalid_input", "events"),
        ({"url": URL, "events": ["message.*"] * 51}, "invalid_input", "events"),
        ({"url": URL, "secret": "whsec_mine"}, "invalid_input", "secret"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_changed(
    api: Api, world: World, body: object, problem: str, field: str
) -> None:
    webhook_id, _ = await made(api)
    before = await world.contents()
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{webhook_id}")):
        answer = await api.send(method, path, body)
        assert (answer.status, answer.problem, answer.json["field"]) == (422, problem, field)
    assert await world.contents() == before


async def test_there_are_so_many_and_no_more_and_they_come_in_pages(api: Api, sides: Sides) -> None:
    ids = [(await made(api))[0] for _ in range(MOST)]
    assert (await api.post(PATH, {"url": URL})).problem == "too_many_webhooks"
    await made(sides.theirs)
    first = await api.get(PATH, limit=15)
    second = await api.get(PATH, limit=15, cursor=first.json["next_cursor"])
    listed = [one["webhook_id"] for page in (first, second) for one in page.json["webhooks"]]
    assert sorted(listed) == sorted(ids)
    assert second.json["next_cursor"] is None


async def test_made_twice_under_one_key_it_is_one(api: Api) -> None:
    first = await api.post(PATH, {"url": URL}, Idempotency_Key="once")
    again = await api.post(PATH, {"url": URL}, Idempotency_Key="once")
    assert first.json == again.json
    assert len((await api.get(PATH)).json["webhooks"]) == 1


@both_databases
async def test_deliveries_are_listed_with_their_attempts_and_replayed(api: Api, world: World) -> None:
    webhook_id, _ = await made(api)
    path, now = f"{PATH}/{webhook_id}", world.clock.now()
    happened = [
        Happened(
            event_id=f"e{number}",
            event="message.sent",
            lane="c1" if number < 3 else "c2",
            number=number,
            about={"message_id": f"m{number}"},
            occurred_at=now,
        )
        for number in (1, 2, 3)
    ]
    async with world.database.transaction() as tx:
        await world.deliveries.insert(tx, [(EndpointId(webhook_id), one) for one in happened], now=now)
        first = await world.webhooks.delivery(tx, OURS, webhook_id, "e1")
        failed = Attempt(at=now, status=None, failure="no connection", took=3)
        await world.deliveries.finish(tx, first, failed, dead=True, now=now)
        third = await world.webhooks.delivery(tx, OURS, webhook_id, "e3")
        taken = Attempt(at=now, status=204, failure=None, took=20)
        await world.deliveries.finish(tx, third, taken, dead=False, now=now)
    listed = await api.get(f"{path}/deliveries", limit=2)
    rest = await api.get(f"{path}/deliveries", limit=2, cursor=listed.json["next_cursor"])
    found = [*listed.json["deliveries"], *rest.json["deliveries"]]
    assert [(one["delivery_id"], one["state"]) for one in found] == [
        ("e3", "delivered"),
        ("e2", "waiting"),
        ("e1", "dead"),
    ]
    for state, ids in (("dead", ["e1"]), ("waiting", ["e2"]), ("delivered", ["e3"])):
        of_state = (await api.get(f"{path}/deliveries", state=state)).json["deliveries"]
        assert [one["delivery_id"] for one in of_state] == ids
    dead = await api.get(f"{path}/deliveries/e1")
    assert [(one["status"], one["failure"]) for one in dead.json["attempts"]] == [(None, "no connection")]
    assert (await api.request("POST", f"{path}/deliveries/e2/replay")).problem == "still_waiting"
    assert (await api.request("POST", f"{path}/deliveries/e3/replay")).json["state"] == "waiting"
    assert (await api.post(f"{path}/replay", {})).json == {"replayed": 1, "next_cursor": None}
    assert (await api.get(f"{path}/deliveries/e1")).json["state"] == "waiting"
    assert (await api.get(f"{path}/deliveries/e4")).problem == "not_found"


async def test_a_test_is_sent_to_one_that_is_enabled(api: Api, world: World) -> None:
    webhook_id, _ = await made(api)
    tested = await api.request("POST", f"{PATH}/{webhook_id}/test")
    assert (tested.status, tested.json["type"], tested.json["state"]) == (201, TEST, "waiting")
    assert (await api.get(tested.headers["Location"])).json == tested.json
    await api.send("PUT", f"{PATH}/{webhook_id}", {"url": URL, "enabled": False})
    before = await world.contents()
    for action in ("test", f"deliveries/{tested.json['delivery_id']}/replay"):
        refused = await api.request("POST", f"{PATH}/{webhook_id}/{action}")
        assert (refused.status, refused.problem) == (409, "webhook_disabled")
    assert (await api.post(f"{PATH}/{webhook_id}/replay", {})).problem == "webhook_disabled"
    assert await world.contents() == before


async def test_another_tenants_delivery_is_not_there(sides: Sides) -> None:
    ours, _ = await made(sides.ours)
    theirs, _ = await made(sides.theirs)
    tested = await sides.ours.request("POST", f"{PATH}/{ours}/test")
    for webhook_id in (ours, theirs):
        path = f"{PATH}/{webhook_id}/deliveries/{tested.json['delivery_id']}"
        assert (await sides.theirs.get(path)).problem == "not_found"
        assert (await sides.theirs.request("POST", f"{path}/replay")).problem == "not_found"


def test_the_document_of_what_we_send_is_openapi_and_what_we_send_is_as_it_says() -> None:
    OPENAPI_31_VALIDATOR.validate(DOCUMENT)
    assert not OPENAPI_31_VALIDATOR.is_valid(
        DOCUMENT | {"webhooks": {"message.sent": {"post": {"summary": 1}}}}
    )
    assert DOCUMENT["webhooks"].keys() == {*known_events(), TEST}
    for event, ids in {**known_events(), TEST: frozenset[str]()}.items():
        content = document()[event]["post"]["requestBody"]["content"]
        schema = Draft202012Validator(content["application/json"]["schema"])
        about = {name: "x" for name in ids if name != "conversation_id"}
        lane = "c1" if "conversation_id" in ids else "vendor/t/v"
        sent = json.loads(
            body_of(
                OURS,
                Happened(event_id="e", event=event, lane=lane, number=1, about=about, occurred_at=0),
            )
        )
        schema.validate(sent)
        assert not schema.is_valid(sent | {"type": "another"})
        if ids:
            assert not schema.is_valid(sent | {"data": {}})


def test_the_page_names_every_event() -> None:
    page = (Path(__file__).parents[3] / "docs/webhooks.md").read_text()
    assert [event for event in (*known_events(), TEST) if f"`{event}`" not in page] == []


async def test_what_a_vendor_answers_is_told_as_an_answer(api: Api, world: World) -> None:
    conversation = await opened(api)
    await said(api, conversation, "Do you cook vegan?")
    for text in ("With pleasure.", "For 80."):
        await api.post(messages_of(conversation), {"sender_id": "v-1", "text": text})
    await world.feed.order()
    rows = await world.database.fetch("SELECT event FROM feed WHERE seq IS NOT NULL ORDER BY seq")
    told = [row["event"] for row in rows if row["event"] in ("message.sent", "vendor.replied")]
    assert told == ["message.sent", "message.sent", "vendor.replied", "message.sent"]
