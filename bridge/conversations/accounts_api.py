"""Accounts of participants by REST: link one, unlink it."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, Field

from bridge.conversations.accounts import Accounts
from bridge.core.caller import STAFF, Caller
from bridge.core.ids import ParticipantId
from bridge.participants.model import Participant
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id, Mxid
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer

PATH = "/api/v1/participants/{participant_id}/account"


class OneParticipant(Data):
    participant_id: Id


class Account(Data):
    mxid: Mxid


class AccountView(BaseModel):
    participant_id: str
    name: str
    mxid: str | None = Field(description="null: a ghost speaks for them")


LINK = Operation(
    method="PUT",
    path=PATH,
    name="linkAccount",
    summary="Say which Matrix account is a participant's own",
    description="It is invited wherever they take part; once it has joined, their ghost leaves. What they have said and"
    " read stays theirs. An account they had before is put out.",
    tag="participants",
    params=OneParticipant,
    body=Account,
    answers={HTTPStatus.OK: Says("It is theirs, and being invited.", AccountView)},
    refusals=("not_found", "account_taken", "person_erased"),
    roles=STAFF,
)
UNLINK = Operation(
    method="DELETE",
    path=PATH,
    name="unlinkAccount",
    summary="Say that a participant's Matrix account is theirs no more",
    description="It is put out of their conversations, and their ghost speaks for them again.",
    tag="participants",
    params=OneParticipant,
    body=Nothing,
    answers={HTTPStatus.OK: Says("They have none.", AccountView)},
    refusals=("not_found",),
    roles=STAFF,
)
OPERATIONS = (LINK, UNLINK)


class AccountsApi:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return toolkit.write(LINK, self.link), toolkit.write(UNLINK, self.unlink)

    async def link(self, tx: Transaction, caller: Caller, asked: OneParticipant, new: Account) -> Answer:
        person = await self._accounts.link(
            tx, caller.tenant_id, ParticipantId(asked.participant_id), new.mxid
        )
        return answer(_view(person))

    async def unlink(self, tx: Transaction, caller: Caller, asked: OneParticipant, _: Nothing) -> Answer:
        person = await self._accounts.unlink(tx, caller.tenant_id, ParticipantId(asked.participant_id))
        return answer(_view(person))


def _view(person: Participant) -> AccountView:
    return AccountView(participant_id=person.participant_id, name=person.name, mxid=person.mxid)
