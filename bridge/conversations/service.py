"""Open a conversation: get it or create it, and see that everybody is in it."""

from collections.abc import Sequence

from bridge.conversations import rules
from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.conversations.model import Conversation, Role
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, PartyId, TenantId, VendorId, new_id
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
        if made:
            opened = ConversationOpened(tenant_id=tenant_id, conversation_id=conversation.conversation_id)
            await self._outbox.record(tx, opened)
        else:
            known = await self._store.of_pair(tx, tenant_id, party_id, vendor_id)
            assert known is not None
            conversation = known
        for host in hosts:
            await self._add(tx, conversation, host, "host")
        await self._add(tx, conversation, vendor, "vendor")
        return conversation, made

    async def _add(
        self, tx: Transaction, conversation: Conversation, participant: Participant, role: Role
    ) -> None:
        await self._participants.put(tx, participant)
        if await self._store.add_member(tx, conversation, participant.participant_id, role):
            added = ParticipantAdded(
                tenant_id=conversation.tenant_id,
                conversation_id=conversation.conversation_id,
                participant_id=participant.participant_id,
            )
            await self._outbox.record(tx, added)
