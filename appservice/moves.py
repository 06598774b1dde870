"""A conversation leaves its room, and goes on in another one.

In one commit: the room is a former one, its sessions end, the next room and everybody's way into it come first in the
conversation's lane, and behind them all that had not gone out by then. So that is said in the next room, encrypted
with its keys. Until there is one, the conversation has none.
"""

from appservice.encryption.outbound_sessions import retire_sessions
from appservice.room_map import Room, leave_room
from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.core.clock import Clock
from bridge.delivery.outbox import Outbox
from bridge.messages.store import lock_of
from bridge.storage.database import Transaction


class Moves:
    def __init__(self, service: Conversations, outbox: Outbox, clock: Clock) -> None:
        self._service = service
        self._outbox = outbox
        self._clock = clock

    async def leave(self, tx: Transaction, room: Room, conversation: Conversation) -> None:
        # What is being said at this moment is stored either before this, and seen here, or after it.
        await tx.lock(lock_of(room.conversation_id))
        await retire_sessions(tx, room.room_id)
        await leave_room(tx, room, self._clock)
        if conversation.deleted_at is not None:
            return

        async def go_on() -> None:
            await self._service.moves(tx, conversation)

        await self._outbox.first(tx, "matrix", room.conversation_id, go_on)
