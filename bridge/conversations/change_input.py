"""What is sent to change a conversation, its people and their settings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field

from bridge.conversations.additions import Addition
from bridge.conversations.model import (
    Conversation,
    Details,
    NotificationLevel,
    Priority,
    Resolution,
    Role,
    Settings,
    Side,
    Standing,
)
from bridge.conversations.service import Newcomer
from bridge.core.ids import BookingId, ParticipantId, TenantId
from bridge.participants.input import Vendor
from bridge.web.fields import (
    Data,
    Id,
    MxcUri,
    Mxid,
    Name,
    Reference,
    Text,
    Title,
    refuse_empty,
    refuse_repeated,
)

MOST_TAGS, MOST_BOOKINGS, MOST_METADATA, MOST_PEOPLE = 20, 50, 50, 20

_FOR = Field(
    description="the participant for whom a program or staff ask, with that person's rights; left out: with all rights."
    " A person may leave it out"
)
_RESOLUTION = Field(
    description="of a support conversation: has the question been settled? null: it is open again"
)
_TITLE = Field(
    description="the room's name, which homeservers can read: no dates, prices or addresses in it; by itself it is"
    " made of the names of the party or host and of the vendor"
)


def _differ(items: tuple[str, ...] | None) -> tuple[str, ...] | None:
    refuse_repeated(items or ())
    return items


class ToConversation(Data):
    conversation_id: Id
    participant_id: Annotated[Id | None, _FOR] = None


class BlockedSide(Data):
    side: Annotated[
        Side | None,
        Field(
            description="who is kept out; a host blocks vendors and a vendor hosts, whoever else says which"
        ),
    ] = None


_STANDING = Annotated[Standing, Field(description="owners and admins may change the conversation")]
_TOLD = Field(description="from programs and staff only; left out: as it is known")
_NEEDED = Field(
    description="from programs and staff only; left out: as it is known, needed where nothing is known yet"
)


METADATA_KEY = r"^[A-Za-z0-9_.-]{1,64}$"
MetadataKey = Annotated[str, Field(pattern=METADATA_KEY)]
MetadataText = Annotated[str, Field(max_length=500)]


class Context(Data):
    """What a conversation is about. Of one that is there, what is left out stays; null takes it away."""

    subject: Title | None = None
    description: Annotated[
        Text | None, Field(description="kept sealed; it is not shown to the homeserver")
    ] = None
    category: Name | None = None
    tags: Annotated[
        tuple[Name, ...] | None,
        Field(max_length=MOST_TAGS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_differ),
    ] = None
    priority: Priority | None = None
    metadata: Annotated[
        dict[MetadataKey, MetadataText | int | float | bool | None] | None,
        Field(max_length=MOST_METADATA, json_schema_extra={"propertyNames": {"pattern": METADATA_KEY}}),
    ] = None
    booking_ids: Annotated[
        tuple[Id, ...] | None,
        Field(max_length=MOST_BOOKINGS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_differ),
    ] = None
    event_id: Reference | None = None
    lead_id: Reference | None = None
    service_type: Name | None = None

    @property
    def linked(self) -> Sequence[BookingId] | None:
        """None: they stay."""
        if "booking_ids" not in self.model_fields_set:
            return None
        return [BookingId(one) for one in self.booking_ids or ()]

    def of(self, conversation: Conversation) -> Conversation:
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in ("event_id", "lead_id", "service_type")
            if name in self.model_fields_set
        }
        if "priority" in self.model_fields_set:
            given["priority"] = self.priority or "normal"
        return replace(conversation, **given)  # type: ignore[arg-type] # each is the field's own

    def of_details(self, details: Details) -> Details:
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in ("subject", "description", "category")
            if name in self.model_fields_set
        }
        if "tags" in self.model_fields_set:
            given["tags"] = self.tags or ()
        if "metadata" in self.model_fields_set:
            given["metadata"] = self.metadata or {}
        return replace(details, **given)  # type: ignore[arg-type] # each is the field's own


class ContextAndTitle(Context):
    title: Annotated[Title | None, _TITLE] = None

    def of(self, conversation: Conversation) -> Conversation:
        after = super().of(conversation)
        return after if self.title is None else replace(after, title=self.title)


class ConversationChange(ContextAndTitle):
    """What is left out stays; null takes it away."""

    resolution: Annotated[Resolution | None, _RESOLUTION] = None

    @property
    def new_resolution(self) -> Resolution | None:
        """None: it stays."""
        return (self.resolution or "open") if "resolution" in self.model_fields_set else None


class SettingsChange(Data):
    """What is left out stays."""

    muted: bool | None = None
    pinned: bool | None = None
    sound: bool | None = None
    notification_level: NotificationLevel | None = None

    def of(self, settings: Settings) -> Settings:
        given = {name: value for name, value in self.model_dump().items() if value is not None}
        return replace(settings, **given)


class NewMember(Vendor):
    role: Role
    standing: _STANDING = "member"

    def newcomer(self, tenant_id: TenantId) -> Newcomer:
        return Newcomer(self.participant(tenant_id), self.role, self.standing)


class NewStanding(Data):
    standing: _STANDING


class ToParticipant(Data):
    conversation_id: Id
    participant_id: Id
    asked_by: Annotated[Id | None, _FOR] = None


class MemberToAdd(Data):
    """A host or a vendor names somebody who is known already by `id`, and says nothing of who they are. Programs and
    staff may: then what is known of them is brought up to date."""

    id: Id
    name: Annotated[Name | None, _NEEDED] = None
    role: Annotated[Role | None, _NEEDED] = None
    mxid: Annotated[Mxid | None, _TOLD] = None
    avatar_url: Annotated[MxcUri | None, _TOLD] = None
    vendor_type: Annotated[Name | None, _TOLD] = None
    standing: _STANDING = "member"

    @property
    def addition(self) -> Addition:
        return Addition(participant_id=ParticipantId(self.id), **self.model_dump(exclude={"id"}))


class MembersToAdd(Data):
    participants: Annotated[
        tuple[MemberToAdd, ...],
        Field(max_length=MOST_PEOPLE, json_schema_extra={"minItems": 1}),
        AfterValidator(refuse_empty),
    ]
