"""How an export looks as JSON."""

from pydantic import BaseModel, Field

from bridge.conversations.model import MetadataValue, Priority, Role
from bridge.export.model import Said, Subject
from bridge.messages.attachment_views import AttachmentView, attachments_of
from bridge.messages.held import Location, Poll
from bridge.messages.model import Kind, SenderType, Status
from bridge.messages.polls.views import PollView
from bridge.messages.polls.views import view_of as poll_view_of
from bridge.messages.reactions.views import ReactionView, views_of
from bridge.messages.views import LocationView, place_view_of
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
    html: str | None = Field(description="the same, formatted, and safe to show")
    attachments: list[AttachmentView]
    location: LocationView | None
    poll: PollView | None
    mentions: list[str]
    reply_to: str | None = Field(description="the message that it answers")
    thread_id: str | None = Field(description="the message that began the thread it is in")
    reactions: list[ReactionView]
    is_pinned: bool
    is_forwarded: bool
    priority: Priority
    tags: list[str]
    booking_id: str | None
    lead_id: str | None
    metadata: dict[str, MetadataValue]
    event_id: str | None = Field(description="of the Matrix event")
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


def view_of(subject: Subject, said: Said) -> ExportedMessage:
    message, held, labels = said.message, said.message.held, said.labels
    return ExportedMessage(
        message_id=message.message_id,
        sender_id=message.sender_id,
        sender_name=subject.name_of(message.sender_id, message.sender_type),
        sender_type=message.sender_type,
        message_type=message.kind,
        # Half a surrogate pair may come out of a client's JSON, and goes into nobody's.
        content=message.text.encode(errors="replace").decode(),
        html=message.html,
        attachments=attachments_of(message),
        location=place_view_of(held) if isinstance(held, Location) else None,
        poll=poll_view_of(held, said.votes, said.end, me=subject.seen_by) if isinstance(held, Poll) else None,
        mentions=list(message.mentions),
        reply_to=message.reply_to,
        thread_id=message.thread_id,
        reactions=views_of(said.reactions, me=subject.seen_by),
        is_pinned=said.is_pinned,
        is_forwarded=message.forwarded,
        priority=labels.priority,
        tags=list(labels.tags),
        booking_id=labels.booking_id,
        lead_id=message.lead_id,
        metadata=dict(labels.metadata),
        event_id=message.origin_id,
        status=message.status,
        sent_at=rfc3339(message.created_at),
        is_edited=message.edited_at is not None,
        edited_at=None if message.edited_at is None else rfc3339(message.edited_at),
        is_deleted=message.is_deleted,
        deleted_at=None if message.deleted_at is None else rfc3339(message.deleted_at),
    )
