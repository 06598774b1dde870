"""Who takes part in a conversation by REST: add people, take them out, leave it, one's own settings."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from bridge.conversations.access import Access
from bridge.conversations.change_input import (
    MembersToAdd,
    NewStanding,
    SettingsChange,
    ToConversation,
    ToParticipant,
)
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.changes_api import ONE
from bridge.conversations.errors import WhoseUnclear
from bridge.conversations.model import Conversation
from bridge.conversations.views import ConversationView, ConversationViews, SettingsView, settings_view
from bridge.core.caller import EVERYBODY, Caller
from bridge.core.ids import ConversationId, ParticipantId
from bridge.participants.rules import acting
from bridge.storage.database import Transaction
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer

LEAVE = Operation(
    method="POST",
    path=f"{ONE}/leave",
    name="leaveConversation",
    summary="Leave a conversation",
    description="Their account and their ghost leave the room. A program names who leaves. Where no owner is left,"
    " somebody else becomes one: the admin who has been there longest, else a host, else staff.",
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
    description="By its owners and admins; only an owner adds another one. Hosts and vendors, and a program in their"
    " name, add people whom the tenant knows, by `id` alone, and no staff; they take part as they did before. Who"
    " somebody is, and who is new, programs and staff tell.",
    tag="conversations",
    params=ToConversation,
    body=MembersToAdd,
    answers={HTTPStatus.OK: Says("They take part, and are being invited.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself", "not_a_group", "person_erased", "account_taken"),
    roles=EVERYBODY,
)
ONE_OF_THEM = f"{ONE}/participants/{{participant_id}}"
STANDING = Operation(
    method="PUT",
    path=ONE_OF_THEM,
    name="changeStanding",
    summary="Say what somebody may do with a conversation",
    description="By its owners. In the room their power level follows. The last owner stays one until somebody else is."
    " The same again changes nothing more.",
    tag="conversations",
    params=ToParticipant,
    body=NewStanding,
    answers={HTTPStatus.OK: Says("It is so.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself", "last_owner"),
    roles=EVERYBODY,
)
REMOVE = Operation(
    method="DELETE",
    path=ONE_OF_THEM,
    name="removeParticipant",
    summary="Take somebody out of a conversation",
    description="Out of a group by its owners and admins, an owner by another owner only; out of any conversation by"
    " programs and staff. They are put out of the room, and find the conversation no more, as who has left. The last"
    " owner stays until somebody else is one. The same again changes nothing more.",
    tag="conversations",
    params=ToParticipant,
    body=Nothing,
    answers={HTTPStatus.OK: Says("They are not in it any more.", ConversationView)},
    refusals=("not_found", "not_allowed", "not_yourself", "not_a_group", "last_owner"),
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
OPERATIONS = (LEAVE, ADD, STANDING, REMOVE, SETTINGS)


def _whose(caller: Caller, asked: ToConversation) -> ParticipantId:
    somebody = acting(caller, asked.participant_id, field="participant_id")
    if somebody is None:
        raise WhoseUnclear(
            "Programs and staff say whom this is about. Name a participant in `participant_id`. Nothing was changed.",
            field="participant_id",
        )
    return somebody


class MembersApi:
    def __init__(self, changes: ConversationChanges, access: Access, views: ConversationViews) -> None:
        self._changes = changes
        self._access = access
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(LEAVE, self.leave),
            toolkit.write(ADD, self.add),
            toolkit.write(STANDING, self.set_standing),
            toolkit.write(REMOVE, self.remove),
            toolkit.write(SETTINGS, self.set),
        )

    async def leave(self, tx: Transaction, caller: Caller, asked: ToConversation, _: Nothing) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        who = _whose(caller, asked)
        # Afterwards they may not see it any more.
        shown = await self._shown(tx, caller, asked.conversation_id, who)
        await self._changes.leave(tx, conversation, who=who)
        return shown

    async def add(self, tx: Transaction, caller: Caller, asked: ToConversation, new: MembersToAdd) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        asking = acting(caller, asked.participant_id, field="participant_id")
        await self._changes.add(
            tx,
            conversation,
            [one.addition for one in new.participants],
            asking=asking,
        )
        return await self._shown(tx, caller, asked.conversation_id, asking)

    async def set_standing(
        self, tx: Transaction, caller: Caller, asked: ToParticipant, new: NewStanding
    ) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        asking = acting(caller, asked.asked_by, field="asked_by")
        await self._changes.set_standing(
            tx,
            conversation,
            ParticipantId(asked.participant_id),
            new.standing,
            asking=asking,
        )
        return await self._shown(tx, caller, asked.conversation_id, asking)

    async def remove(self, tx: Transaction, caller: Caller, asked: ToParticipant, _: Nothing) -> Answer:
        conversation = await self._conversation(tx, caller, asked.conversation_id)
        asking = acting(caller, asked.asked_by, field="asked_by")
        await self._changes.remove(tx, conversation, ParticipantId(asked.participant_id), asking=asking)
        return await self._shown(tx, caller, asked.conversation_id, asking)

    async def set(
        self, tx: Transaction, caller: Caller, asked: ToConversation, new: SettingsChange
    ) -> Answer:
        settings = await self._changes.set_settings(
            tx,
            await self._conversation(tx, caller, asked.conversation_id),
            whose=_whose(caller, asked),
            changed=new.of,
        )
        return answer(settings_view(settings))

    async def _conversation(self, tx: Transaction, caller: Caller, conversation_id: str) -> Conversation:
        return (await self._access.to(tx, caller, ConversationId(conversation_id))).conversation

    async def _shown(
        self, tx: Transaction, caller: Caller, conversation_id: str, person: ParticipantId | None
    ) -> Answer:
        stored = await self._access.to(tx, caller, ConversationId(conversation_id))
        (view,) = await self._views.of(tx, [stored], person=person)
        return answer(view)
