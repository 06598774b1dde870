"""How the file of a message looks to the API: what is known of it, never where it lies or what opens it."""

from pydantic import BaseModel, Field

from bridge.messages.held import Document, Media
from bridge.messages.model import Message
from bridge.web.fields import Time, rfc3339


class AttachmentView(BaseModel):
    """As whoever sent it describes it: nobody has looked into it yet."""

    attachment_id: str
    message_id: str
    file_name: str
    file_type: str | None = Field(description="such as image/jpeg, as the sender's client says")
    file_size: int | None = Field(description="in bytes")
    url: str | None = Field(description="null: it cannot be fetched here yet, only in Matrix clients")
    thumbnail_url: str | None = Field(description="likewise")
    width: int | None = Field(description="in pixels")
    height: int | None = Field(description="in pixels")
    duration: int | None = Field(description="in milliseconds")
    uploaded_at: Time


def attachments_of(message: Message) -> list[AttachmentView]:
    held = message.held
    if isinstance(held, Document):
        held = Media(
            attachment_id=held.attachment_id,
            name=held.name,
            source={},
            mimetype=held.mimetype,
            size=len(held.text.encode()),
        )
    if not isinstance(held, Media):
        return []
    return [
        AttachmentView(
            attachment_id=held.attachment_id,
            message_id=message.message_id,
            file_name=held.name,
            file_type=held.mimetype,
            file_size=held.size,
            url=None,
            thumbnail_url=None,
            width=held.width,
            height=held.height,
            duration=held.duration,
            uploaded_at=rfc3339(message.created_at),
        )
    ]
