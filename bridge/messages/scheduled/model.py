"""What somebody will say."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.messages.held import Held
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.model import Kind

Status = Literal["scheduled", "sent", "failed", "cancelled"]
OPEN: tuple[Status, ...] = ("scheduled", "failed")
"""What its sender can still change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What it will say, as `Messages.post` takes it."""

    text: str
    html: str | None = None
    kind: Kind = "text"
    held: Held | None = None
    mentions: tuple[ParticipantId, ...] = ()
    reply_to: MessageId | None = None
    thread_id: MessageId | None = None
    labels: Labels = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """`scheduled_id`: the message's id, once it is sent. `draft`: None, once it is sent or cancelled.

    Times in epoch ms. `position`: of two for the same moment, the lower one is sent first.
    """

    position: int
    scheduled_id: MessageId
    tenant_id: TenantId
    conversation_id: ConversationId
    sender_id: ParticipantId
    draft: Draft | None
    send_at: int
    status: Status
    failure_reason: str | None
    created_at: int
    updated_at: int
