"""What becomes of conversations and of who takes part, in the database; what people wrote about one is sealed."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bridge.conversations.model import Conversation, Details, Settings
from bridge.core.clock import Clock
from bridge.core.ids import BookingId, ConversationId, ParticipantId
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

SAVE = """
UPDATE conversations SET title = $2, status = $3, priority = $4, event_id = $5, lead_id = $6, service_type = $7,
    closed_at = $8, archived_at = $9, blocked_side = $10, resolution = $11, resolved_at = $12, updated_at = $13
WHERE conversation_id = $1
"""
# Who asks for the same pair again gets another conversation.
DELETE = """
UPDATE conversations SET deleted_at = $2, updated_at = $2, key_party = 'deleted/' || conversation_id, key_vendor = '*'
WHERE conversation_id = $1 AND deleted_at IS NULL
"""
SET_DETAILS = "UPDATE conversations SET details = $2, updated_at = $3 WHERE conversation_id = $1"
_DETAILS = """
SELECT conversation_id, details FROM conversations WHERE conversation_id IN ({places}) AND details IS NOT NULL
"""
_SETTINGS = """
SELECT conversation_id, muted, pinned, sound, notification_level FROM conversation_members
WHERE participant_id = $1 AND conversation_id IN ({places})
"""
SELECT_SETTINGS_IN = """
SELECT participant_id, muted, pinned, sound, notification_level FROM conversation_members
WHERE conversation_id = $1
"""
SET_SETTINGS = """
UPDATE conversation_members SET muted = $3, pinned = $4, sound = $5, notification_level = $6
WHERE conversation_id = $1 AND participant_id = $2
"""
_BOOKINGS = """
SELECT conversation_id, booking_id FROM conversation_bookings WHERE conversation_id IN ({places}) ORDER BY booking_id
"""
LINK_BOOKING = """
INSERT INTO conversation_bookings (tenant_id, conversation_id, booking_id) VALUES ($1, $2, $3)
ON CONFLICT (conversation_id, booking_id) DO NOTHING
"""
UNLINK_BOOKINGS = "DELETE FROM conversation_bookings WHERE conversation_id = $1"


class ChangeStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def save(self, tx: Transaction, conversation: Conversation) -> None:
        """All of it that may change, but its deletion."""
        await tx.execute(
            SAVE,
            conversation.conversation_id,
            conversation.title,
            conversation.status,
            conversation.priority,
            conversation.event_id,
            conversation.lead_id,
            conversation.service_type,
            conversation.closed_at,
            conversation.archived_at,
            conversation.blocked_side,
            conversation.resolution,
            conversation.resolved_at,
            self._clock.now(),
        )

    async def delete(self, tx: Transaction, conversation_id: ConversationId) -> bool:
        """Return False where it was deleted before."""
        return bool(await tx.execute(DELETE, conversation_id, self._clock.now()))

    # What people wrote about it

    async def set_details(self, tx: Transaction, conversation: Conversation, details: Details) -> None:
        here = conversation.conversation_id
        sealed = await self._sealer.seal(
            tx,
            conversation.tenant_id,
            f"conversation:{here}",
            json.dumps(dataclasses.asdict(details)).encode(),
            place=_place(here),
        )
        await tx.execute(SET_DETAILS, here, sealed, self._clock.now())

    async def details(self, reader: Reader, conversation_id: ConversationId) -> Details:
        return (await self.details_of(reader, [conversation_id])).get(conversation_id, Details())

    async def details_of(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, Details]:
        """Of those that have any."""
        found = {}
        for row in await reader.fetch(*_in(_DETAILS, conversation_ids)):
            here = ConversationId(row["conversation_id"])
            raw = json.loads(await self._sealer.open(reader, row["details"], place=_place(here)))
            found[here] = Details(**raw | {"tags": tuple(raw["tags"])})
        return found

    # Bookings

    async def link_booking(self, tx: Transaction, conversation: Conversation, booking_id: BookingId) -> None:
        await tx.execute(LINK_BOOKING, conversation.tenant_id, conversation.conversation_id, booking_id)

    async def set_bookings(
        self, tx: Transaction, conversation: Conversation, booking_ids: Sequence[BookingId]
    ) -> None:
        await tx.execute(UNLINK_BOOKINGS, conversation.conversation_id)
        for booking_id in booking_ids:
            await self.link_booking(tx, conversation, booking_id)

    async def bookings_of(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, list[BookingId]]:
        found: defaultdict[ConversationId, list[BookingId]] = defaultdict(list)
        for row in await reader.fetch(*_in(_BOOKINGS, conversation_ids)):
            found[ConversationId(row["conversation_id"])].append(BookingId(row["booking_id"]))
        return found

    # A participant's own settings

    async def settings(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> Settings:
        return (await self.settings_of(reader, [conversation_id], participant_id)).get(
            conversation_id, Settings()
        )

    async def settings_of(
        self, reader: Reader, conversation_ids: Sequence[ConversationId], participant_id: ParticipantId
    ) -> Mapping[ConversationId, Settings]:
        """Of those in which they take part."""
        sql, *ids = _in(_SETTINGS, conversation_ids, first=2)
        rows = await reader.fetch(sql, participant_id, *ids)
        return {ConversationId(row["conversation_id"]): _settings(row) for row in rows}

    async def settings_in(
        self, reader: Reader, conversation_id: ConversationId
    ) -> Mapping[ParticipantId, Settings]:
        """Everybody's."""
        rows = await reader.fetch(SELECT_SETTINGS_IN, conversation_id)
        return {ParticipantId(row["participant_id"]): _settings(row) for row in rows}

    async def set_settings(
        self,
        tx: Transaction,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        settings: Settings,
    ) -> None:
        await tx.execute(
            SET_SETTINGS,
            conversation_id,
            participant_id,
            int(settings.muted),
            int(settings.pinned),
            int(settings.sound),
            settings.notification_level,
        )


def _in(sql: str, ids: Sequence[ConversationId], *, first: int = 1) -> tuple[str, ...]:
    """The statement with a place for each id, from `$first` on, and the ids. None at all: nothing is found."""
    places = ", ".join(f"${number}" for number in range(first, first + len(ids))) or "NULL"
    return sql.format(places=places), *ids


def _settings(row: Row) -> Settings:
    return Settings(
        muted=bool(row["muted"]),
        pinned=bool(row["pinned"]),
        sound=bool(row["sound"]),
        notification_level=row["notification_level"],
    )


def _place(conversation_id: ConversationId) -> str:
    return f"conversations.details:{conversation_id}"
