"""The conversation of a party and a vendor by REST, named by their ids: what is known of them is not said again."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field

from bridge.conversations.api import LINKS, PATH
from bridge.conversations.change_input import Context
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.party_lists import hosts_of, list_of
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationView, ConversationViews
from bridge.core.caller import STAFF, Caller
from bridge.core.errors import NotFound
from bridge.core.ids import ParticipantId, PartyId, TenantId
from bridge.participants.input import MOST_HOSTS, Person, Vendor
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction
from bridge.web.fields import Data, Id, MxcUri, Mxid, Name, Title, refuse_repeated
from bridge.web.operations import Answer, Operation, Says, Toolkit, answer

_NEEDED = "left out: as it is known already; needed where nothing is known yet"


def _differ(hosts: tuple[Person, ...]) -> tuple[Person, ...]:
    refuse_repeated(host.id for host in hosts)
    return hosts


class Pair(Data):
    party_id: Id
    vendor_id: Id


class VendorOfPair(Data):
    """With an `mxid` they are invited to the room; without one a ghost speaks for them."""

    name: Name
    mxid: Mxid | None = None
    avatar_url: MxcUri | None = None
    vendor_type: Name | None = None


class PairToOpen(Context):
    """People are told apart by their ids; what is known of them already is brought up to date. What the conversation is
    about counts for one that is made; one that is there stays as it is."""

    title: Annotated[Title | None, Field(description=f"of the party; {_NEEDED}")] = None
    hosts: Annotated[
        tuple[Person, ...],
        Field(max_length=MOST_HOSTS, description=f"of the party; {_NEEDED}"),
        AfterValidator(_differ),
    ] = ()
    vendor: Annotated[VendorOfPair | None, Field(description=_NEEDED)] = None


OPEN_PAIR = Operation(
    method="POST",
    path="/api/v1/parties/{party_id}/vendors/{vendor_id}/conversation",
    name="openConversationOfPair",
    summary="Open the conversation of a party and a vendor",
    description="As `POST /conversations`. Of a party and a vendor that are known, nothing has to be said: `{}`.",
    tag="conversations",
    params=Pair,
    body=PairToOpen,
    answers={
        HTTPStatus.CREATED: Says("It was made.", ConversationView, {"Location": "its address"}),
        HTTPStatus.OK: Says("It was there already.", ConversationView),
    },
    refusals=("not_found", "person_erased", "account_taken"),
    roles=STAFF,
    links=LINKS,
)
OPERATIONS = (OPEN_PAIR,)


class PairApi:
    def __init__(
        self,
        conversations: Conversations,
        changes: ConversationChanges,
        store: ConversationStore,
        participants: ParticipantStore,
        views: ConversationViews,
    ) -> None:
        self._conversations = conversations
        self._changes = changes
        self._store = store
        self._participants = participants
        self._views = views

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (toolkit.write(OPEN_PAIR, self.open),)

    async def open(self, tx: Transaction, caller: Caller, asked: Pair, new: PairToOpen) -> Answer:
        tenant_id, party_id = caller.tenant_id, PartyId(asked.party_id)
        conversation, made = await self._conversations.get_or_make(
            tx,
            tenant_id=tenant_id,
            party_id=party_id,
            party_title=new.title or await self._title(tx, tenant_id, party_id),
            hosts=[host.participant(tenant_id) for host in new.hosts]
            or await self._hosts(tx, tenant_id, party_id),
            vendor=await self._vendor(tx, tenant_id, ParticipantId(asked.vendor_id), new.vendor),
        )
        if made:
            await self._changes.begin(
                tx, conversation, changed=new.of, described=new.of_details, booking_ids=new.linked
            )
        stored = await self._store.find(tx, tenant_id, conversation.conversation_id)
        assert stored is not None
        (view,) = await self._views.of(tx, [stored])
        if not made:
            return answer(view)
        return answer(view, status=HTTPStatus.CREATED, location=f"{PATH}/{conversation.conversation_id}")

    async def _title(self, tx: Transaction, tenant_id: TenantId, party_id: PartyId) -> str:
        known = await list_of(tx, tenant_id, party_id)
        if known is None:
            raise NotFound(
                "Nothing is known of a party with this id. Give its `title` and `hosts`, or check the id.",
                field="party_id",
            )
        return known.title

    async def _hosts(self, tx: Transaction, tenant_id: TenantId, party_id: PartyId) -> list[Participant]:
        known = [
            await self._participants.get(tx, tenant_id, host)
            for host in await hosts_of(tx, tenant_id, party_id)
        ]
        hosts = [host for host in known if host is not None]
        if not hosts:
            raise NotFound(
                "Nobody is known who plans the party with this id. Give its `hosts`, or check the id.",
                field="party_id",
            )
        return hosts

    async def _vendor(
        self, tx: Transaction, tenant_id: TenantId, vendor_id: ParticipantId, given: VendorOfPair | None
    ) -> Participant:
        if given is not None:
            return Vendor(id=vendor_id, **given.model_dump()).participant(tenant_id)
        known = await self._participants.get(tx, tenant_id, vendor_id)
        if known is None:
            raise NotFound(
                "Nothing is known of a vendor with this id. Give the `vendor`, or check the id.",
                field="vendor_id",
            )
        return known
