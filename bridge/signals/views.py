"""How signals look to the API."""

from pydantic import BaseModel, Field

from bridge.signals.model import PresenceState
from bridge.web.fields import Time


class TypistView(BaseModel):
    participant_id: str
    until: Time = Field(description="when it ends by itself")


class TypingView(BaseModel):
    conversation_id: str
    typing: list[TypistView] = Field(description="who types now, in the order in which they began")


class PersonPresenceView(BaseModel):
    participant_id: str
    presence: PresenceState
    last_seen: Time | None = Field(description="to about five minutes; null where they were never seen")


class PresenceView(BaseModel):
    conversation_id: str
    participants: list[PersonPresenceView]


class ReadView(BaseModel):
    conversation_id: str
    participant_id: str
    read_count: int = Field(description="messages that were not read before")
    unread_count: int = Field(description="messages that are still not read")
    last_read_message_id: str | None = Field(description="what they have read of a thread alone is apart")
    read_at: Time | None = Field(description="when they read as far as that")


class MessagesReadView(BaseModel):
    participant_id: str
    read_count: int = Field(description="messages that were not read before, in all conversations together")
    conversations: list[ReadView]


class UnreadView(BaseModel):
    conversation_id: str
    unread_count: int


class UnreadPage(BaseModel):
    participant_id: str
    unread_count: int = Field(description="in all their conversations, those on other pages too")
    conversations: list[UnreadView] = Field(description="those with something unread")
    next_cursor: str | None = Field(description="for `cursor`, to get the next page; null on the last one")
