"""What the sockets tell of quotes: that something happened to one, and nothing of what it offers."""

import json

from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened, quote, quoted, said
from tests.bridge.sockets.client import Crowd, LiveWorld


async def test_quotes_are_told_of_by_their_ids(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await world.settled(await opened(api))
    anna, chef = world.person("u-anna"), world.person("v-1", "vendor")
    clients = [
        await crowd.connected("/ws/communication/p-1", anna),
        await crowd.connected("/ws/vendor/v-1", chef),
    ]
    made = (await quoted(api, conversation_id)).json
    path = f"/api/v1/quotes/{made['quote_id']}"
    await api.post(f"{path}/decline", {"sender_id": "u-anna", "revision": 1})
    await api.post(f"{path}/revisions", quote(tax=0))
    await api.post(f"{path}/withdraw", {"sender_id": "v-1"})
    await said(api, conversation_id, "the end")
    for client in clients:
        while client.texts("message.sent")[-1:] != ["the end"]:
            await client.read()
        frames = [frame for frame in client.events if frame["type"].startswith("quote.")]
        assert [frame["type"] for frame in frames] == [
            "quote.sent",
            "quote.declined",
            "quote.sent",
            "quote.withdrawn",
        ]
        assert {frame["quote_id"] for frame in frames} == {made["quote_id"]}
        assert {frame["conversation_id"] for frame in frames} == {conversation_id}
        assert "Catering" not in json.dumps(frames)
        assert "384000" not in json.dumps(frames)
