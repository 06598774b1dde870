"""Of a conversation that is deleted nothing is told any more: not what was said in it, whenever that was."""

import json

import pytest

from bridge.core.ids import MessageId
from tests.bridge.api.client import Api
from tests.bridge.api.requests import CONVERSATIONS, opened, said
from tests.bridge.sockets.client import Crowd, LiveWorld

PARTY, VENDOR, USER = "/ws/communication/p-1", "/ws/vendor/v-1", "/ws/notifications/u-anna"


@pytest.mark.parametrize("path", [PARTY, VENDOR, USER])
@pytest.mark.parametrize("comes_back", [True, False])
async def test_what_was_said_in_it_is_told_no_more(
    world: LiveWorld, api: Api, crowd: Crowd, path: str, comes_back: bool
) -> None:
    gone, other = await opened(api, "p-1", "v-1"), await opened(api, "p-2", "v-1")
    kept = await world.settled(await opened(api, "p-1", "v-2"))
    client = await crowd.connected(path)
    if comes_back:
        client.drop()
    message = (await said(api, gone, "Marzipan")).json["message_id"]
    if not comes_back:
        await client.next("conversation.updated" if path == USER else "message.sent")
    await world.settled(gone)
    client.frames.clear()
    await api.request("DELETE", f"{CONVERSATIONS}/{gone}")
    async with world.database.transaction() as tx:
        await world.messages.sent(tx, MessageId(message), origin_id="$1")
    for conversation_id in (kept, other):
        await said(api, conversation_id, "The end")
    if comes_back:
        await client.connect()
    while not client.events or client.events[-1]["conversation_id"] not in (kept, other):
        await client.read()
    assert "Marzipan" not in json.dumps(client.frames)
    assert gone not in {frame["conversation_id"] for frame in client.events}
