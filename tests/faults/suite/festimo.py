"""Festimo Bridge as the subject: a process that dies where it is told (`bridge_process`), used by API and events."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

import aiohttp

from appservice.embedded.settings import LOOPBACK, write_private
from appservice.registration import registration
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import SystemClock
from bridge.core.ids import TenantId
from bridge.demo.platform import Platform
from bridge.storage.database import open_database
from bridge.wiring import api_keys
from tests.faults.doom import Fault
from tests.faults.lives import Life, Lives
from tests.faults.suite.subject import Conversation, Kept, NotNow, Person, Place

TENANT = "festipin"
LIMIT = aiohttp.ClientTimeout(total=10)


class Festimo:
    name = "festimo"

    def __init__(self, place: Place) -> None:
        self.place = place
        raw = fresh_settings(
            server_name=place.server_name,
            homeserver_url=place.homeserver_url,
            listen=f"{LOOPBACK}:{place.listen_port}",
            database_url=place.database_url,
            tenant=TENANT,
        )
        raw["appservice"]["url"] = place.public_url
        self.config = Config.model_validate(raw)
        place.folder.mkdir(parents=True, exist_ok=True)
        self._config_path = write_private(place.folder / "config.yaml", raw)
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self._lives: Lives | None = None
        self._key = ""
        self._faults: list[Fault] = []

    @property
    def registration(self) -> Mapping[str, Any]:
        return registration(self.config)

    @property
    def pid(self) -> int:
        life = self.life
        assert life.pid is not None
        assert not life.ended
        return life.pid

    # What only this bridge can: to be killed at a place in its code

    @property
    def life(self) -> Life:
        assert self.lives.current is not None, "it has not been started"
        return self.lives.current

    @property
    def lives(self) -> Lives:
        assert self._lives is not None, "it has not been started"
        return self._lives

    def doom(self, faults: Sequence[Fault]) -> None:
        """Give each of the next lives one of these."""
        self._faults = list(faults)

    # Its processes

    async def start(self, *, clock_offset: int = 0) -> None:
        if self._lives is None:
            await self._set_up()
        self.lives.release("--clock-offset", str(clock_offset))
        await self.lives.ready()

    async def stop(self) -> None:
        self.lives.hold()
        await self.life.stop()

    async def kill(self) -> None:
        self.lives.hold()
        await self.life.kill()

    async def close(self) -> None:
        await self._stack.aclose()

    async def _set_up(self) -> None:
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=LIMIT))
        database = await open_database(self.place.database_url)
        try:
            self._key = str(
                await api_keys(self.config, database, SystemClock()).create(TenantId(TENANT), name="faults")
            )
        finally:
            await database.close()
        lives = Lives(self._config_path, lambda: self._faults.pop(0) if self._faults else None)
        self._lives = await self._stack.enter_async_context(lives.running())

    # What the platform does

    async def open(self, party: str, host: Person, vendor: Person, *, by_event: bool) -> Conversation:
        body = {
            "party": {"id": party, "title": f"Party {party}", "hosts": [_json(host)]},
            "vendor": _json(vendor),
        }
        answer = await self._ask("POST", "/conversations", body)
        return Conversation(
            id=answer["conversation_id"], party=party, host=host, vendor=vendor, by_event=by_event
        )

    async def say(self, conversation: Conversation, sender: Person, text: str, *, key: str) -> None:
        if conversation.by_event:
            await self._say_by_event(conversation, sender, text, key)
            return
        path = f"/conversations/{conversation.id}/messages"
        await self._ask("POST", path, {"sender_id": sender.id, "text": text}, key)

    async def _say_by_event(self, conversation: Conversation, sender: Person, text: str, key: str) -> None:
        assert self._session is not None
        secret = self.config.platform.tenants[0].webhook_secrets[0].get_secret_value()
        platform = Platform(self.place.public_url, secret, self._session)
        data = {
            "party_id": conversation.party,
            "vendor_id": conversation.vendor.id,
            "sender_id": sender.id,
            "text": text,
        }
        try:
            status, answer = await platform.post(platform.event("message.send", data, event_id=key))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.lives.check()
            raise NotNow from error
        if status != HTTPStatus.ACCEPTED:
            _later(status, answer)

    async def history(
        self, conversation: Conversation, after: str | None
    ) -> tuple[Sequence[Kept], str | None]:
        path = f"/conversations/{conversation.id}/messages?limit=100"
        if after is None:  # the page without a cursor is the newest: go back to the first
            page = await self._ask("GET", path)
            while page["before"] is not None:
                page = await self._ask("GET", f"{path}&before={page['before']}")
        else:
            page = await self._ask("GET", f"{path}&after={after}")
        kept = [
            Kept(
                text=message["content"],
                sender_id=message["sender_id"],
                event_id=message["event_id"],
                delivered=message["status"] in ("sent", "delivered", "read"),
            )
            for message in page["messages"]
        ]
        return kept, page["after"]

    async def _ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self._key}"} | ({"Idempotency-Key": key} if key else {})
        url = f"{self.place.public_url}/api/v1{path}"
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
            self.lives.check()
            raise NotNow from error
        if not response.ok:
            _later(response.status, answer)
        return answer


def _later(status: int, answer: Any) -> None:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise NotNow(f"{status} {answer}")
    raise RuntimeError(f"the bridge refuses: {status} {answer}")


def _json(person: Person) -> dict[str, str]:
    return {"id": person.id, "name": person.name} | ({"mxid": person.mxid} if person.mxid else {})
