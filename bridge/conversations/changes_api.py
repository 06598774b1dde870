"""What becomes of a conversation by REST: archive, close, block, delete it, change it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Literal

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.api import PATH, SIBLINGS, OneConversation
from bridge.conversations.change_input import BlockedSide, ConversationChange, ToConversation
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.model import Action, Conversation, Side
from bridge.conversations.views import ConversationView, ConversationViews
from bridge.core.caller import EVERYBODY, STAFF, Caller
from bridge.core.ids import ConversationId
from bridge.participants.rules import acting
from bridge.storage.database import Transaction
from bridge.web.openapi import AnyOperation
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, Write, answer

ONE = f"{PATH}/{{conversation_id}}"


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
    description="Who is blocked is put out of the room, and finds the conversation no more: they can neither write nor"
    " are they notified. The others and staff go on.",
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
    refusals=("not_found", "not_allowed", "not_yourself", "not_support"),
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
UPGRADE = Operation(
    method="POST",
    path=f"{ONE}/upgrade",
    name="upgradeConversation",
    summary="Have a conversation go on in a new room",
    description="As the bridge makes rooms today, with new keys: what was said before stays in the former room, where"
    " nobody writes any more. Everybody is invited into the new one, whose `room_id` the conversation has then. Asked"
    " again before it is done, it is done once.",
    tag="conversations",
    params=OneConversation,
    body=Nothing,
    answers={HTTPStatus.ACCEPTED: Says("It will be done, after what was said before.", ConversationView)},
    refusals=("not_found",),
    roles=STAFF,
)
OPERATIONS: tuple[AnyOperation, ...] = (
    *(operation for operations in _BY_ACTION.values() for operation in operations),
    BLOCK,
    UPGRADE,
    PUT,
    DELETE,
)


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
            toolkit.write(UPGRADE, self.upgrade),
            toolkit.write(PUT, self.change),
            toolkit.write(DELETE, self.delete),
        )

    def _acting_with(self, action: Action) -> Write[ToConversation, Nothing]:
        async def act(tx: Transaction, caller: Caller, asked: ToConversation, _: Nothing) -> Answer:
            return await self._act(tx, caller, asked, action)

        return act

    async def block(self, tx: Transaction, caller: Caller, asked: ToConversation, new: BlockedSide) -> Answer:
        return await self._act(tx, caller, asked, "block", side=new.side)

    async def upgrade(self, tx: Transaction, caller: Caller, asked: OneConversation, _: Nothing) -> Answer:
        stored = await self._access.to(tx, caller, ConversationId(asked.conversation_id))
        (view,) = await self._views.of(tx, [stored], person=None)
        await self._changes.upgrade(tx, stored.conversation, place=view.room_id)
        return answer(view, status=HTTPStatus.ACCEPTED)

    async def change(
        self, tx: Transaction, caller: Caller, asked: ToConversation, new: ConversationChange
    ) -> Answer:
        await self._changes.edit(
            tx,
            await self._conversation(tx, caller, asked),
            asking=acting(caller, asked.participant_id, field="participant_id"),
            changed=new.of,
            described=new.of_details,
            booking_ids=new.linked,
            resolution=new.new_resolution,
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
