"""A room was replaced (`m.room.tombstone`). Only the bot has that power, and whoever runs the homeserver in its name.

The conversation goes on in a room of ours: in the one that its alias leads to by then, if the bot made it and it is
whole, else in a new one. Whatever is said there is encrypted with new keys; what was not yet said is said there, too.
So it is with the space of a party.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.moves import Moves
from appservice.room_map import Room
from appservice.space_map import list_shown_in
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.store import ConversationStore
from bridge.storage.database import Transaction

log = structlog.get_logger(__name__)


class InboundUpgrades:
    def __init__(self, moves: Moves, conversations: ConversationStore, lists: PartyLists) -> None:
        self._moves = moves
        self._conversations = conversations
        self._lists = lists

    async def replaced(self, tx: Transaction, room: Room, event: Mapping[str, Any]) -> None:
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        log.warning("room_replaced", room=room.room_id, by=event["sender"], conversation=room.conversation_id)
        await self._moves.leave(tx, room, conversation)

    async def space_replaced(self, tx: Transaction, event: Mapping[str, Any]) -> None:
        """Of a room that is no conversation's. Of one that is no party's space either, nothing comes."""
        list_id = await list_shown_in(tx, event["room_id"])
        if list_id is not None:
            log.warning("space_replaced", room=event["room_id"], by=event["sender"], list=list_id)
            await self._lists.moves(tx, list_id)
