"""What becomes of a conversation by REST: archive, close, block, delete it, change it, leave it, add people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AfterValidator, Field

from bridge.conversations.access import Access
from bridge.conversations.api import PATH, SIBLINGS, OneConversation
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.errors import WhoseUnclear
from bridge.conversations.model import (
    Action,
    Conversation,
    Details,
    NotificationLevel,
    Priority,
    Role,
    Settings,
    Side,
    Standing,
)
from bridge.conversations.service import Newcomer
from bridge.conversations.views import ConversationView, ConversationViews, SettingsView, settings_view
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import BookingId, ConversationId, ParticipantId, TenantId
from bridge.participants.input import Vendor
from bridge.participants.rules import acting
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id, Name, Reference, Text, Title, refuse_empty, refuse_repeated
from bridge.web.openapi import AnyOperation
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, Write, answer

ONE = f"{PATH}/{{conversation_id}}"
MOST_TAGS, MOST_BOOKINGS, MOST_METADATA, MOST_PEOPLE = 20, 50, 50, 20

_FOR = Field(
    description="the participant for whom a program or staff ask, with that person's rights; left out: with all rights."
    " A person may leave it out"
)


def _differ(items: tuple[str, ...] | None) -> tuple[str, ...] | None:
    refuse_repeated(items or ())
    return items


class ToConversation(OneConversation):
    participant_id: Annotated[Id | None, _FOR] = None


class BlockedSide(Data):
    side: Annotated[
        Side | None,
        Field(
            description="who is kept out; a host blocks vendors and a vendor hosts, whoever else says which"
        ),
    ] = None


METADATA_KEY = r"^[A-Za-z0-9_.-]{1,64}$"
MetadataKey = Annotated[str, Field(pattern=METADATA_KEY)]
MetadataText = Annotated[str, Field(max_length=500)]


class ConversationChange(Data):
    """What is left out stays; null takes it away."""

    title: Title | None = None
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

    def of(self, conversation: Conversation) -> Conversation:
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in ("event_id", "lead_id", "service_type")
            if name in self.model_fields_set
        }
        if self.title is not None:
            given["title"] = self.title
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
    standing: Annotated[Standing, Field(description="owners and admins may change the conversation")] = (
        "member"
    )

    def newcomer(self, tenant_id: TenantId) -> Newcomer:
        return Newcomer(self.participant(tenant_id), self.role, self.standing)


class NewMembers(Data):
    """People are told apart by `id`; what is known of them already is brought up to date."""

    participants: Annotated[
        tuple[NewMember, ...],
        Field(max_length=MOST_PEOPLE, json_schema_extra={"minItems": 1}),
        AfterValidator(refuse_empty),
    ]


def _operation(
    action: Action, method: Literal["POST", "PUT"], summary: str, description: str
) -> Operation[ToConversation, Nothing]:
    return Operation(
        method=method,
        path=f"{ONE}/{action}",
        name=f"{action}Conversation" if method == "POST" else f"{action}ConversationByPut",
        summary=summary,
        description=f"{description} The same again changes nothing more.",
        tag="conversations",
        params=ToConversation,
        body=Nothing,
        answers={HTTPStatus.OK: Says("It is so.", ConversationView)},
        refusals=("not_found", "not_allowed", "not_yourself", "conversation_blocked"),
        roles=EVERYBODY,
    )


_ACTIONS: Mapping[Action, tuple[str, str]] = {
    "archive": (
        "Put a conversation into the archive",
        "It leaves the lists that do not ask for the archive, and its party's space.",
    ),
    "unarchive": ("Take a conversation out of the archive", "One that was closed before is closed again."),
    "close": (
        "Close a conversation",
        "Nobody but Festimo can write in it any more, in no Matrix client either; everybody can read it.",
    ),
    "reopen": (
        "Reopen a conversation",
        "One that is closed, archived or blocked. A block is ended by staff, or by the side that is not blocked.",
    ),
}
_METHODS: Mapping[Action, Sequence[Literal["POST", "PUT"]]] = {
    "archive": ("POST", "PUT"),
    "close": ("POST", "PUT"),
}
_BY_ACTION: Mapping[Action, Sequence[Operation[ToConversation, Nothing]]] = {
    action: [_operation(action, method, *words) for method in _METHODS.get(action, ("POST",))]
    for action, words in _ACTIONS.items()
}
BLOCK = Operation(
    method="POST",
    path=f"{ONE}/block",
    name="blockConversation",
    summary="Block a side of a conversation",
    description="Who is blocked is put out of the room: they can neither write nor are they notified. The others and"
    " staff go on.",
    tag="conversations",
    params=ToConversation,
    body=BlockedSide,
    answers={HTTPStatus.OK: Says("It is so.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself"),
    roles=EVERYBODY,
)
PUT = Operation(
    method="PUT",
    path=ONE,
    name="changeConversation",
    summary="Change a conversation's title, description, links and the like",
    description="By its owners and admins. The title is the room's name, which homeservers can read: no dates, prices"
    " or addresses in it.",
    tag="conversations",
    params=ToConversation,
    body=ConversationChange,
    answers={HTTPStatus.OK: Says("It is so.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself"),
    siblings=SIBLINGS,
    roles=EVERYBODY,
)
DELETE = Operation(
    method="DELETE",
    path=ONE,
    name="deleteConversation",
    summary="Delete a conversation",
    description="By its owners. Nobody finds it any more, and everybody is put out of its room. Whoever opens one for"
    " the same party and vendor gets a new one.",
    tag="conversations",
    params=ToConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("As it was.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself"),
    siblings=SIBLINGS,
    roles=EVERYBODY,
)
LEAVE = Operation(
    method="POST",
    path=f"{ONE}/leave",
    name="leaveConversation",
    summary="Leave a conversation",
    description="Their account and their ghost leave the room. A program names who leaves.",
    tag="conversations",
    params=ToConversation,
    body=Nothing,
    answers={HTTPStatus.OK: Says("They are not in it any more.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself", "participant_missing"),
    roles=EVERYBODY,
)
ADD = Operation(
    method="POST",
    path=f"{ONE}/participants",
    name="addParticipants",
    summary="Add people to a group",
    description="By its owners and admins.",
    tag="conversations",
    params=ToConversation,
    body=NewMembers,
    answers={HTTPStatus.OK: Says("They take part, and are being invited.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself", "not_a_group"),
    roles=EVERYBODY,
)
SETTINGS = Operation(
    method="PUT",
    path=f"{ONE}/settings",
    name="changeSettings",
    summary="Change a person's own settings for a conversation",
    description="They concern lists and what Festimo notifies of; a Matrix client has settings of its own.",
    tag="conversations",
    params=ToConversation,
    body=SettingsChange,
    answers={HTTPStatus.OK: Says("They are so.", SettingsView)},
    refusals=("not_found", "not_allowed", "not_yourself", "participant_missing"),
    roles=EVERYBODY,
)
OPERATIONS: tuple[AnyOperation, ...] = (
    *(operation for operations in _BY_ACTION.values() for operation in operations),
    BLOCK,
    PUT,
    DELETE,
    LEAVE,
    ADD,
    SETTINGS,
)


def _whose(caller: Caller, asked: ToConversation) -> ParticipantId:
    somebody = acting(caller, asked.participant_id, field="participant_id")
    if somebody is None:
        raise WhoseUnclear(
            "Programs and staff say whom this is about. Name a participant in `participant_id`. Nothing was changed.",
            field="participant_id",
        )
    return somebody


class ConversationChangesApi:
    def __init__(self, changes: ConversationChanges, access: Access, views: ConversationViews) -> None:
        self._changes = changes
        self._access = access
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            *(
                toolkit.write(operation, self._acting_with(action))
                for action, operations in _BY_ACTION.items()
                for operation in operations
            ),
            toolkit.write(BLOCK, self.block),
            toolkit.write(PUT, self.change),
            toolkit.write(DELETE, self.delete),
            toolkit.write(LEAVE, self.leave),
            toolkit.write(ADD, self.add),
            toolkit.write(SETTINGS, self.set),
        )

    def _acting_with(self, action: Action) -> Write[ToConversation, Nothing]:
        async def act(tx: Transaction, caller: Caller, asked: ToConversation, _: Nothing) -> Answer:
            return await self._act(tx, caller, asked, action)

        return act

    async def block(self, tx: Transaction, caller: Caller, asked: ToConversation, new: BlockedSide) -> Answer:
        return await self._act(tx, caller, asked, "block", side=new.side)

    async def change(
        self, tx: Transaction, caller: Caller, asked: ToConversation, new: ConversationChange
    ) -> Answer:
        await self._changes.edit(
            tx,
            await self._conversation(tx, caller, asked),
            asking=acting(caller, asked.participant_id, field="participant_id"),
            changed=new.of,
            described=new.of_details,
            booking_ids=None
            if "booking_ids" not in new.model_fields_set
            else [BookingId(one) for one in new.booking_ids or ()],
        )
        return await self._shown(tx, caller, asked)

    async def delete(self, tx: Transaction, caller: Caller, asked: ToConversation, _: Nothing) -> Answer:
        as_it_was = await self._shown(tx, caller, asked)
        await self._changes.delete(
            tx,
            await self._conversation(tx, caller, asked),
            asking=acting(caller, asked.participant_id, field="participant_id"),
        )
        return as_it_was

    async def leave(self, tx: Transaction, caller: Caller, asked: ToConversation, _: Nothing) -> Answer:
        conversation = await self._conversation(tx, caller, asked)
        who = _whose(caller, asked)
        shown = await self._shown(tx, caller, asked)  # afterwards they may not see it any more
        await self._changes.leave(tx, conversation, who=who)
        return shown

    async def add(self, tx: Transaction, caller: Caller, asked: ToConversation, new: NewMembers) -> Answer:
        await self._changes.add(
            tx,
            await self._conversation(tx, caller, asked),
            [one.newcomer(caller.tenant_id) for one in new.participants],
            asking=acting(caller, asked.participant_id, field="participant_id"),
        )
        return await self._shown(tx, caller, asked)

    async def set(
        self, tx: Transaction, caller: Caller, asked: ToConversation, new: SettingsChange
    ) -> Answer:
        settings = await self._changes.set_settings(
            tx,
            await self._conversation(tx, caller, asked),
            whose=_whose(caller, asked),
            changed=new.of,
        )
        return answer(settings_view(settings))

    async def _act(
        self,
        tx: Transaction,
        caller: Caller,
        asked: ToConversation,
        action: Action,
        *,
        side: Side | None = None,
    ) -> Answer:
        await self._changes.act(
            tx,
            await self._conversation(tx, caller, asked),
            action,
            asking=acting(caller, asked.participant_id, field="participant_id"),
            side=side,
        )
        return await self._shown(tx, caller, asked)

    async def _conversation(self, tx: Transaction, caller: Caller, asked: ToConversation) -> Conversation:
        return (await self._access.to(tx, caller, ConversationId(asked.conversation_id))).conversation

    async def _shown(self, tx: Transaction, caller: Caller, asked: ToConversation) -> Answer:
        stored = await self._access.to(tx, caller, ConversationId(asked.conversation_id))
        person = acting(caller, asked.participant_id, field="participant_id")
        (view,) = await self._views.of(tx, [stored], person=person)
        return answer(view)
