"""`m.room.pinned_events`: somebody pinned or unpinned in their client; whoever may, the homeserver has decided."""

from collections.abc import Mapping
from typing import Any

from appservice.homeserver import pinned_ids
from appservice.inbound.waiting import is_event_id, may_be_ours
from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.pins.service import Pins
from bridge.messages.pins.store import PinStore
from bridge.storage.database import Transaction

MOST = 500
"""Of a list, the newest: clients show far fewer."""


class InboundPins:
    def __init__(
        self,
        *,
        names: Names,
        outbox: Outbox,
        pins: Pins,
        store: PinStore,
        conversations: ConversationStore,
    ) -> None:
        self._names = names
        self._outbox = outbox
        self._pins = pins
        self._store = store
        self._conversations = conversations

    async def changed(self, tx: Transaction, room: Room, event: Mapping[str, Any], item: Item) -> None:
        if self._names.is_ours(event["sender"]):
            return  # it may tell of what has been changed again since
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        before, after = _before(event), _ids(event["content"])
        new = [one for one in after if one not in before]
        if len(await self._store.known(tx, room.conversation_id, new)) < len(new):
            await may_be_ours(self._outbox, tx, room, item)
        await self._pins.receive(tx, conversation, before=before, after=after)


def _before(event: Mapping[str, Any]) -> list[str]:
    """What the list was, by our own homeserver's word (`unsigned`); without it there was none."""
    unsigned = event.get("unsigned")
    return _ids(unsigned.get("prev_content") if isinstance(unsigned, dict) else None)


def _ids(content: Any) -> list[str]:
    return [one for one in dict.fromkeys(pinned_ids(content)[-MOST:]) if is_event_id(one)]
