"""Conversations as somebody lives through them: a scene whose room is looked at through the eyes of one member."""

from typing import Any

from appservice.embedded.client import Client
from appservice.outbound.rooms import NOBODY_WRITES
from tests.clients.js import JsClient
from tests.clients.people import Person
from tests.e2e.test_changes import ChangingScene
from tests.e2e.test_first_path import eventually, party

State = dict[tuple[str, str], dict[str, Any]]


class LivingScene(ChangingScene):
    """Looked at through the eyes of one member, who must be in what is looked at."""

    token = ""

    async def conversation_id(self) -> str:
        conversation = await self._conversation()
        assert conversation is not None
        return conversation.conversation_id

    async def act(self, action: str, *, method: str = "POST", **options: Any) -> dict[str, Any]:
        if action == "block":
            options = {"json": {}} | options
        return await self.api(method, f"conversations/{await self.conversation_id()}/{action}", **options)

    async def select_again(self) -> None:
        data = {"party": party(*self.hosts, party_id=self.party_id), "vendor": self.chef}
        await self.ground.platform.send("vendor.selected", data)

        async def applied() -> bool | None:
            waiting = await self.bridge.database.fetch_value(
                "SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"
            )
            return None if waiting else True

        await eventually(applied)

    async def state(self, room: str | None = None) -> State:
        status, events = await self.call("GET", f"v3/rooms/{room or self.room}/state", self.token)
        assert status == 200, events
        return {(event["type"], event["state_key"]): event["content"] for event in events}

    async def members(self) -> dict[str, str]:
        """Of the room: MXID -> membership."""
        state = await self.state()
        return {
            key: content["membership"] for (kind, key), content in state.items() if kind == "m.room.member"
        }

    async def until(
        self, kind: str, wanted: dict[str, Any], *, key: str = "", room: str | None = None
    ) -> None:
        async def look() -> bool | None:
            return True if (await self.state(room)).get((kind, key), {}).items() >= wanted.items() else None

        await eventually(look)

    async def until_member(self, user_id: str, membership: str) -> None:
        await self.until("m.room.member", {"membership": membership}, key=user_id)

    async def until_nobody_writes(self) -> None:
        await self.until("m.room.power_levels", {"events_default": NOBODY_WRITES, "events": {}})

    async def all_is_read(self) -> None:
        for who in (f"Anna-{self.party_id}", self.chef["id"]):
            await self.act("read", json={"participant_id": who})

    async def read_up_to(self, text: str, *, by: Client) -> None:
        """In their client."""
        message = await self.stored(lambda message: message.text == text)
        path = f"v3/rooms/{self.room}/receipt/m.read/{message.origin_id}"
        assert (await self.call("POST", path, by.access_token, json={}))[0] == 200

    async def unread(self, *, host: int, chef: int) -> None:
        """The API shows so much as not read, soon."""
        wanted = {f"Anna-{self.party_id}": host, self.chef["id"]: chef}
        path = f"conversations/{await self.conversation_id()}"

        async def look() -> bool | None:
            people = (await self.api("GET", path))["participants"]
            return True if {one["participant_id"]: one["unread_count"] for one in people} == wanted else None

        await eventually(look)

    async def refused(self, body: dict[str, Any]) -> tuple[int, str]:
        """What the API answers to a message that it does not take."""
        url = f"{self.ground.config.appservice.url}/api/v1/conversations/{await self.conversation_id()}/messages"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.ground.session.post(url, json=body, headers=headers) as response:
            answer = await response.json()
            return response.status, answer["type"].rpartition(":")[2]


async def both(scene: LivingScene) -> tuple[JsClient, Client, Person]:
    """A host and a vendor with accounts, who have joined."""
    anna, chef = await scene.people.person("Anna"), await scene.people.person("Chef")
    host, vendor = await scene.people.js(anna), await scene.people.nio(chef)
    scene.token = host.access_token
    await scene.open(host, vendor, hosts={"Anna": anna}, vendor=chef)
    return host, vendor, chef


async def as_the_bot(scene: LivingScene, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What only somebody can do who runs the homeserver."""
    token = scene.ground.config.appservice.as_token.get_secret_value()
    query = {"user_id": scene.bridge.names.bot}
    status, answer = await scene.call(method, path, token, params=query, json=body)
    assert status == 200, answer
    found: dict[str, Any] = answer
    return found
