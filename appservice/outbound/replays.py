"""What it means for its feature that an item is tried again: the counterpart of what its death meant.

Speaks to no homeserver, so that the command line can do it without one.
"""

import json

from appservice.transactions import parse
from bridge.admin.dead_letters.errors import CannotBeReplayed
from bridge.conversations.service import Conversations
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.delivery.queue import Item
from bridge.messages.service import Messages
from bridge.storage.database import Transaction


class Replays:
    def __init__(self, conversations: Conversations, messages: Messages) -> None:
        self._conversations = conversations
        self._messages = messages

    async def opened(self, tx: Transaction, item: Item) -> None:
        await self._conversations.opened_again(tx, ConversationId(json.loads(item.body)["conversation_id"]))

    async def added(self, tx: Transaction, item: Item) -> None:
        event = json.loads(item.body)
        await self._conversations.added_again(
            tx, ConversationId(event["conversation_id"]), ParticipantId(event["participant_id"])
        )

    async def posted(self, tx: Transaction, item: Item) -> None:
        await self._messages.pending_again(tx, MessageId(json.loads(item.body)["message_id"]))

    async def event(self, tx: Transaction, item: Item) -> None:
        """Of the homeserver: only what is an event can ever be applied."""
        try:
            events = parse(json.dumps({"events": [json.loads(item.body)]}).encode()).events
        except (ValueError, RecursionError):
            events = ()
        if not events:
            raise CannotBeReplayed(
                "It is no Matrix event, so nothing can be done with it: it is kept for a person to see.",
                field="dead_letter_id",
            )
