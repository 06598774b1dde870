"""What happened to a person: in no conversation, so each person has a place of their own, and order in it."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import ConversationId, ParticipantId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceChanged(Event):
    """Their name or picture is another one: read them for what it is now."""

    participant_id: ParticipantId


def appearance_changed(tenant_id: TenantId, participant_id: ParticipantId) -> AppearanceChanged:
    return AppearanceChanged(
        tenant_id=tenant_id,
        # Instead of a conversation's id; no id holds a slash.
        conversation_id=ConversationId(f"person/{tenant_id}/{participant_id}"),
        participant_id=participant_id,
    )
