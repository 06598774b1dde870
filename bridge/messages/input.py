"""What is to be said, as the API takes it: a text, a place or a poll."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from bridge.conversations.change_input import (
    METADATA_KEY,
    MOST_METADATA,
    MOST_TAGS,
    MetadataKey,
    MetadataText,
)
from bridge.conversations.model import Priority
from bridge.core.ids import BookingId, LeadId
from bridge.messages.held import Held
from bridge.messages.labels.model import Labels
from bridge.messages.model import MEDIA
from bridge.messages.places import LONGEST_DESCRIPTION, place_at
from bridge.messages.places import text_of as text_of_place
from bridge.messages.polls.input import PollToAsk
from bridge.messages.polls.rules import poll_of
from bridge.messages.polls.rules import text_of as text_of_poll
from bridge.web.fields import NOT_IN_A_LINE, Data, Id, Name, Text, line, refuse_repeated, schema, visible
from bridge.web.times import Timestamp

MOST_MENTIONS = 50

PostedKind = Literal["text", "location", "poll"]


def _no_files_yet(kind: object) -> object:
    if kind in MEDIA:
        raise ValueError("Attachments cannot be uploaded yet: send a text, a location or a poll")
    return kind


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    refuse_repeated(ids)
    return ids


def _degrees(most: int) -> Any:
    return Field(ge=-most, le=most, allow_inf_nan=False, description="in degrees")


Description = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_DESCRIPTION),
    AfterValidator(line),
    schema(1, LONGEST_DESCRIPTION, visible(NOT_IN_A_LINE)),
]


class PlaceToTell(Data):
    latitude: Annotated[float, _degrees(90)]
    longitude: Annotated[float, _degrees(180)]
    description: Annotated[Description | None, Field(description="what is there")] = None


HTML = Field(description="the same text, formatted; what could do harm is taken out of it")
_NOTHING = {"type": "null"}


def _kinds(schema: dict[str, Any]) -> None:
    """Which fields go with which kind, in JSON Schema's words."""
    schema["anyOf"] = [
        {
            "properties": {
                "message_type": {"const": "text"},
                "text": {"type": "string"},
                "quick_reply_id": _NOTHING,
                "location": _NOTHING,
                "poll": _NOTHING,
            },
            "required": ["text"],
        },
        {
            "properties": {
                "message_type": {"const": "text"},
                "quick_reply_id": {"type": "string"},
                "text": _NOTHING,
                "html": _NOTHING,
                "location": _NOTHING,
                "poll": _NOTHING,
            },
            "required": ["quick_reply_id"],
        },
        *(
            {
                "properties": {
                    "message_type": {"const": kind},
                    "text": _NOTHING,
                    "html": _NOTHING,
                    "quick_reply_id": _NOTHING,
                    other: _NOTHING,
                    kind: {"type": "object"},
                },
                "required": ["message_type", kind],
            }
            for kind, other in (("location", "poll"), ("poll", "location"))
        ),
    ]


class MessageToPost(Data):
    model_config = ConfigDict(json_schema_extra=_kinds)

    sender_id: Annotated[
        Id | None,
        Field(description="who says it: one of the conversation's participants; a person may leave it out"),
    ] = None
    message_type: Annotated[
        PostedKind,
        BeforeValidator(_no_files_yet),
        WithJsonSchema({"type": "string", "enum": ["text", "location", "poll"]}),
        Field(description="what it is; a location and a poll have a field of that name, and no text"),
    ] = "text"
    quick_reply_id: Annotated[
        Id | None, Field(description="say what this quick reply says, instead of a `text`")
    ] = None
    text: Annotated[
        Text | None,
        Field(description="needed in a text without a `quick_reply_id`", validate_default=True),
    ] = None
    html: Annotated[Text | None, HTML] = None
    location: Annotated[PlaceToTell | None, Field(validate_default=True)] = None
    poll: Annotated[PollToAsk | None, Field(validate_default=True)] = None
    mentions: Annotated[
        tuple[Id, ...],
        Field(
            description="the participants to whom it speaks: their clients tell them",
            max_length=MOST_MENTIONS,
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(_once),
    ] = ()
    reply_to: Annotated[Id | None, Field(description="the message that it answers")] = None
    thread_id: Annotated[
        Id | None,
        Field(description="the message that began the thread; an answer within a thread is in it by itself"),
    ] = None
    priority: Annotated[Priority, Field(description="as its sender sees it")] = "normal"
    tags: Annotated[
        tuple[Name, ...],
        Field(max_length=MOST_TAGS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_once),
    ] = ()
    booking_id: Annotated[
        Id | None, Field(description="the booking that it is about: one that the conversation is linked with")
    ] = None
    lead_id: Annotated[
        Id | None,
        Field(description="the lead that it belongs to: one that has its thread in the conversation"),
    ] = None
    metadata: dict[MetadataKey, MetadataText | int | float | bool | None] = Field(
        default_factory=dict,
        max_length=MOST_METADATA,
        json_schema_extra={"propertyNames": {"pattern": METADATA_KEY}},
    )
    send_at: Annotated[
        Timestamp | None,
        Field(
            description="say it then, and not now: until then nobody else knows of it, and it can be changed"
        ),
    ] = None

    @field_validator("text", "location", "poll")
    @classmethod
    def _goes_with_kind(cls, value: object, info: ValidationInfo) -> object:
        kind = info.data.get("message_type")
        if kind is None:
            return value  # that is wrong by itself
        quick_reply = info.data.get("quick_reply_id")
        if value is None and info.field_name == kind and (kind != "text" or quick_reply is None):
            raise PydanticCustomError("missing", "Missing")
        if value is not None and info.field_name == "text" and quick_reply is not None:
            raise ValueError("Give this or a `quick_reply_id`, not both")
        if value is not None and info.field_name != kind:
            raise ValueError(f"Has no place in a message of the type {kind}. Leave it out")
        return value

    @field_validator("html")
    @classmethod
    def _formats_text(cls, html: str | None, info: ValidationInfo) -> str | None:
        if html is not None and info.data.get("message_type", "text") != "text":
            raise ValueError("Only a text is formatted. Leave it out")
        if html is not None and info.data.get("quick_reply_id") is not None:
            raise ValueError("Give it only with a `text`: quick replies are plain")
        return html

    @field_validator("quick_reply_id")
    @classmethod
    def _of_text(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("message_type", "text") != "text":
            raise ValueError("Only a text is said so. Leave it out")
        return value

    def labels(self) -> Labels:
        return Labels(
            priority=self.priority,
            tags=self.tags,
            booking_id=None if self.booking_id is None else BookingId(self.booking_id),
            lead_id=None if self.lead_id is None else LeadId(self.lead_id),
            metadata=self.metadata,
        )

    def said(self) -> tuple[str, Held | None]:
        """Its text, and what it holds beside it; of a quick reply no text yet."""
        if self.poll is not None:
            asked = self.poll
            poll = poll_of(
                asked.question, asked.answers, kind=asked.kind, max_selections=asked.max_selections
            )
            return text_of_poll(poll), poll
        if self.location is not None:
            told = self.location
            place = place_at(told.latitude, told.longitude, description=told.description)
            return text_of_place(place), place
        return self.text or "", None
