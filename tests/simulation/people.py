"""People with Matrix clients of their own, and the platform that sends signed events until each is accepted."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.appservice.encryption.party import Identity, Party, text_message
from tests.bridge.platform.sender import NEW, sign
from tests.fakes.homeserver import Json
from tests.simulation.homeserver import LiveHomeserver

ONE_TIME_KEYS = 40
Request = Callable[..., Awaitable[tuple[int, Any] | None]]


@dataclass
class Phone(Party):
    """A device that bears with repeated to-device messages, as a homeserver may send them after a restart."""

    seen: set[str] = field(default_factory=set)
    trusted: bool = True

    async def sync(self) -> list[Json]:
        answer = await self.homeserver.sync(self.user, self.device, since=self.since, filter_={})
        self.since = answer["next_batch"]
        payloads = []
        for event in answer["to_device"]["events"]:
            text = json.dumps(event["content"], sort_keys=True)
            if event["type"] != "m.room.encrypted" or text in self.seen:
                continue
            self.seen.add(text)
            payload = self._open(event)
            payloads.append(payload)
            if payload["type"] == "m.room_key":
                self._keep(event, payload)
        return payloads

    async def top_up(self) -> None:
        left = len(self.homeserver.users[self.user].devices[self.device].one_time_keys)
        if left < ONE_TIME_KEYS // 2:
            await self.publish_one_time_keys(ONE_TIME_KEYS - left)


@dataclass(frozen=True)
class Said:
    event_id: str
    room_id: str
    user: str
    session_id: str
    text: str


class Person:
    def __init__(self, homeserver: LiveHomeserver, user: str, *, identity: bool) -> None:
        self._homeserver = homeserver
        self.user = user
        self._identity = Identity(user) if identity else None
        self.phones: list[Phone] = []
        self.former: list[Phone] = []

    async def new_phone(self, *, signed: bool) -> None:
        number = len(self.phones) + len(self.former)
        identity = self._identity if signed else None
        phone = Phone(self._homeserver, self.user, f"D{number}", identity)
        phone.trusted = signed or self._identity is None
        await phone.publish(one_time_keys=0)
        self._homeserver.device_published(self.user, phone.device)
        await phone.publish_one_time_keys(ONE_TIME_KEYS)
        self.phones.append(phone)

    async def drop_phone(self, which: int) -> None:
        phone = self.phones.pop(which)
        await phone.sync()
        self.former.append(phone)
        self._homeserver.delete_device(self.user, phone.device)

    async def look(self) -> None:
        for phone in self.phones:
            await phone.sync()
            await phone.top_up()

    async def say(
        self,
        room_id: str,
        text: str,
        *,
        bot: str,
        which: int = 0,
        new_session: bool = False,
        key_later: float = 0.0,
        relation: Json | None = None,
    ) -> Said:
        """`key_later`: seconds by which the room key comes after the message; `relation`: to another message."""
        phone = self.phones[which % len(self.phones)]
        if new_session:
            phone.outbound.pop(room_id, None)
        key = None if room_id in phone.outbound else phone.room_key(room_id)
        related = {} if relation is None else {"m.relates_to": relation}
        content = phone.encrypt(room_id, text, inside={"content": text_message(text) | related}) | related
        if key is not None and not key_later:
            await phone.send_room_key(bot, room_id, key)
        event_id = self._homeserver.say(self.user, room_id, content)
        if key is not None and key_later:
            await asyncio.sleep(key_later)
            await phone.send_room_key(bot, room_id, key)
        return Said(event_id, room_id, self.user, content["session_id"], text)


class Platform:
    """One event after the other, each until it is accepted."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._wanted = asyncio.Event()
        self._number = 0
        self.waiting: deque[bytes] = deque()

    def send(self, event_type: str, data: Json) -> None:
        self._number += 1
        event = {
            "specversion": "1.0",
            "id": f"evt-{self._number}",
            "source": "/festipin",
            "type": event_type,
            "datacontenttype": "application/json",
            "data": data,
        }
        self.pass_on(event)

    def pass_on(self, event: Json) -> None:
        self.waiting.append(json.dumps(event).encode())
        self._wanted.set()

    async def run(self) -> None:
        while True:
            self._wanted.clear()
            while self.waiting:
                body = self.waiting[0]
                answer = await self._request(
                    "POST",
                    "/api/v1/events",
                    headers={"Content-Type": "application/cloudevents+json", **sign(body, secret=NEW)},
                    body=body,
                )
                if answer is None or answer[0] == 503:
                    await asyncio.sleep(2)
                    continue
                assert answer[0] == 202, answer
                self.waiting.popleft()
            await self._wanted.wait()
