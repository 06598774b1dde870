"""The bridge as it is configured and wired: what is said by the API arrives at a webhook that was made by the API."""

import asyncio
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from appservice.homeserver import Homeserver
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.core.clock import SystemClock
from bridge.wiring import api_keys, assembled
from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened, said
from tests.bridge.api.world import OURS
from tests.bridge.webhooks.receiver import Receiver


def configured(folder: Path) -> Config:
    settings = fresh_settings(
        server_name="example.org",
        homeserver_url="http://127.0.0.1:8008",
        listen="127.0.0.1:29400",
        database_url=f"sqlite:///{folder / 'bridge.db'}",
        tenant=OURS,
    )
    settings["webhooks"] = {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]}
    return Config.model_validate(settings)


async def test_what_is_said_arrives(tmp_path: Path, receiver: Receiver) -> None:
    config, clock = configured(tmp_path), SystemClock()
    async with aiohttp.ClientSession() as session:
        homeserver = Homeserver(config.homeserver.url, "a" * 32, session=session)
        async with (
            assembled(config, homeserver, clock) as parts,
            TestClient(TestServer(parts.app())) as http,
        ):
            api = Api(http, str(await api_keys(config, parts.database, clock).create(OURS, name="tests")))
            work = [
                asyncio.create_task(one) for one in (parts.product.feed.run(), parts.product.sending.run())
            ]
            try:
                wanted = ["conversation.created", "message.sent", "vendor.replied"]
                made = await api.post("/api/v1/webhooks", {"url": receiver.url(), "events": wanted})
                receiver.secrets = [made.json["secret"]]
                conversation_id = await opened(api)
                await said(api, conversation_id, "canary")
                reply = {"sender_id": "v-1", "text": "canary"}
                await api.post(f"/api/v1/conversations/{conversation_id}/messages", reply)
                await api.request("POST", f"/api/v1/webhooks/{made.json['webhook_id']}/test")
                await receiver.until(5)
                async with http.get("/metrics") as metrics:
                    assert 'festimo_webhooks_kept{state="dead"} 0.0' in await metrics.text()
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
    told = [body for body in receiver.took if body["type"] != "webhook.test"]
    assert [body["type"] for body in told] == [
        "conversation.created",
        "message.sent",
        "message.sent",
        "vendor.replied",
    ]
    assert {body["data"]["conversation_id"] for body in told} == {conversation_id}
    assert "canary" not in str(receiver.took)
    assert told[3]["data"] == told[2]["data"] | {"vendor_id": "v-1"}
