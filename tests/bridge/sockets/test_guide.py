"""docs/websockets.md is a session: its lines are played, its answers are the bridge's."""

import json
import re
from pathlib import Path
from typing import Any

from tests.bridge.api.client import Api
from tests.bridge.api.requests import opened, said
from tests.bridge.sockets.client import Client, Crowd, LiveWorld
from tests.databases import both_databases

GUIDE = Path(__file__).parents[3] / "docs/websockets.md"


def lines() -> list[tuple[str, str]]:
    """Who speaks, and what."""
    blocks = re.findall(r"```session\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return [(line[0], line[2:]) for block in blocks for line in block.splitlines()]


def alike(value: Any) -> Any:
    """What differs each time, by another name."""
    text = re.sub(r'"[0-9a-f]{32}"', '"ID"', json.dumps(value))
    text = re.sub(r'"[0-9-]{10}T[0-9:.]+Z"', '"TIME"', text)
    return json.loads(re.sub(r'"cursor": "[^"]+"', r'"cursor": "CURSOR"', text))


@both_databases
async def test_the_guide_tells_the_truth(world: LiveWorld, api: Api, crowd: Crowd) -> None:
    conversation_id = await opened(api)
    await world.feed.order()
    client: Client = crowd.client("/")
    played = 0
    for speaker, line in lines():
        word, _, rest = line.partition(" ")
        if speaker == "<":
            # What is told and what is answered may overtake each other.
            expected = json.loads(line)
            frame = (
                await client.next(expected["type"]) if expected["type"] != "welcome" else client.frames[-1]
            )
            assert alike(frame) == alike(expected), line
            played += 1
        elif word == "CONNECT":
            client.path, _, with_cursor = rest.partition("?")
            client.cursor = client.cursor if with_cursor else None
            await client.connect()
        elif word == "DROP":
            client.drop()
        elif word == "SAY":
            await said(api, conversation_id, rest)
        else:
            await client.socket.send_str(line.replace('"ID"', f'"{conversation_id}"'))
    assert played > 6
