"""How a conversation looks to the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from bridge.conversations.change_store import ChangeStore
from bridge.conversations.model import (
    Away,
    Details,
    Member,
    NotificationLevel,
    Priority,
    Resolution,
    Role,
    Settings,
    Standing,
    Status,
    Type,
)
from bridge.conversations.ports import Figures, MessageFigures, RoomIds, UnreadCounts
from bridge.conversations.response_times import ResponseTimes, ResponseTimeStore
from bridge.conversations.store import ConversationStore, Stored
from bridge.core.ids import BookingId, ConversationId, ParticipantId
from bridge.storage.database import Reader
from bridge.web.fields import Time, rfc3339


class ParticipantView(BaseModel):
    participant_id: str
    name: str
    role: Role
    standing: Standing = Field(description="owners and admins may change the conversation")
    mxid: str | None = Field(description="of an account holder; for anybody else a ghost speaks")
    away: Away | None = Field(
        description="why they are not there any more, or have not come; null while they are"
    )
    failure: str | None = Field(
        description="why they could not be brought in; null where they could, or may yet"
    )
    unread_count: int = Field(description="messages of others that they have not read")


class SettingsView(BaseModel):
    """A participant's own. They concern lists and what Festimo notifies of; a Matrix client has settings of its own."""

    muted: bool
    pinned: bool
    sound: bool
    notification_level: NotificationLevel


class LastMessageView(BaseModel):
    message_id: str
    sender_id: str | None = Field(description="the participant; null for Festimo and the platform")
    content: str = Field(description="empty where it was deleted")
    sent_at: Time


class MetricsView(BaseModel):
    """Response times are averages in seconds, from the first message that waits to the first that answers it; null
    where nobody has answered."""

    host_response_time: float | None
    vendor_response_time: float | None
    staff_response_time: float | None
    unanswered_since: Time | None = Field(
        description="from when the first message is that nobody has answered"
    )


class ConversationView(BaseModel):
    conversation_id: str
    type: Type
    title: str
    subject: str | None
    description: str | None
    status: Status
    category: str | None
    tags: list[str]
    priority: Priority
    resolution: Resolution | None = Field(description="of support; null of anything else")
    resolved_at: Time | None = Field(description="since when the resolution is not `open`")
    metadata: dict[str, str | int | float | bool | None]
    party_id: str | None = Field(description="the first of its parties; null where there is none")
    party_ids: list[str] = Field(description="several only with `conversation.scope: host_vendor`")
    vendor_id: str | None = Field(description="null in a party's own conversation, groups and support")
    vendor_type: str | None
    host_id: str | None = Field(description="the first of the hosts")
    booking_ids: list[str]
    event_id: str | None
    lead_id: str | None
    service_type: str | None
    participants: list[ParticipantView]
    settings: SettingsView | None = Field(description="of the person who asks, or is asked for; else null")
    message_count: int
    last_message: LastMessageView | None
    last_message_at: Time | None
    unread_count: int | None = Field(description="of the person who asks; null for a program")
    metrics: MetricsView
    room_id: str | None = Field(description="the Matrix room; null until it has been made")
    archived_at: Time | None
    closed_at: Time | None = Field(description="nobody can write in it since then")
    created_at: Time
    updated_at: Time


class ConversationPage(BaseModel):
    conversations: list[ConversationView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class ConversationViews:
    def __init__(
        self,
        store: ConversationStore,
        changes: ChangeStore,
        messages: MessageFigures,
        rooms: RoomIds,
        unread: UnreadCounts,
    ) -> None:
        self._store = store
        self._changes = changes
        self._messages = messages
        self._rooms = rooms
        self._unread = unread
        self._response_times = ResponseTimeStore()

    async def of(
        self, reader: Reader, listed: Sequence[Stored], *, person: ParticipantId | None = None
    ) -> list[ConversationView]:
        """`person`: whose settings and unread messages are shown."""
        ids = [stored.conversation.conversation_id for stored in listed]
        members = await self._store.members_of(reader, ids)
        figures = await self._messages.figures(reader, ids, person=person)
        rooms = await self._rooms.room_ids(reader, ids)
        unread = await self._unread.unread(reader, ids)
        details = await self._changes.details_of(reader, ids)
        bookings = await self._changes.bookings_of(reader, ids)
        times = await self._response_times.of(reader, ids)
        settings = {} if person is None else await self._changes.settings_of(reader, ids, person)
        return [
            _view(
                stored,
                members=members.get(here, ()),
                said=figures.get(here),
                room_id=rooms.get(here),
                details=details.get(here, Details()),
                booking_ids=bookings.get(here, ()),
                times=times.get(here),
                settings=settings.get(here),
                unread=unread.get(here, {}),
                person=person,
            )
            for stored, here in zip(listed, ids, strict=True)
        ]

    async def settings(
        self, reader: Reader, conversation_id: ConversationId
    ) -> Mapping[ParticipantId, Settings]:
        """Everybody's own."""
        return await self._changes.settings_in(reader, conversation_id)

    async def own(
        self,
        reader: Reader,
        view: ConversationView,
        person: ParticipantId,
        *,
        settings: Settings | None,
        sees_all: bool,
    ) -> ConversationView:
        """As `of` shows it to this person. `view`: as it shows it to a program; `sees_all`: nothing that was said in it
        is hidden from them."""
        unread = next((one.unread_count for one in view.participants if one.participant_id == person), 0)
        own: dict[str, object] = {
            "settings": None if settings is None else settings_view(settings),
            "unread_count": unread,
        }
        if not sees_all:
            here = ConversationId(view.conversation_id)
            said = (await self._messages.figures(reader, [here], person=person)).get(here)
            own |= _said(said)
        return view.model_copy(update=own)


def _view(
    stored: Stored,
    *,
    members: Sequence[Member],
    said: Figures | None,
    room_id: str | None,
    details: Details,
    booking_ids: Sequence[BookingId],
    times: ResponseTimes | None,
    settings: Settings | None,
    unread: Mapping[ParticipantId, int],
    person: ParticipantId | None,
) -> ConversationView:
    conversation = stored.conversation
    people = {str(member.participant.participant_id): member.participant for member in members}
    vendor = people.get(conversation.vendor_id or "")
    hosts = [member.participant.participant_id for member in members if member.role == "host"]
    return ConversationView(
        conversation_id=conversation.conversation_id,
        type=conversation.type,
        title=conversation.title,
        subject=details.subject,
        description=details.description,
        status=conversation.status,
        category=details.category,
        tags=list(details.tags),
        priority=conversation.priority,
        resolution=conversation.resolution,
        resolved_at=_time(conversation.resolved_at),
        metadata=details.metadata,
        party_id=next(iter(conversation.party_ids), None),
        party_ids=list(conversation.party_ids),
        vendor_id=conversation.vendor_id,
        vendor_type=None if vendor is None else vendor.vendor_type,
        host_id=hosts[0] if hosts else None,
        booking_ids=list(booking_ids),
        event_id=conversation.event_id,
        lead_id=conversation.lead_id,
        service_type=conversation.service_type,
        participants=[_participant(member, unread) for member in members],
        settings=None if settings is None else settings_view(settings),
        **_said(said),
        unread_count=None if person is None else unread.get(person, 0),
        metrics=_metrics(times),
        room_id=room_id,
        archived_at=_time(conversation.archived_at),
        closed_at=_time(conversation.closed_at),
        created_at=rfc3339(conversation.created_at),
        updated_at=rfc3339(stored.updated_at),
    )


def settings_view(settings: Settings) -> SettingsView:
    return SettingsView(
        muted=settings.muted,
        pinned=settings.pinned,
        sound=settings.sound,
        notification_level=settings.notification_level,
    )


def _metrics(times: ResponseTimes | None) -> MetricsView:
    def seconds(role: Role) -> float | None:
        average = times.of[role].average if times is not None and role in times.of else None
        return None if average is None else average / 1000

    return MetricsView(
        host_response_time=seconds("host"),
        vendor_response_time=seconds("vendor"),
        staff_response_time=seconds("staff"),
        unanswered_since=None if times is None else rfc3339(times.waiting_since),
    )


def _said(said: Figures | None) -> dict[str, Any]:
    """What a view shows of it."""
    if said is None:
        return {"message_count": 0, "last_message": None, "last_message_at": None}
    at = rfc3339(said.last_message_at)
    last = said.last and LastMessageView(
        message_id=said.last.message_id,
        sender_id=said.last.sender_id,
        content=said.last.text,
        sent_at=at,
    )
    return {"message_count": said.message_count, "last_message": last, "last_message_at": at}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339(milliseconds)


def _participant(member: Member, unread: Mapping[ParticipantId, int]) -> ParticipantView:
    participant = member.participant
    return ParticipantView(
        participant_id=participant.participant_id,
        name=participant.name,
        role=member.role,
        standing=member.standing,
        mxid=participant.mxid,
        away=member.away,
        failure=member.failure,
        unread_count=unread.get(participant.participant_id, 0),
    )
