"""How a conversation looks to the API."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from bridge.conversations.model import Member, Role, Status
from bridge.conversations.ports import MessageFigures, RoomIds, UnreadCounts
from bridge.conversations.store import ConversationStore, Stored
from bridge.core.ids import ParticipantId
from bridge.storage.database import Reader
from bridge.web.fields import Time, rfc3339


class ParticipantView(BaseModel):
    participant_id: str
    name: str
    role: Role
    mxid: str | None = Field(description="of an account holder; for anybody else a ghost speaks")
    unread_count: int = Field(description="messages of others that they have not read")


class ConversationView(BaseModel):
    conversation_id: str
    type: Literal["direct"]
    title: str
    status: Status
    party_id: str
    vendor_id: str
    participants: list[ParticipantView]
    message_count: int
    last_message_at: Time | None
    unread_count: int | None = Field(description="of the person who asks; null for a program")
    room_id: str | None = Field(description="the Matrix room; null until it has been made")
    created_at: Time
    updated_at: Time


class ConversationPage(BaseModel):
    conversations: list[ConversationView]
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")


class ConversationViews:
    def __init__(
        self, store: ConversationStore, messages: MessageFigures, rooms: RoomIds, unread: UnreadCounts
    ) -> None:
        self._store = store
        self._messages = messages
        self._rooms = rooms
        self._unread = unread

    async def of(
        self, reader: Reader, listed: Sequence[Stored], *, asked_by: ParticipantId | None = None
    ) -> list[ConversationView]:
        """`asked_by`: the person to whom they are shown; None for programs and staff."""
        ids = [stored.conversation.conversation_id for stored in listed]
        members = await self._store.members_of(reader, ids)
        figures = await self._messages.figures(reader, ids)
        rooms = await self._rooms.room_ids(reader, ids)
        unread = await self._unread.unread(reader, ids)
        views = []
        for stored in listed:
            conversation = stored.conversation
            said = figures.get(conversation.conversation_id)
            counts = unread.get(conversation.conversation_id, {})
            views.append(
                ConversationView(
                    conversation_id=conversation.conversation_id,
                    type="direct",
                    title=conversation.title,
                    status=conversation.status,
                    party_id=conversation.party_id,
                    vendor_id=conversation.vendor_id,
                    participants=[
                        _participant(one, counts) for one in members.get(conversation.conversation_id, ())
                    ],
                    message_count=said.message_count if said else 0,
                    last_message_at=rfc3339(said.last_message_at) if said else None,
                    unread_count=None if asked_by is None else counts.get(asked_by, 0),
                    room_id=rooms.get(conversation.conversation_id),
                    created_at=rfc3339(conversation.created_at),
                    updated_at=rfc3339(stored.updated_at),
                )
            )
        return views


def _participant(member: Member, unread: Mapping[ParticipantId, int]) -> ParticipantView:
    participant = member.participant
    return ParticipantView(
        participant_id=participant.participant_id,
        name=participant.name,
        role=member.role,
        mxid=participant.mxid,
        unread_count=unread.get(participant.participant_id, 0),
    )
