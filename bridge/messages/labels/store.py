"""Labels in the database, sealed like what the message says; most messages have none."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from bridge.core.ids import BookingId, ConversationId, MessageId, TenantId
from bridge.messages.labels.model import NONE, Labels, labels_in
from bridge.storage.database import Reader, Transaction
from bridge.storage.sealing import Sealer

INSERT = "INSERT INTO message_labels (message_id, content) VALUES ($1, $2)"
FORGET = "DELETE FROM message_labels WHERE message_id = $1"
_OF = "SELECT message_id, content FROM message_labels WHERE message_id IN ({places})"
HAS_BOOKING = "SELECT 1 FROM conversation_bookings WHERE conversation_id = $1 AND booking_id = $2"


class LabelStore:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def put(
        self,
        tx: Transaction,
        labels: Labels,
        *,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        message_id: MessageId,
    ) -> None:
        """Of a message that is new; but for its lead."""
        labels = replace(labels, lead_id=None)
        if labels == NONE:
            return
        content = await self._sealer.seal(
            tx,
            tenant_id,
            f"conversation:{conversation_id}",
            json.dumps(asdict(labels)).encode(),
            place=_place(message_id),
        )
        await tx.execute(INSERT, message_id, content)

    async def of_messages(self, reader: Reader, message_ids: Sequence[MessageId]) -> dict[MessageId, Labels]:
        """Of those that have any."""
        if not message_ids:
            return {}
        places = ", ".join(f"${number}" for number in range(1, len(message_ids) + 1))
        found = {}
        for row in await reader.fetch(_OF.format(places=places), *message_ids):
            message_id = MessageId(row["message_id"])
            content = await self._sealer.open(reader, row["content"], place=_place(message_id))
            found[message_id] = labels_in(json.loads(content))
        return found

    async def has_booking(
        self, reader: Reader, conversation_id: ConversationId, booking_id: BookingId
    ) -> bool:
        """Whether the booking is linked with the conversation."""
        return await reader.fetch_value(HAS_BOOKING, conversation_id, booking_id) is not None


async def forget_labels(tx: Transaction, message_id: MessageId) -> None:
    await tx.execute(FORGET, message_id)


def _place(message_id: MessageId) -> str:
    return f"message_labels.content:{message_id}"
