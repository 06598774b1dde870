"""A message of a conversation."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ConversationId, LeadId, MessageId, ParticipantId, TenantId
from bridge.messages.held import Held

Kind = Literal["text", "image", "file", "video", "audio", "voice", "location", "poll", "quote", "system"]
MEDIA: tuple[Kind, ...] = ("image", "file", "video", "audio", "voice")
SenderType = Literal["user", "vendor", "festimo", "system"]
Direction = Literal["inbound", "outbound"]
Status = Literal["pending", "sent", "failed"]
RecipientStatus = Literal["pending", "sent", "delivered", "read", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`position` orders the messages of a conversation; `origin_id` is the outside's id of it, once it has one.

    `origin_sender`: who said it there, by the outside's name; `from_client`: written there, not handed to us.
    `text`, `html`: what it says now, plain and formatted; nothing once it is deleted. `held`: the file, place or poll
    that it is of, likewise. `mentions`: to whom it speaks.
    `reply_to`: the message it answers; `thread_id`: the message that began the thread it is in.
    `forwarded`: it repeats what was said elsewhere. `lead_id`: of the lead that it belongs to.
    """

    tenant_id: TenantId
    message_id: MessageId
    conversation_id: ConversationId
    position: int
    sender_id: ParticipantId | None
    sender_type: SenderType
    kind: Kind
    text: str
    status: Status
    failure_reason: str | None
    origin_id: str | None
    created_at: int
    origin_sender: str | None = None
    from_client: bool = False
    edited_at: int | None = None
    deleted_at: int | None = None
    html: str | None = None
    held: Held | None = None
    mentions: tuple[ParticipantId, ...] = ()
    reply_to: MessageId | None = None
    thread_id: MessageId | None = None
    forwarded: bool = False
    lead_id: LeadId | None = None

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One for whom a message is. `read_at`: in epoch ms."""

    participant_id: ParticipantId
    status: RecipientStatus
    read_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far a message has come. `read_at`: when the last of its recipients read it; None before that."""

    status: RecipientStatus
    read_at: int | None
    recipients: tuple[Recipient, ...]
