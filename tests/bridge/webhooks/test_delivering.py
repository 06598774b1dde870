"""To a real HTTP server, which verifies with the reference library."""

import asyncio
import itertools
import json
from collections.abc import Iterator

import pytest

from bridge.storage.database import Database
from bridge.webhooks import rules
from bridge.webhooks.courier import Courier
from bridge.webhooks.delivering import AT_ONCE, DOWN_AFTER
from bridge.webhooks.errors import StillWaiting, UrlRefused, WebhookDisabled
from tests.bridge.webhooks.names import PUBLIC, names
from tests.bridge.webhooks.post import LOOPBACK, TENANT, Post, said
from tests.bridge.webhooks.receiver import CANARY, Receiver


async def test_what_happened_arrives_signed_and_in_order(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.secrets = [endpoint.secrets.current]
    await post.happens(said("m1"), said("m2"), said("n1", "c2"))
    await post.plan()
    assert await post.send(endpoint) == 3
    first, other, second = receiver.took
    assert [body["data"] for body in (first, second, other)] == [
        {"message_id": "m1", "conversation_id": "c1"},
        {"message_id": "m2", "conversation_id": "c1"},
        {"message_id": "n1", "conversation_id": "c2"},
    ]
    assert (first["type"], first["tenant_id"]) == ("message.sent", TENANT)
    assert [first["sequence"], second["sequence"], other["sequence"]] == [1, 2, 1]
    assert receiver.headers[0]["content-type"] == "application/json"
    rows = await post.kept(endpoint)
    assert [one.state for one in rows] == ["done"] * 3
    assert [[made.status for made in one.history] for one in rows] == [[204]] * 3
    assert await post.send(endpoint) == 0


async def test_what_fails_is_tried_on_the_schedule_and_then_kept_as_dead(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.make(receiver.url())
    receiver.refuses = lambda body: 500 if body["data"]["message_id"] == "m1" else None
    began = post.clock.now()
    await post.happens(said("m1"), said("m2"), said("n1", "c2"))
    await post.plan()
    tried = []
    for delay in (0, *rules.SCHEDULE):
        post.clock.advance(delay)
        assert [one.happened.about["message_id"] for one in await post.deliverer.due(endpoint)][:1] == ["m1"]
        await post.send(endpoint)
        tried.append(post.clock.now() - began)
    (dead, later, other) = await post.kept(endpoint)
    assert [made.at - began for made in dead.history] == tried
    assert {made.status for made in dead.history} == {500}
    assert (dead.state, dead.attempts, later.state, other.state) == ("dead", 10, "done", "done")
    assert [body["data"]["message_id"] for body in receiver.took] == ["n1", "m2"]


async def test_no_redirect_is_followed(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [302]
    await post.happens(said("m1"))
    await post.plan()
    await post.send(endpoint)
    assert receiver.took == []
    (one,) = await post.kept(endpoint)
    assert (one.state, one.history[0].status) == ("next", 302)


async def test_one_that_asks_for_time_is_given_it(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [429]
    await post.happens(said("m1"))
    await post.plan()
    await post.send(endpoint)
    (one,) = await post.kept(endpoint)
    assert one.not_before == post.clock.now() + rules.MINUTE


async def test_gone_disables_it_and_what_waited_comes_once_it_is_wanted_again(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [410]
    await post.happens(said("m1"), said("m2"))
    await post.plan()
    await post.send(endpoint)
    now = await post.now(endpoint)
    assert (now.disabled, now.disabled_at) == ("gone", post.clock.now())
    assert await post.send(endpoint) == 0
    async with post.database.transaction() as tx:
        await post.webhooks.switch(tx, TENANT, endpoint.endpoint_id, enabled=True)
    await post.send(endpoint)
    assert [body["data"]["message_id"] for body in receiver.took] == ["m1", "m2"]


async def test_what_took_nothing_for_days_is_disabled(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.refuses = lambda body: 503
    async with post.database.transaction() as tx:
        await post.webhooks.test(tx, TENANT, endpoint.endpoint_id)
    await post.happens(said("m1"))
    await post.plan()
    for delay in (0, *rules.SCHEDULE[:-1]):
        post.clock.advance(delay)
        await post.send(endpoint)
    post.clock.advance(rules.FAILING_FOR)
    async with post.database.transaction() as tx:
        test = await post.webhooks.test(tx, TENANT, endpoint.endpoint_id)
    present = await post.now(endpoint)
    await post.deliverer.attempt(present, test)  # in vain, which tells nothing of the days before
    assert (await post.now(endpoint)).disabled is None
    await post.send(endpoint)
    assert (await post.now(endpoint)).disabled == "failing"


async def test_both_secrets_sign_while_they_are_rotated(post: Post, receiver: Receiver) -> None:
    old = await post.make(receiver.url())
    async with post.database.transaction() as tx:
        new = await post.webhooks.rotate(tx, TENANT, old.endpoint_id, overlap=rules.MINUTE)
    receiver.secrets = [old.secrets.current, new.secrets.current]
    await post.happens(said("m1"), said("m2"))
    await post.plan()
    present = await post.now(old)
    (one,) = await post.deliverer.due(present)
    await post.deliverer.attempt(present, one)
    assert len(receiver.took) == 1
    post.clock.advance(rules.MINUTE)
    receiver.secrets = [new.secrets.current]
    await post.send(old)
    assert len(receiver.took) == 2
    assert " " in receiver.headers[0]["webhook-signature"]
    assert " " not in receiver.headers[1]["webhook-signature"]


async def test_a_secret_that_somebody_knows_signs_nothing_more(post: Post) -> None:
    old = await post.make("https://hooks.festipin.example/")
    async with post.database.transaction() as tx:
        new = await post.webhooks.rotate(tx, TENANT, old.endpoint_id, overlap=0)
    assert (await post.now(old)).secrets.at(post.clock.now()) == (new.secrets.current,)
    assert new.secrets.current != old.secrets.current


async def test_the_secret_and_the_url_are_sealed(post: Post, database: Database) -> None:
    endpoint = await post.make("https://hooks.festipin.example/?token=canary")
    rows = str([tuple(row) for row in await database.fetch("SELECT * FROM webhook_endpoints")])  # type: ignore[arg-type]
    assert endpoint.endpoint_id in rows
    assert "canary" not in rows
    assert endpoint.secrets.current.removeprefix("whsec_") not in rows


async def test_a_test_is_sent_once_past_whatever_waits(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url(), events=["message.sent"])
    receiver.refuses = lambda body: 500 if body["type"] == "message.sent" else None
    await post.happens(said("m1"))
    await post.plan()
    await post.send(endpoint)
    for answers, state in (([], "done"), ([500], "dead")):
        receiver.answers["/hook"] = answers
        async with post.database.transaction() as tx:
            test = await post.webhooks.test(tx, TENANT, endpoint.endpoint_id)
        await post.send(endpoint)
        test = await post.webhooks.delivery(
            post.database, TENANT, endpoint.endpoint_id, test.happened.event_id
        )
        assert (test.state, test.attempts) == (state, 1)
    assert receiver.types == ["webhook.test"]


async def test_dead_letters_are_replayed_with_their_ids_and_in_their_order(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.make(receiver.url())
    await post.happens(said("m1"), said("m2"), said("m3"))
    await post.plan()
    receiver.answers["/hook"] = [500, 500]
    post.clock.advance(rules.LONGEST)
    await post.send(endpoint)
    assert [one.state for one in await post.kept(endpoint)] == ["dead", "dead", "done"]
    async with post.database.transaction() as tx:
        assert await post.webhooks.replay_dead(tx, TENANT, endpoint.endpoint_id) == (2, None)
    receiver.answers["/hook"] = [500]
    await post.send(endpoint)
    post.clock.advance(rules.SCHEDULE[0])
    await post.send(endpoint)
    assert [body["data"]["message_id"] for body in receiver.took] == ["m3", "m1", "m2"]
    ids = [one.happened.event_id for one in await post.kept(endpoint)]
    assert [body["id"] for body in receiver.took] == [ids[2], ids[0], ids[1]]


async def test_what_was_delivered_is_delivered_again_where_that_is_asked_for(
    post: Post, receiver: Receiver
) -> None:
    endpoint = await post.make(receiver.url())
    await post.happens(said("m1"))
    await post.plan()
    await post.send(endpoint)
    (one,) = await post.kept(endpoint)
    event_id = one.happened.event_id
    async with post.database.transaction() as tx:
        await post.webhooks.replay(tx, TENANT, endpoint.endpoint_id, event_id)
    async with post.database.transaction() as tx:
        with pytest.raises(StillWaiting):
            await post.webhooks.replay(tx, TENANT, endpoint.endpoint_id, event_id)
    await post.send(endpoint)
    assert [body["id"] for body in receiver.took] == [event_id, event_id]
    (one,) = await post.kept(endpoint)
    assert [made.status for made in one.history] == [204, 204]
    async with post.database.transaction() as tx:
        await post.webhooks.switch(tx, TENANT, endpoint.endpoint_id, enabled=False)
        with pytest.raises(WebhookDisabled):
            await post.webhooks.replay(tx, TENANT, endpoint.endpoint_id, event_id)


async def test_replaying_hurries_what_waits_for_its_time(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [500, 500]
    await post.happens(said("m1"))
    await post.plan()
    await post.send(endpoint)
    post.clock.advance(rules.SCHEDULE[0])
    await post.send(endpoint)
    assert await post.send(endpoint) == 0
    async with post.database.transaction() as tx:
        assert await post.webhooks.replay_dead(tx, TENANT, endpoint.endpoint_id) == (0, None)
    assert await post.send(endpoint) == 1
    assert receiver.types == ["message.sent"]


async def test_of_an_answer_only_the_status_is_kept(
    post: Post, receiver: Receiver, database: Database
) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [500, 200]
    await post.happens(said("m1"), said("n1", "c2"))
    await post.plan()
    await post.send(endpoint)
    rows = await database.fetch("SELECT * FROM webhook_deliveries")
    stored = str([tuple(row) for row in rows])  # type: ignore[arg-type]
    assert "500" in stored
    assert CANARY not in stored


async def test_nothing_is_sent_to_an_address_that_is_not_public(post: Post, receiver: Receiver) -> None:
    async with Courier(names=names()) as courier:
        for host in ("127.0.0.1", "inside.festipin.example"):
            answer = await courier.carry(f"http://{host}:{receiver.port}/hook", body="{}", headers={})
            assert (answer.status, answer.failure) == (None, "its address is not public")
            with pytest.raises(UrlRefused, match="not public"):
                await courier.check(host)
        with pytest.raises(UrlRefused, match="not found"):
            await courier.check("nowhere.festipin.example")
        await courier.check("hooks.festipin.example")
        answer = await courier.carry("http://nowhere.festipin.example/", body="{}", headers={})
        assert answer.failure == "its name is not found"
    assert receiver.took == []


async def test_a_name_that_means_another_address_by_now_opens_nothing(receiver: Receiver) -> None:
    """Public where it was checked, this machine where it is connected to."""
    meanings: Iterator[list[str]] = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
    async with Courier(names=names({"sly.example": meanings})) as courier:
        await courier.check("sly.example")
        answer = await courier.carry(f"http://sly.example:{receiver.port}/hook", body="{}", headers={})
    assert (answer.status, answer.failure) == (None, "its address is not public")
    async with Courier(allowed=LOOPBACK, names=names({"known.example": ["127.0.0.1"]})) as courier:
        await courier.carry(
            receiver.url("/").replace("127.0.0.1", "known.example"), body='{"type": 1}', headers={}
        )
        answer = await courier.carry(
            receiver.url("/a").replace("127.0.0.1", "known.example"), body="{}", headers={}
        )
    assert answer.status == 500  # it got there, and was not signed


async def test_who_does_not_answer_is_told_apart(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.webhooks.courier.TIMEOUT", 0.2)
    receiver.hold["/slow"] = asyncio.Event()
    body, headers = json.dumps({"type": "t", "id": "i"}), {"webhook-id": "i"}
    async with Courier(allowed=LOOPBACK, names=names()) as courier:
        slow = await courier.carry(receiver.url("/slow"), body=body, headers=headers)
        away = await courier.carry("http://127.0.0.1:9/", body=body, headers=headers)
        taken = await courier.carry(receiver.url(), body=body, headers=headers)
    assert (slow.status, slow.failure) == (None, "no answer within 0 s")
    assert (away.status, away.failure) == (None, "no connection")
    assert taken.status == 204


async def test_one_that_does_not_answer_holds_up_no_other(post: Post, receiver: Receiver) -> None:
    """Nor does one conversation of it hold up the others."""
    stuck, well = await post.make(receiver.url("/stuck")), await post.make(receiver.url("/well"))
    receiver.hold["/stuck"] = asyncio.Event()
    running = [asyncio.create_task(one) for one in (post.planner.run(), post.deliverer.run())]
    total = 3 * AT_ONCE
    try:
        await post.happens(*(said(f"m{number}", f"c{number}") for number in range(total)))
        await post.feed.order()
        await receiver.until(total)
        assert {one.state for one in await post.kept(stuck)} == {"next"}
        receiver.hold["/stuck"].set()
        await receiver.until(2 * total)
        for _ in range(1_000):
            await asyncio.sleep(0.01)
            if {one.state for one in await post.kept(well) + await post.kept(stuck)} == {"done"}:
                break
        assert {one.state for one in await post.kept(stuck)} == {"done"}
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_one_that_is_down_is_tried_with_one_at_a_time(post: Post, receiver: Receiver) -> None:
    endpoint = await post.make(receiver.url())
    receiver.answers["/hook"] = [500] * DOWN_AFTER
    await post.happens(*(said(f"m{number}", f"c{number}") for number in range(DOWN_AFTER + 1)))
    await post.plan()
    for one in (await post.deliverer.due(endpoint))[:DOWN_AFTER]:
        assert post.deliverer.at_once(endpoint.endpoint_id) == AT_ONCE
        await post.deliverer.attempt(endpoint, one)
    assert post.deliverer.at_once(endpoint.endpoint_id) == 1
    await post.send(endpoint)
    assert post.deliverer.at_once(endpoint.endpoint_id) == AT_ONCE
