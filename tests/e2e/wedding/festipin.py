"""The platform of a real wedding: it tells by signed HTTP and by the bus, asks by the API, and hears by both, too."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
from nats.errors import TimeoutError as NoAnswer
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError

from bridge.config import Config
from bridge.demo.stand import TENANT
from bridge.platform.bus.incoming import DURABLE
from bridge.platform.bus.service import stream_of
from tests.bridge.platform.sender import sign
from tests.bridge.webhooks.receiver import Receiver
from tests.wedding.stage import Json

TWICE = 0.3
"""Of the events, so many come by two ways at once."""
ANSWER = aiohttp.ClientTimeout(total=10)
A_MOMENT = 0.05
AWAY = (aiohttp.ClientError, TimeoutError)
ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"


class Festipin:
    def __init__(
        self,
        config: Config,
        session: aiohttp.ClientSession,
        *,
        stream: JetStreamContext,
        receiver: Receiver,
        key: str,
        seed: int,
        check: Callable[[], None],
    ) -> None:
        """`key`: of the API; `check`: raises where the bridge will never answer."""
        self._config = config
        self._session = session
        self._stream = stream
        self._receiver = receiver
        self._key = key
        self._seed = seed
        self._check = check
        self._before: Json | None = None
        self._webhook = ""
        self.told = Counter[str]()
        """How many events by which way."""

    # Tells

    async def tell(self, event: Json) -> None:
        """Until it is accepted, by each of the ways that the seed has chosen for it."""
        ways = {"alone": self._alone, "batch": self._in_a_batch, "bus": self._by_bus}
        chance = random.Random(f"{self._seed} {event['id']}")
        chosen = chance.sample(list(ways), 2 if chance.random() < TWICE else 1)
        self.told.update(chosen)
        async with asyncio.TaskGroup() as tasks:
            for way in chosen:
                tasks.create_task(ways[way](event))
        self._before = event

    async def _alone(self, event: Json) -> None:
        status, answer = await self._post("/api/v1/events", ONE, event)
        assert (status, answer["status"]) == (HTTPStatus.ACCEPTED, "accepted"), answer

    async def _in_a_batch(self, event: Json) -> None:
        """With the one before, once more."""
        events = [event] if self._before is None else [self._before, event]
        status, answer = await self._post("/api/v1/events/batch", MANY, events)
        assert status == HTTPStatus.OK, answer
        assert [one["status"] for one in answer["events"]] == ["accepted"] * len(events), answer

    async def _by_bus(self, event: Json) -> None:
        subject = f"{self._config.bus.events_subject}.{TENANT}"
        while True:
            try:
                await self._stream.publish(subject, json.dumps(event).encode())
            except (NoStreamResponseError, NoAnswer):
                await self._moment()
            else:
                return

    async def _post(self, path: str, content_type: str, what: object) -> tuple[int, Any]:
        body = json.dumps(what).encode()
        secret = self._config.platform.tenants[0].webhook_secrets[0].get_secret_value()
        headers = {"Content-Type": content_type, **sign(body, secret=secret)}
        return await self._answer("POST", path, headers, body)

    # Asks

    async def ask(self, method: str, path: str, body: Json | None = None, *, key: str = "-") -> Json:
        """Until it is answered. `key`: the same for the same."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        sent = None if body is None else json.dumps(body).encode()
        status, answer = await self._answer(method, f"/api/v1/{path}", headers, sent)
        assert status < HTTPStatus.MULTIPLE_CHOICES, answer
        return dict(answer)

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, Any]:
        url = f"http://{self._config.appservice.listen}{path}"
        while True:
            try:
                async with self._session.request(
                    method, url, data=body, headers=headers, timeout=ANSWER
                ) as response:
                    if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
                        return response.status, await response.json()
            except AWAY:
                pass
            await self._moment()

    async def _moment(self) -> None:
        self._check()
        await asyncio.sleep(A_MOMENT)

    # Hears

    async def listen(self) -> None:
        """By a webhook that it makes, and by the bus."""
        while True:
            _, health = await self._answer("GET", "/health/ready", {}, None)
            if health["checks"]["bus"] == "ok":
                break
            await self._moment()
        made = await self.ask("POST", "webhooks", {"url": self._receiver.url()}, key="webhook")
        self._webhook = made["webhook_id"]
        self._receiver.secrets = [made["secret"]]

    def heard(self) -> list[Json]:
        """By the webhook, verified: each id once, as it came first."""
        return _once(self._receiver.took)

    async def heard_by_bus(self) -> list[Json]:
        """Likewise."""
        stream = stream_of(self._config.bus.feed_subject)
        last = (await self._stream.stream_info(stream)).state.last_seq
        found = [await self._stream.get_msg(stream, seq) for seq in range(1, last + 1)]
        return _once([json.loads(one.data or b"") for one in found])

    async def deliveries(self, state: str) -> list[Json]:
        page = await self.ask("GET", f"webhooks/{self._webhook}/deliveries?state={state}")
        return list(page["deliveries"])

    async def under_way(self) -> list[Any]:
        """What it told and nobody has taken off the bus, and what it has not heard by either way."""
        taken = await self._stream.consumer_info(stream_of(self._config.bus.events_subject), DURABLE)
        told = [taken] if taken.num_pending or taken.num_ack_pending else []
        out = await self._stream.stream_info(stream_of(self._config.bus.feed_subject))
        heard = [out.state] if out.state.messages < len(self.heard()) else []
        return [*told, *heard, *await self.deliveries("waiting")]


def _once(came: list[Json]) -> list[Json]:
    return list({one["id"]: one for one in came[::-1]}.values())[::-1]
