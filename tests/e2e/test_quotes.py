"""Quotes between real clients: written by the vendor, tapped and confirmed by the host, revised, and expired."""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from appservice.embedded.timeline import Entry
from appservice.polls import END, RESPONSE, START, poll_in, response_of
from bridge.config import Webhooks
from bridge.config.quotes import Quotes
from bridge.demo.stand import Stand
from bridge.web.fields import rfc3339
from tests.bridge.webhooks.receiver import receiving
from tests.clients.people import People
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITTEN = "!festimo quote Catering\n80 x Menu at 48.00\nEUR\nvalid 10 days"
OFFER: dict[str, Any] = {
    "title": "Catering",
    "items": [{"description": "Menu", "quantity": 80, "unit_price": 4_500}],
    "currency": "EUR",
}


class Bargaining(ChangingScene):
    async def begun(self) -> tuple[Client, Client]:
        """Anna hosts, Chef sells; both have accounts."""
        anna, chef = await self.people.person("Anna"), await self.people.person("Chef")
        host, vendor = await self.people.nio(anna), await self.people.nio(chef)
        await self.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
        return host, vendor

    async def quote(self, number: int) -> dict[str, Any]:
        page = await self.api("GET", f"{await self.path()}/quotes")
        return next(one for one in page["quotes"] if one["number"] == number)

    async def path(self) -> str:
        conversation = await self._conversation()
        assert conversation is not None
        return f"conversations/{conversation.conversation_id}"

    async def post(self, text: str, **more: str) -> None:
        """By REST."""
        await self.api("POST", f"{await self.path()}/messages", json={"text": text, **more})

    async def message(self, words: str) -> str:
        """The id of what was said with these words in it."""
        page = await self.api("GET", f"{await self.path()}/messages")
        return next(str(one["message_id"]) for one in page["messages"] if words in one["content"])

    async def becomes_quote(self, number: int, state: str, revision: int) -> None:
        async def look() -> bool | None:
            now = await self.quote(number)
            return True if (now["state"], now["revision"]) == (state, revision) else None

        await eventually(look)

    async def shown(self, client: Client, *words: str) -> Entry:
        """What Festimo says with these words in it."""
        return await self._festimos(client, lambda one: all(word in one.body for word in words))

    async def _festimos(self, client: Client, fits: Callable[[Entry], bool]) -> Entry:
        """The first of what Festimo has said that fits: encrypted, and without a warning."""

        def found() -> Entry | None:
            said = (one for one in client.timeline(self.room) if one.sender == self.bridge.names.bot)
            return next(filter(fits, said), None)

        await client.sync_until(lambda: found() is not None)
        entry = found()
        assert entry is not None
        assert (entry.encrypted, entry.warning) == (True, None)
        return entry

    async def tap(self, client: Client, entry: Entry, emoji: str) -> None:
        """On a reaction that Festimo has put there."""
        put = {"rel_type": "m.annotation", "event_id": entry.event_id, "key": emoji}

        def is_there() -> bool:
            return any(
                one.type == "m.reaction"
                and one.sender == self.bridge.names.bot
                and one.content["m.relates_to"] == put
                for one in client.timeline(self.room)
            )

        await client.sync_until(is_there)
        await client.send(self.room, "m.reaction", {"m.relates_to": put})

    async def poll(self, client: Client, words: str) -> Entry:
        """Festimo's, with these words in its question."""
        return await self._festimos(
            client, lambda one: one.type == START and words in one.content[START]["question"]["body"]
        )

    async def vote(self, client: Client, poll: Entry, text: str) -> None:
        """For the answer with this text. Spec: MSC3381."""
        asked = poll_in(poll.content)
        assert asked is not None
        answer = next(one.answer_id for one in asked.answers if one.text == text)
        await client.send(self.room, RESPONSE, response_of(asked, [answer], of=poll.event_id))


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[Bargaining]:
    async with People(ground.synapse, tmp_path) as people:
        bargaining = Bargaining(ground, people)
        async with bargaining.running():
            yield bargaining


@pytest_asyncio.fixture(loop_scope="module")
async def people_of_polls(ground: Stand, tmp_path: Path) -> AsyncIterator[People]:
    async with People(ground.synapse, tmp_path) as people:
        yield people


async def test_a_quote_is_tapped_repeated_and_confirmed(scene: Bargaining) -> None:
    host, vendor = await scene.begun()
    await vendor.send_text(scene.room, WRITTEN)
    quote = await scene.shown(host, "Quote 1: Catering", "Total: EUR 3,840.00")
    assert quote.content["msgtype"] == "m.text"
    await scene.tap(vendor, quote, "✅")  # the vendor's own means nothing
    await scene.tap(host, quote, "✅")
    question = await scene.shown(host, "revision 1 (“Catering”), at a total of EUR 3,840.00", "only then")
    assert question.body.startswith("Anna,")
    await scene.becomes_quote(1, "asked", 1)
    await scene.tap(vendor, question, "✅")
    await scene.tap(host, question, "✅")
    await scene.shown(vendor, "Anna has accepted quote 1, revision 1", "EUR 3,840.00")
    await scene.becomes_quote(1, "accepted", 1)
    accepted = await scene.quote(1)
    assert (accepted["total"], accepted["currency"]) == (384_000, "EUR")
    assert accepted["revisions"][0]["answered_by"] == f"Anna-{scene.party_id}"

    asked = [one for one in host.timeline(scene.room) if "it counts only then" in one.body]
    assert len(asked) == 1
    path = f"v3/rooms/{scene.room}/messages?dir=b&limit=100"
    _, room = await scene.call("GET", path, host.access_token)
    state = (await scene.call("GET", f"v3/rooms/{scene.room}/state", host.access_token))[1]
    # Words that no ciphertext holds by chance.
    for word in ("3,840", "48.00", "Catering"):
        assert word not in json.dumps([room["chunk"], state])


async def test_a_revised_one_is_another_question_and_one_that_is_over_is_none(scene: Bargaining) -> None:
    host, vendor = await scene.begun()
    await vendor.send_text(scene.room, "!festimo quote Catering\n80 Menus at 48.00")
    await scene.shown(vendor, "Nothing was sent.", "write an x")
    await vendor.send_text(scene.room, WRITTEN)
    first = await scene.shown(host, "Quote 1: Catering")
    await scene.tap(host, first, "✅")
    question = await scene.shown(host, "it counts only then")

    await vendor.send_text(scene.room, "!festimo quote revise\n80 x Menu at 90.00")
    second = await scene.shown(host, "Quote 1, revision 2: Catering", "Total: EUR 7,200.00")
    await scene.tap(host, question, "✅")
    await scene.shown(host, "was replaced by revision 2")
    await scene.becomes_quote(1, "sent", 2)
    reply = {"msgtype": "m.text", "body": "Decline", "m.relates_to": _to(second)}
    await host.send(scene.room, "m.room.message", reply)
    await scene.shown(vendor, "Anna has declined quote 1, revision 2")
    await scene.becomes_quote(1, "declined", 2)

    soon = rfc3339(scene.clock.now() + 2_000)
    offered = OFFER | {"sender_id": scene.chef["id"], "valid_until": soon}
    await scene.api("POST", f"{await scene.path()}/quotes", json=offered)
    over = await scene.shown(host, "Quote 2: Catering")
    await scene.shown(host, "Quote 2 (“Catering”) has expired.")
    await scene.tap(host, over, "✅")
    await scene.shown(host, "Anna: Quote 2 has expired")
    await scene.becomes_quote(2, "expired", 1)
    dead = await scene.bridge.database.fetch(
        "SELECT id FROM inbox WHERE state = 'dead' UNION ALL SELECT id FROM outbox WHERE state = 'dead'"
    )
    assert dead == []


async def test_people_without_clients_write_and_answer_it_in_words_by_the_api(scene: Bargaining) -> None:
    """Gina sells and Ben hosts, both by API; Anna's client shows all of it, in its order."""
    anna = await scene.people.person("Anna")
    host = await scene.people.nio(anna)
    await scene.open(host, hosts={"Anna": anna, "Ben": None})
    ben = f"Ben-{scene.party_id}"
    await scene.post(WRITTEN, sender_id=scene.chef["id"])
    await scene.shown(host, "Quote 1: Catering", "Total: EUR 3,840.00")
    shown = (await scene.quote(1))["revisions"][0]["message_id"]
    await scene.post("Accept", sender_id=ben, reply_to=shown)
    await scene.shown(host, "Ben, you want to accept", "it counts only then")
    asked = await scene.message("Ben, you want to accept")
    await scene.post("confirm", sender_id=ben, reply_to=asked)
    await scene.shown(host, "Ben has accepted quote 1, revision 1", "EUR 3,840.00")
    await scene.becomes_quote(1, "accepted", 1)
    await scene.post("!festimo status", sender_id=ben)
    await scene.shown(host, "People: Anna (host), Ben (host), Sweet Bites (vendor)")
    heads = ["!festimo quote", "Quote 1", "Accept", "Ben, you", "confirm", "Ben has", "!festimo status"]
    bodies = [one.body for one in host.timeline(scene.room)]
    found = [
        next(head for head in heads if body.startswith(head)) for body in bodies if body.startswith((*heads,))
    ]
    assert found == heads


async def test_a_quote_asked_in_a_poll_is_accepted_by_votes(ground: Stand, people_of_polls: People) -> None:
    """Both steps are polls, the host's client is matrix-nio, and the platform hears of it by a webhook."""
    settings = {
        "quotes": Quotes(ask="poll"),
        "webhooks": Webhooks(allow_http=True, allowed_networks=("127.0.0.0/8",)),
    }
    asking = dataclasses.replace(ground, config=ground.config.model_copy(update=settings))
    scene = Bargaining(asking, people_of_polls)
    async with receiving() as platform, scene.running():
        made = await scene.api(
            "POST", "webhooks", json={"url": platform.url(), "events": ["quote.sent", "quote.accepted"]}
        )
        platform.secrets = [made["secret"]]
        host, vendor = await scene.begun()
        await vendor.send_text(scene.room, WRITTEN)
        await scene.shown(host, "Quote 1: Catering", "Total: EUR 3,840.00", "votes in the poll below")
        poll = await scene.poll(host, "Quote 1: Catering, at a total of EUR 3,840.00.")
        await scene.vote(vendor, poll, "Accept")  # the vendor's own means nothing
        await scene.vote(host, poll, "Accept")
        question = await scene.poll(host, "revision 1 (“Catering”), at a total of EUR 3,840.00")
        assert (await scene.quote(1))["state"] == "asked"
        await scene.vote(vendor, question, "Yes, I accept")
        await scene.vote(host, question, "Yes, I accept")
        await scene.shown(vendor, "Anna has accepted quote 1, revision 1", "EUR 3,840.00")
        await platform.until(2)
        assert platform.types == ["quote.sent", "quote.accepted"]
        accepted = await scene.quote(1)
        assert {body["data"]["quote_id"] for body in platform.took} == {accepted["quote_id"]}
        assert "384000" not in json.dumps(platform.took)
        assert accepted["revisions"][0]["answered_by"] == f"Anna-{scene.party_id}"

        def closed() -> set[str]:
            return {
                one.content["m.relates_to"]["event_id"]
                for one in host.timeline(scene.room)
                if (one.type, one.sender) == (END, scene.bridge.names.bot)
            }

        await host.sync_until(lambda: closed() == {poll.event_id, question.event_id})
        asked = [one for one in host.timeline(scene.room) if one.type == START]
        assert len(asked) == 2
        path = f"v3/rooms/{scene.room}/messages?dir=b&limit=100"
        _, room = await scene.call("GET", path, host.access_token)
        for word in ("3,840", "Catering", "Accept"):
            assert word not in json.dumps(room["chunk"])


def _to(entry: Entry) -> dict[str, Any]:
    return {"m.in_reply_to": {"event_id": entry.event_id}}
