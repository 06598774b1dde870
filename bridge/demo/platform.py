"""The event-planning platform, as the bridge meets it: signs events and sends them over HTTP."""

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
from standardwebhooks import Webhook

from bridge.core.ids import new_id

SOURCE = "https://festipin.example/events"


class Platform:
    def __init__(self, url: str, secret: str, session: aiohttp.ClientSession) -> None:
        """`url`: the bridge's base URL; `secret`: one of the tenant's webhook secrets."""
        self._url = f"{url}/api/v1/events"
        self._webhook = Webhook(secret)
        self._session = session

    async def send(self, event_type: str, data: dict[str, Any], *, event_id: str | None = None) -> str:
        """Send a CloudEvent; return its id once the bridge has accepted it."""
        event_id = event_id or new_id()
        status, answer = await self.post(self.event(event_type, data, event_id=event_id))
        if status != 202:
            raise RuntimeError(f"the bridge answered {status}: {answer}")
        return event_id

    def event(self, event_type: str, data: dict[str, Any], *, event_id: str) -> bytes:
        return json.dumps(
            {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": event_type, "data": data}
        ).encode()

    async def post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Sign and send one body; return the status and the JSON answer."""
        now, delivery = datetime.now(UTC), f"msg_{new_id()}"
        headers = {
            "Content-Type": "application/cloudevents+json",
            "webhook-id": delivery,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery, now, body.decode()),
        }
        async with self._session.post(self._url, data=body, headers=headers) as response:
            return response.status, await response.json()
