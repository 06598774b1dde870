"""How a message looks to the API."""

from pydantic import BaseModel, Field

from bridge.messages.model import Delivery, Kind, Message, RecipientStatus, SenderType
from bridge.web.fields import Time, rfc3339


class RecipientView(BaseModel):
    participant_id: str
    status: RecipientStatus = Field(
        description="sent: the room has it, they could not be brought in; delivered: both are there; read: by a public"
        " receipt or by this API"
    )
    read_at: Time | None


class MessageView(BaseModel):
    message_id: str
    conversation_id: str
    sender_id: str | None = Field(description="the participant; null for Festimo and the platform")
    sender_type: SenderType
    message_type: Kind
    content: str = Field(description="what it says now; empty once it is deleted")
    status: RecipientStatus = Field(
        description="as far as it has come for everybody. pending: on its way to the room; sent: the room has it, and"
        " somebody could not be brought in; delivered: all have it; read: all have read it"
    )
    failure_reason: str | None
    event_id: str | None = Field(description="of the Matrix event; null until it is sent")
    sent_at: Time
    read_at: Time | None = Field(description="when the last of its recipients read it; null before that")
    recipients: list[RecipientView] = Field(description="who was there when it was said, and did not say it")
    is_edited: bool
    edited_at: Time | None = Field(description="the last time")
    is_deleted: bool = Field(description="for everyone; what it said is gone")


class MessagePage(BaseModel):
    messages: list[MessageView] = Field(description="oldest first")
    before: str | None = Field(
        description="for `before`, to get what was said earlier; null at the beginning"
    )
    after: str = Field(description="for `after`, to get what is said later, now or when you ask again")


def view_of(message: Message, delivery: Delivery) -> MessageView:
    return MessageView(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        sender_id=message.sender_id,
        sender_type=message.sender_type,
        message_type=message.kind,
        content=message.text,
        status=delivery.status,
        failure_reason=message.failure_reason,
        event_id=message.origin_id,
        sent_at=rfc3339(message.created_at),
        read_at=None if delivery.read_at is None else rfc3339(delivery.read_at),
        recipients=[
            RecipientView(
                participant_id=one.participant_id,
                status=one.status,
                read_at=None if one.read_at is None else rfc3339(one.read_at),
            )
            for one in delivery.recipients
        ],
        is_edited=message.edited_at is not None,
        edited_at=None if message.edited_at is None else rfc3339(message.edited_at),
        is_deleted=message.is_deleted,
    )
