"""What the API finds and repeats of what is said in a client, and what the platform tells of leads and reviews."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.embedded.client import Client
from bridge.demo.stand import Stand
from tests.clients.people import People
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually, party

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TwoSided(ChangingScene):
    """Anna in her client, and the API."""

    anna: Client

    async def begun(self) -> "TwoSided":
        account = await self.people.person("Anna")
        self.anna = await self.people.nio(account)
        await self.open(self.anna, hosts={"Anna": account})
        return self

    @property
    def anna_id(self) -> str:
        return f"Anna-{self.party_id}"

    async def conversation(self) -> str:
        found = await self.api("GET", f"parties/{self.party_id}/conversations")
        (one,) = found["conversations"]
        return str(one["conversation_id"])

    async def shows(self, path: str, **wanted: Any) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            url = f"{self.ground.config.appservice.url}/api/v1/{path}"
            headers = {"Authorization": f"Bearer {self.key}"}
            async with self.ground.session.get(url, headers=headers) as response:
                shown: dict[str, Any] = await response.json()
                return shown if wanted.items() <= shown.items() else None

        return await eventually(look)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(ground: Stand, tmp_path: Path) -> AsyncIterator[TwoSided]:
    async with People(ground.synapse, tmp_path) as people:
        here = TwoSided(ground, people)
        async with here.running():
            yield await here.begun()


async def test_what_is_said_in_a_client_is_found_and_exported(scene: TwoSided) -> None:
    await scene.anna.send_text(scene.room, "We would like raspberries")
    said = await scene.said("We would like raspberries")
    here = f"conversations/{await scene.conversation()}"
    found = await scene.api("GET", f"{here}/search", params={"q": "raspberry"})
    assert [one["message_id"] for one in found["messages"]] == [said.message_id]
    body = {"words": "RASPBERRIES", "sender_id": scene.anna_id}
    everywhere = await scene.api("POST", "messages/search", json=body)
    assert [one["message_id"] for one in everywhere["messages"]] == [said.message_id]
    exported = await scene.api("POST", f"{here}/export", json={"format": "json"})
    texts = {one["message_id"]: one["content"] for one in exported["messages"]}
    assert texts[said.message_id] == "We would like raspberries"


async def test_what_the_api_repeats_is_read_in_the_client(scene: TwoSided) -> None:
    here = await scene.conversation()
    await scene.anna.send_text(scene.room, "Raspberries")
    said = await scene.said("Raspberries")
    to = {"conversation_id": here, "sender_id": scene.chef["id"]}
    forwarded = await scene.api("POST", f"messages/{said.message_id}/forward", json=to)
    quick = await scene.api(
        "POST", "quick-replies", json={"title": "Thanks", "text": "Thank you, {{host_name}}!"}
    )
    thanks = {"sender_id": scene.chef["id"], "quick_reply_id": quick["quick_reply_id"]}
    await scene.api("POST", f"conversations/{here}/messages", json=thanks)
    entry = await scene.anna.wait_for_text(scene.room, "Thank you, Anna!")
    assert (entry.sender, entry.warning) == (scene.ghost, None)
    repeated = [one for one in scene.anna.timeline(scene.room) if one.body == "Raspberries"]
    assert [one.sender for one in repeated] == [scene.anna.user_id, scene.ghost]
    shown = await scene.api("GET", f"messages/{forwarded['message_id']}")
    assert (shown["event_id"], shown["is_forwarded"]) == (repeated[1].event_id, True)


async def test_a_lead_and_a_review_of_the_platform_have_their_effect(scene: TwoSided) -> None:
    lead_id, (host,) = f"lead-{scene.party_id}", scene.hosts
    lead = {
        "lead_id": lead_id,
        "title": "A wedding cake",
        "host": host,
        "vendor": scene.chef,
        "party": party(host, party_id=scene.party_id),
        "text": "Could you make one for 60?",
    }
    await scene.ground.platform.send("lead.created", lead)
    # Anna has an account, so Festimo says it for her.
    entry = await scene.anna.wait_for_text(scene.room, "Anna: Could you make one for 60?")
    opened = await scene.shows(f"leads/{lead_id}", status="new")
    first = await scene.api("GET", f"messages/{opened['message_id']}")
    assert (first["event_id"], first["sender_id"]) == (entry.event_id, scene.anna_id)
    await scene.say("With pleasure.")
    await scene.shows(f"leads/{lead_id}", status="answered")

    review = {
        "vendor_id": scene.chef["id"],
        "host_id": scene.anna_id,
        "party_id": scene.party_id,
        "rating": 4,
        "review": "Only the tower leaned.",
    }
    await scene.ground.platform.send("review.created", review)
    await scene.shows(f"vendors/{scene.chef['id']}", rating=4.0, rating_count=1)
    (rated,) = (await scene.api("GET", f"vendors/{scene.chef['id']}/ratings"))["ratings"]
    assert (rated["host_id"], rated["review"]) == (scene.anna_id, "Only the tower leaned.")
