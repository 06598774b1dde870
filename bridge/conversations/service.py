"""Open a conversation: get it or create it, and see that everybody is in it."""

from collections.abc import Sequence

from bridge.conversations import rules
from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.conversations.model import Away, Conversation, Role
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId, new_id
from bridge.delivery.outbox import Outbox
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction

_Place = tuple[ConversationId, ParticipantId]


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
        bring_back: bool = True,
    ) -> Conversation:
        """Return the party's conversation with the vendor; made if there is none. Missing people are added.

        `bring_back`: those who declined or left are invited again.
        """
        conversation, _ = await self.get_or_make(
            tx,
            tenant_id=tenant_id,
            party_id=party_id,
            party_title=party_title,
            hosts=hosts,
            vendor=vendor,
            bring_back=bring_back,
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
        bring_back: bool = True,
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
        again = await self._store.clear_failure(tx, conversation.conversation_id)
        if made or again:
            opened = ConversationOpened(tenant_id=tenant_id, conversation_id=conversation.conversation_id)
            await self._outbox.record(tx, opened)
        wanted: list[_Place] = []
        if again:  # a new room: everybody has to come in
            members = await self._store.members(tx, conversation.conversation_id)
            wanted += [(conversation.conversation_id, m.participant.participant_id) for m in members]
        for host in hosts:
            wanted += await self._add(tx, conversation, host, "host", bring_back=bring_back)
        wanted += await self._add(tx, conversation, vendor, "vendor", bring_back=bring_back)
        for conversation_id, participant_id in dict.fromkeys(wanted):
            added = ParticipantAdded(
                tenant_id=tenant_id, conversation_id=conversation_id, participant_id=participant_id
            )
            await self._outbox.record(tx, added)
        return conversation, made

    async def not_opened(self, tx: Transaction, conversation_id: ConversationId, *, reason: str) -> None:
        """Nobody can be reached in it so far; the next `open` tries again."""
        await self._store.set_failure(tx, conversation_id, reason)

    async def opened_again(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """What failed is about to be tried once more."""
        await self._store.clear_failure(tx, conversation_id)

    async def not_added(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, reason: str
    ) -> None:
        """The participant could not be brought in; the next `open` with them tries again."""
        await self._store.set_member_failure(tx, conversation_id, participant_id, reason)

    async def added_again(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        """What failed is about to be tried once more."""
        await self._store.clear_member_failure(tx, conversation_id, participant_id)

    async def went(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, away: Away
    ) -> None:
        await self._store.set_away(tx, conversation_id, participant_id, away)

    async def came(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        await self._store.set_there(tx, conversation_id, participant_id)

    async def _add(
        self,
        tx: Transaction,
        conversation: Conversation,
        participant: Participant,
        role: Role,
        *,
        bring_back: bool,
    ) -> list[_Place]:
        """Return who has to be brought in where."""
        here, person = conversation.conversation_id, participant.participant_id
        known = await self._participants.get(tx, participant.tenant_id, person)
        await self._participants.put(tx, participant)
        new = await self._store.add_member(tx, conversation, person, role)
        failed = await self._store.clear_member_failure(tx, here, person)
        returns = bring_back and await self._store.clear_away(tx, here, person)
        wanted = [(here, person)] if new or failed or returns else []
        if known is not None and participant.mxid not in (None, known.mxid):
            # Wherever they take part, they can be invited now.
            everywhere = await self._store.of_participant(tx, participant.tenant_id, person)
            wanted += [(conversation_id, person) for conversation_id in everywhere]
        return wanted
