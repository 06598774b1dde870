"""How an export looks as JSON."""

from pydantic import BaseModel, Field

from bridge.conversations.model import Role
from bridge.export.model import Subject
from bridge.messages.model import Kind, Message, SenderType, Status
from bridge.web.fields import Time, rfc3339


class ExportedParticipant(BaseModel):
    participant_id: str
    name: str
    role: Role


class ExportedMessage(BaseModel):
    message_id: str
    sender_id: str | None
    sender_name: str
    sender_type: SenderType
    message_type: Kind
    content: str = Field(description="what it says now; empty once it is deleted")
    status: Status
    sent_at: Time
    is_edited: bool
    edited_at: Time | None
    is_deleted: bool
    deleted_at: Time | None


class ExportedConversation(BaseModel):
    conversation_id: str
    title: str
    party_id: str | None
    vendor_id: str | None
    participants: list[ExportedParticipant]
    created_at: Time
    exported_at: Time
    messages: list[ExportedMessage] = Field(description="all of them, oldest first")


def head_of(subject: Subject) -> ExportedConversation:
    """Without its messages."""
    conversation = subject.conversation
    return ExportedConversation(
        conversation_id=conversation.conversation_id,
        title=conversation.title,
        party_id=conversation.party_id,
        vendor_id=conversation.vendor_id,
        participants=[
            ExportedParticipant(
                participant_id=member.participant.participant_id,
                name=member.participant.name,
                role=member.role,
            )
            for member in subject.members
        ],
        created_at=rfc3339(conversation.created_at),
        exported_at=rfc3339(subject.at),
        messages=[],
    )


def view_of(subject: Subject, message: Message) -> ExportedMessage:
    return ExportedMessage(
        message_id=message.message_id,
        sender_id=message.sender_id,
        sender_name=subject.name_of(message.sender_id, message.sender_type),
        sender_type=message.sender_type,
        message_type=message.kind,
        # Half a surrogate pair may come out of a client's JSON, and goes into nobody's.
        content=message.text.encode(errors="replace").decode(),
        status=message.status,
        sent_at=rfc3339(message.created_at),
        is_edited=message.edited_at is not None,
        edited_at=None if message.edited_at is None else rfc3339(message.edited_at),
        is_deleted=message.is_deleted,
        deleted_at=None if message.deleted_at is None else rfc3339(message.deleted_at),
    )
