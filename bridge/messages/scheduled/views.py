"""How a message that is said later looks to the API, and to nobody but its sender and those who see all."""

from pydantic import BaseModel, Field

from bridge.conversations.model import MetadataValue, Priority
from bridge.messages.held import Location, Poll
from bridge.messages.labels.model import NONE
from bridge.messages.model import Kind
from bridge.messages.polls.views import PollView
from bridge.messages.polls.views import view_of as poll_view_of
from bridge.messages.scheduled.model import Scheduled, Status
from bridge.messages.views import LocationView, place_view_of
from bridge.web.fields import Time, rfc3339


class ScheduledMessageView(BaseModel):
    scheduled_id: str = Field(description="the message's id, too, once it is sent")
    conversation_id: str
    sender_id: str
    message_type: Kind | None = Field(description="null once it is sent or cancelled")
    content: str = Field(description="what it will say; empty once it is sent or cancelled")
    html: str | None
    location: LocationView | None
    poll: PollView | None
    mentions: list[str]
    reply_to: str | None
    thread_id: str | None
    priority: Priority
    tags: list[str]
    booking_id: str | None
    lead_id: str | None
    metadata: dict[str, MetadataValue]
    send_at: Time
    status: Status = Field(
        description="scheduled: nobody else knows of it; sent: it is a message of the conversation; failed: it was"
        " refused when its time had come"
    )
    failure_reason: str | None
    created_at: Time
    updated_at: Time


def view_of(one: Scheduled) -> ScheduledMessageView:
    draft = one.draft
    labels = NONE if draft is None else draft.labels
    held = None if draft is None else draft.held
    return ScheduledMessageView(
        scheduled_id=one.scheduled_id,
        conversation_id=one.conversation_id,
        sender_id=one.sender_id,
        message_type=None if draft is None else draft.kind,
        content="" if draft is None else draft.text,
        html=None if draft is None else draft.html,
        location=place_view_of(held) if isinstance(held, Location) else None,
        poll=poll_view_of(held, (), None, me=None) if isinstance(held, Poll) else None,
        mentions=[] if draft is None else list(draft.mentions),
        reply_to=None if draft is None else draft.reply_to,
        thread_id=None if draft is None else draft.thread_id,
        priority=labels.priority,
        tags=list(labels.tags),
        booking_id=labels.booking_id,
        lead_id=labels.lead_id,
        metadata=dict(labels.metadata),
        send_at=rfc3339(one.send_at),
        status=one.status,
        failure_reason=one.failure_reason,
        created_at=rfc3339(one.created_at),
        updated_at=rfc3339(one.updated_at),
    )
