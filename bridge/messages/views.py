"""How a message looks to the API."""

from pydantic import BaseModel, Field

from bridge.messages.model import Kind, Message, SenderType, Status
from bridge.web.fields import Time, rfc3339


class MessageView(BaseModel):
    message_id: str
    conversation_id: str
    sender_id: str | None = Field(description="the participant; null for Festimo and the platform")
    sender_type: SenderType
    message_type: Kind
    content: str = Field(description="what it says now; empty once it is deleted")
    status: Status = Field(description="pending: on its way to the room; sent: everybody there has it")
    failure_reason: str | None
    event_id: str | None = Field(description="of the Matrix event; null until it is sent")
    sent_at: Time
    is_edited: bool
    edited_at: Time | None = Field(description="the last time")
    is_deleted: bool = Field(description="for everyone; what it said is gone")


class MessagePage(BaseModel):
    messages: list[MessageView] = Field(description="oldest first")
    before: str | None = Field(
        description="for `before`, to get what was said earlier; null at the beginning"
    )
    after: str = Field(description="for `after`, to get what is said later, now or when you ask again")


def view_of(message: Message) -> MessageView:
    return MessageView(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        sender_id=message.sender_id,
        sender_type=message.sender_type,
        message_type=message.kind,
        content=message.text,
        status=message.status,
        failure_reason=message.failure_reason,
        event_id=message.origin_id,
        sent_at=rfc3339(message.created_at),
        is_edited=message.edited_at is not None,
        edited_at=None if message.edited_at is None else rfc3339(message.edited_at),
        is_deleted=message.is_deleted,
    )
