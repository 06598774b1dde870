"""Change who somebody is: their name and picture, as Matrix shows them. Asked again, nothing changes more."""

from collections.abc import Callable

from bridge.core.ids import ParticipantId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.participants.events import appearance_changed
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction


class People:
    def __init__(self, store: ParticipantStore, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def change(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        participant_id: ParticipantId,
        changed: Callable[[Participant], Participant],
    ) -> None:
        """`changed` gives what they are to be, of what they are. Of whom nothing is known, nothing becomes known."""
        known = await self._store.get(tx, tenant_id, participant_id)
        if known is None:
            return
        after = changed(known)
        if (after.name, after.avatar_url) == (known.name, known.avatar_url):
            return
        await self._store.set_appearance(tx, after)
        await self._outbox.record(tx, appearance_changed(tenant_id, participant_id))
