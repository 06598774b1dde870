"""Who is to be added to a group: as they are known, or as a program of the platform tells of them."""

from dataclasses import dataclass, replace

from bridge.conversations.model import Conversation, Role, Standing
from bridge.conversations.service import Newcomer
from bridge.conversations.store import ConversationStore
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """None: as it is known, which is all that a person may ask for."""

    participant_id: ParticipantId
    name: str | None = None
    mxid: str | None = None
    avatar_url: str | None = None
    vendor_type: str | None = None
    role: Role | None = None
    standing: Standing = "member"

    @property
    def told(self) -> dict[str, str]:
        """What is said of who they are, by field."""
        fields = ("name", "mxid", "avatar_url", "vendor_type")
        return {name: getattr(self, name) for name in fields if getattr(self, name) is not None}


class Additions:
    def __init__(self, store: ConversationStore, participants: ParticipantStore) -> None:
        self._store = store
        self._participants = participants

    async def newcomer(self, tx: Transaction, conversation: Conversation, one: Addition) -> Newcomer:
        """Without a role, they take part as they did before: here, or else where they came last."""
        tenant_id, person = conversation.tenant_id, one.participant_id
        # What is read here is put back as it is: nobody changes it meanwhile.
        await self._participants.lock(tx, tenant_id, person)
        known = await self._participants.get(tx, tenant_id, person)
        if known is not None:
            role = one.role or await self._store.last_role(tx, conversation, person)
            return Newcomer(replace(known, **one.told), role, one.standing)  # type: ignore[arg-type] # all are texts
        if one.name is None or one.role is None:
            raise NotFound(
                f"Nobody is known as {person}. Nothing was changed. Check the id. Of somebody new, programs and staff"
                " tell `name` and `role`.",
                field="participants",
            )
        new = Participant(
            tenant_id=tenant_id,
            participant_id=person,
            name=one.name,
            mxid=one.mxid,
            avatar_url=one.avatar_url,
            vendor_type=one.vendor_type,
        )
        return Newcomer(new, one.role, one.standing)
