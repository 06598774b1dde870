"""How a conversation looks to the API."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from bridge.conversations.change_store import ChangeStore
from bridge.conversations.model import (
    Away,
    Details,
    Member,
    NotificationLevel,
    Priority,
    Role,
    Settings,
    Standing,
    Status,
    Type,
)
from bridge.conversations.ports import Figures, MessageFigures, RoomIds, UnreadCounts
from bridge.conversations.store import ConversationStore, Stored
from bridge.core.ids import BookingId, ParticipantId
from bridge.storage.database import Reader
from bridge.web.fields import Time, rfc3339


class ParticipantView(BaseModel):
    participant_id: str
    name: str
    role: Role
    standing: Standing = Field(description="owners and admins may change the conversation")
    mxid: str | None = Field(description="of an account holder; for anybody else a ghost speaks")
    away: Away | None = Field(description="why they are not there any more, or have not come; null while they are")
    failure: str | None = Field(description="why they could not be brought in; null where they could, or may yet")
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
    metadata: dict[str, str | int | float | bool | None]
    party_id: str | None = Field(description="null where a vendor was asked without a party")
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

    async def of(
        self, reader: Reader, listed: Sequence[Stored], *, person: ParticipantId | None = None
    ) -> list[ConversationView]:
        """`person`: whose settings and unread messages are shown."""
        ids = [stored.conversation.conversation_id for stored in listed]
        members = await self._store.members_of(reader, ids)
        figures = await self._messages.figures(reader, ids)
        rooms = await self._rooms.room_ids(reader, ids)
        unread = await self._unread.unread(reader, ids)
        details = await self._changes.details_of(reader, ids)
        bookings = await self._changes.bookings_of(reader, ids)
        settings = {} if person is None else await self._changes.settings_of(reader, ids, person)
        return [
            _view(
                stored,
                members=members.get(here, ()),
                said=figures.get(here),
                room_id=rooms.get(here),
                details=details.get(here, Details()),
                booking_ids=bookings.get(here, ()),
                settings=settings.get(here),
                unread=unread.get(here, {}),
                person=person,
            )
            for stored, here in zip(listed, ids, strict=True)
        ]


def _view(
    stored: Stored,
    *,
    members: Sequence[Member],
    said: Figures | None,
    room_id: str | None,
    details: Details,
    booking_ids: Sequence[BookingId],
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
        metadata=details.metadata,
        party_id=conversation.party_id,
        vendor_id=conversation.vendor_id,
        vendor_type=None if vendor is None else vendor.vendor_type,
        host_id=hosts[0] if hosts else None,
        booking_ids=list(booking_ids),
        event_id=conversation.event_id,
        lead_id=conversation.lead_id,
        service_type=conversation.service_type,
        participants=[_participant(member, unread) for member in members],
        settings=None if settings is None else settings_view(settings),
        message_count=said.message_count if said else 0,
        last_message=_last(said),
        last_message_at=rfc3339(said.last_message_at) if said else None,
        unread_count=None if person is None else unread.get(person, 0),
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


def _last(said: Figures | None) -> LastMessageView | None:
    if said is None or said.last is None:
        return None
    return LastMessageView(
        message_id=said.last.message_id,
        sender_id=said.last.sender_id,
        content=said.last.text,
        sent_at=rfc3339(said.last_message_at),
    )


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
