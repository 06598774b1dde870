"""Who has a device to read with: what the device lists say, told to the recaps. Decides nothing about them."""

from collections.abc import Collection

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.sharing import ShareWith, withheld_code
from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, ParticipantId
from bridge.participants.model import Participant
from bridge.recap.service import Recaps
from bridge.storage.database import Reader, Transaction

SELECT_PLACES = """
SELECT r.conversation_id, m.membership FROM room_members m JOIN rooms r ON r.room_id = m.room_id
WHERE m.user_id = $1 AND r.private = 0
"""


class Readers:
    def __init__(
        self, device_lists: DeviceLists, recaps: Recaps, names: Names, *, share_with: ShareWith
    ) -> None:
        self._device_lists = device_lists
        self._recaps = recaps
        self._names = names
        self._share_with = share_with

    async def can_read(self, reader: Reader, user_id: str) -> bool:
        """Whether a device of theirs is known that is entitled to room keys."""
        return any(
            device.olm and withheld_code(self._share_with, identity, device) is None
            for identity, device in await self._device_lists.devices_of(reader, [user_id])
        )

    # What the device lists tell

    async def known(self, tx: Transaction, user_id: str) -> None:
        """The user's devices have just been stored."""
        if self._names.is_ours(user_id):
            return
        if await self.can_read(tx, user_id):
            await self._recaps.can_read(tx, user_id)
        elif not await self._recaps.cannot_read(tx, user_id):
            rows = await tx.fetch(SELECT_PLACES, user_id)
            places = {ConversationId(row["conversation_id"]): row["membership"] == "join" for row in rows}
            await self._recaps.absent(tx, user_id, places)

    async def unreachable(self, tx: Transaction, user_ids: Collection[str]) -> None:
        """Their own servers did not answer: whoever's devices were never seen gets no keys."""
        for user_id in sorted(user_ids):
            if not await self.can_read(tx, user_id):
                await self._recaps.cannot_read(tx, user_id)

    async def ask_again(self, tx: Transaction, user_id: str) -> None:
        """Their devices are there, but could not be given a key: look again before long."""
        await self._device_lists.arrived(tx, [user_id])

    # What becomes of people in rooms

    async def to_be_invited(
        self, tx: Transaction, conversation: Conversation, person: Participant, *, asked_at: int
    ) -> None:
        """`asked_at`: in epoch ms; what we say from then on is sent after the invite."""
        assert person.mxid is not None
        await self._recaps.asked(
            tx,
            conversation.tenant_id,
            conversation.conversation_id,
            person.participant_id,
            person.mxid,
            at=asked_at,
        )
        await self._device_lists.arrived(tx, [person.mxid])

    async def invited(self, tx: Transaction, room: Room, participant_id: ParticipantId, *, at: int) -> None:
        await self._recaps.invited(tx, room.conversation_id, participant_id, at=at)

    async def joined(
        self, tx: Transaction, room: Room, participant_id: ParticipantId, user_id: str, *, at: int
    ) -> None:
        """Homeservers do not tell of devices that somebody has got while they were invited only: ask."""
        if await self._recaps.came(tx, room.conversation_id, participant_id, at=at):
            await self._device_lists.want(tx, user_id)

    async def gone(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        await self._recaps.went(tx, conversation_id, participant_id)
