"""Open a conversation: get it or create it, and see that everybody is in it."""

from collections.abc import Sequence

from bridge.conversations import rules
from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.conversations.model import Conversation, Role
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId, new_id
from bridge.delivery.outbox import Outbox
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction


class Conversations:
    def __init__(
        self, store: ConversationStore, participants: ParticipantStore, outbox: Outbox, clock: Clock
    ) -> None:
        self._store = store
        self._participants = participants
        self._outbox = outbox
        self._clock = clock

    async def open(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        party_id: PartyId,
        party_title: str,
        hosts: Sequence[Participant],
        vendor: Participant,
    ) -> Conversation:
        """Return the party's conversation with the vendor; made if there is none. Missing people are added."""
        conversation, _ = await self.get_or_make(
            tx,
            tenant_id=tenant_id,
            party_id=party_id,
            party_title=party_title,
            hosts=hosts,
            vendor=vendor,
        )
        return conversation

    async def get_or_make(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        party_id: PartyId,
        party_title: str,
        hosts: Sequence[Participant],
        vendor: Participant,
    ) -> tuple[Conversation, bool]:
        """As `open`, and whether it was made."""
        vendor_id = VendorId(vendor.participant_id)
        conversation = Conversation(
            tenant_id=tenant_id,
            conversation_id=ConversationId(new_id()),
            party_id=party_id,
            vendor_id=vendor_id,
            title=rules.title(party_title, vendor.name),
            status="active",
            created_at=self._clock.now(),
        )
        made = await self._store.insert(tx, conversation)
        if not made:
            known = await self._store.of_pair(tx, tenant_id, party_id, vendor_id)
            assert known is not None
            conversation = known
        if made or await self._store.clear_failure(tx, conversation.conversation_id):
            opened = ConversationOpened(tenant_id=tenant_id, conversation_id=conversation.conversation_id)
            await self._outbox.record(tx, opened)
        for host in hosts:
            await self._add(tx, conversation, host, "host")
        await self._add(tx, conversation, vendor, "vendor")
        return conversation, made

    async def not_opened(self, tx: Transaction, conversation_id: ConversationId, *, reason: str) -> None:
        """Nobody can be reached in it so far; the next `open` tries again."""
        await self._store.set_failure(tx, conversation_id, reason)

    async def not_added(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, reason: str
    ) -> None:
        """The participant could not be brought in; the next `open` with them tries again."""
        await self._store.set_member_failure(tx, conversation_id, participant_id, reason)

    async def _add(
        self, tx: Transaction, conversation: Conversation, participant: Participant, role: Role
    ) -> None:
        known = await self._participants.get(tx, participant.tenant_id, participant.participant_id)
        await self._participants.put(tx, participant)
        new = await self._store.add_member(tx, conversation, participant.participant_id, role)
        failed = await self._store.clear_member_failure(
            tx, conversation.conversation_id, participant.participant_id
        )
        wanted = {conversation.conversation_id} if new or failed else set()
        if known is not None and participant.mxid not in (None, known.mxid):
            # Wherever they take part, they can be invited now.
            wanted.update(
                await self._store.of_participant(tx, participant.tenant_id, participant.participant_id)
            )
        for conversation_id in sorted(wanted):
            added = ParticipantAdded(
                tenant_id=conversation.tenant_id,
                conversation_id=conversation_id,
                participant_id=participant.participant_id,
            )
            await self._outbox.record(tx, added)
