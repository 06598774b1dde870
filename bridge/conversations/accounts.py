"""A participant gets an account of their own, or gives it up: who speaks for them, wherever they take part."""

from bridge.conversations.errors import AccountTaken
from bridge.conversations.events import AccountUnlinked, ConversationChanged, ParticipantAdded
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.store import ConversationStore
from bridge.core.errors import NotFound
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.participants.erasures import ErasureStore
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction


class Accounts:
    def __init__(
        self,
        store: ConversationStore,
        participants: ParticipantStore,
        lists: PartyLists,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._participants = participants
        self._lists = lists
        self._outbox = outbox
        self._erasures = ErasureStore()

    async def link(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId, mxid: str
    ) -> Participant:
        """What they have said and read stays theirs. The same account again changes nothing."""
        known = await self._known(tx, tenant_id, participant_id)
        if known.mxid == mxid:
            return known
        await self._erasures.check(tx, tenant_id, participant_id)
        await self.check_free(tx, tenant_id, participant_id, mxid)
        await self._participants.set_mxid(tx, tenant_id, participant_id, mxid)
        for conversation_id in await self.changed(tx, known):
            added = ParticipantAdded(
                tenant_id=tenant_id, conversation_id=conversation_id, participant_id=participant_id
            )
            await self._outbox.record(tx, added)
            await self._outbox.record(
                tx, ConversationChanged(tenant_id=tenant_id, conversation_id=conversation_id)
            )
        return await self._known(tx, tenant_id, participant_id)

    async def unlink(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId
    ) -> Participant:
        """From now on they are spoken for again. Who has no account stays as they are."""
        known = await self._known(tx, tenant_id, participant_id)
        if known.mxid is None:
            return known
        await self._participants.set_mxid(tx, tenant_id, participant_id, None)
        for conversation_id in await self.changed(tx, known):
            await self._outbox.record(
                tx, ConversationChanged(tenant_id=tenant_id, conversation_id=conversation_id)
            )
        return await self._known(tx, tenant_id, participant_id)

    async def check_free(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId, mxid: str
    ) -> None:
        """That it is nobody else's. Nobody else takes it until the transaction ends."""
        await tx.lock(f"account:{tenant_id}:{mxid}")
        other = await self._participants.of_mxid(tx, tenant_id, mxid)
        if other is not None and other.participant_id != participant_id:
            raise AccountTaken(
                f"The account that is to be {participant_id}'s is {other.participant_id}'s already. Unlink it there"
                " first. Nothing was changed.",
                field="mxid",
            )

    async def changed(self, tx: Transaction, before: Participant) -> list[ConversationId]:
        """Their account is another one now, or none: return where they take part.

        What the former account has declined, they have not: they are back there.
        """
        for here in await self._store.declined_by(tx, before.tenant_id, before.participant_id):
            await self._store.lock(tx, here)
            if await self._store.clear_declined(tx, here, before.participant_id):
                await self._store.keep_out(tx, here)  # who has another account does not end a block
        places = await self._store.of_participant(tx, before.tenant_id, before.participant_id)
        for conversation_id in places:
            conversation = await self._store.get(tx, conversation_id)
            assert conversation is not None
            await self._lists.changed(tx, conversation)
            if before.mxid is None:
                continue
            unlinked = AccountUnlinked(
                tenant_id=before.tenant_id,
                conversation_id=conversation_id,
                participant_id=before.participant_id,
                address=before.mxid,
            )
            await self._outbox.record(tx, unlinked)
        return places

    async def _known(
        self, tx: Transaction, tenant_id: TenantId, participant_id: ParticipantId
    ) -> Participant:
        person = await self._participants.get(tx, tenant_id, participant_id)
        if person is None:
            raise NotFound("There is no participant with this id. Check the id.", field="participant_id")
        return person
