"""A room key that comes late, at the worst moment: what was said first still comes first in the history."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appservice.homeserver import Homeserver
from appservice.inbound.events import InboundEvents
from bridge.delivery.queue import Item
from tests.faults.story import eventually, ground
from tests.faults.test_transactions import PARTY, open_room

STATE = "SELECT state FROM inbox WHERE id = $1"


async def test_a_message_that_waited_for_its_key_is_not_overtaken_when_the_key_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second message is taken up before the key is there, and applied after it came."""
    sync, apply = Homeserver.sync, InboundEvents.apply
    keys_come = asyncio.Event()
    keys_come.set()
    written: list[str] = []

    async def late_sync(self: Homeserver, *args: Any, **options: Any) -> dict[str, Any]:
        answer = await sync(self, *args, **options)
        await keys_come.wait()
        return answer

    async with ground(tmp_path) as where:

        async def first_is(state: str) -> bool | None:
            return True if await where.database.fetch_value(STATE, f"matrix:{written[0]}") == state else None

        async def slow_apply(self: InboundEvents, item: Item) -> None:
            second = bool(written) and item.id != f"matrix:{written[0]}" and b"m.room.encrypted" in item.body
            if second and not keys_come.is_set():
                keys_come.set()
                await eventually(lambda: first_is("waiting"), "the first waits again")
            await apply(self, item)

        monkeypatch.setattr(Homeserver, "sync", late_sync)
        monkeypatch.setattr(InboundEvents, "apply", slow_apply)
        async with where.stand.bridge():
            room = await open_room(where)
            keys_come.clear()
            written.append(await where.host.send_text(room, "first"))
            await eventually(lambda: first_is("parked"), "the first waits for its key")
            await where.host.send_text(room, "second")

            async def both() -> list[str] | None:
                texts = [message.text for message in await where.history(PARTY, "chef")]
                found = [text for text in texts if text in ("first", "second")]
                return found if len(found) == 2 else None

            assert await eventually(both, "both are in the history") == ["first", "second"]
            assert keys_come.is_set()
