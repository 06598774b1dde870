"""A text that is kept ready, with places for what differs each time."""

from dataclasses import dataclass

from bridge.core.ids import ParticipantId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """`text`: with variables, such as "{{host_name}}"."""

    title: str
    text: str
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickReply:
    """`owner_id`: whose it is alone; None: everybody of the tenant may say it. Times in epoch ms."""

    position: int
    quick_reply_id: str
    tenant_id: TenantId
    owner_id: ParticipantId | None
    wording: Wording
    created_at: int
    updated_at: int
