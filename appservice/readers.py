"""Who has a device to read with: what the device lists say, told to the recaps. Decides nothing about them."""

from collections.abc import Collection

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.sharing import NO_OLM, ShareWith, withheld_code
from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.model import Conversation
from bridge.core.ids import ConversationId, ParticipantId
from bridge.participants.model import Participant
from bridge.recap.service import Recaps
from bridge.storage.database import Reader, Transaction

# Who has no one-time key is asked for one before each message; the one that could not be encrypted does not count.
CLAIM_AGAIN = """
UPDATE session_shares SET message_index = message_index - 1 WHERE user_id = $1 AND outcome = $2
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
            for identity, device in (await self._device_lists.known(reader, [user_id])).devices
        )

    # What the device lists tell

    async def known(self, tx: Transaction, user_id: str) -> None:
        """The user's devices have just been stored."""
        if self._names.is_ours(user_id):
            return
        if await self.can_read(tx, user_id):
            await self._recaps.can_read(tx, user_id)
        else:
            await self._recaps.cannot_read(tx, user_id)

    async def unreachable(self, tx: Transaction, user_ids: Collection[str]) -> None:
        """Their own servers did not answer: whoever's devices were never seen gets no keys."""
        for user_id in sorted(user_ids):
            if not await self.can_read(tx, user_id):
                await self._recaps.cannot_read(tx, user_id)

    async def look_again(self, tx: Transaction, user_id: str) -> None:
        """Their devices could not be given a key: ask for them, and for their one-time keys, once more."""
        await tx.execute(CLAIM_AGAIN, user_id, NO_OLM)
        await self._device_lists.want(tx, user_id)

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
