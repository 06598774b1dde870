"""Other conversations than a party's with a vendor, by REST: a direct inquiry, a group, support."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge.conversations.api import LINKS, PATH
from bridge.conversations.change_input import MOST_PEOPLE, Context, ContextAndTitle, NewMember
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.model import Conversation, Side, Type
from bridge.conversations.service import Conversations, Newcomer
from bridge.conversations.store import ConversationStore
from bridge.conversations.views import ConversationView, ConversationViews
from bridge.core.caller import STAFF, Caller
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, PartyId, TenantId, new_id
from bridge.participants.input import Person, Vendor
from bridge.storage.database import Transaction
from bridge.web.fields import Id, Title
from bridge.web.operations import Answer, Nothing, Operation, Says, Toolkit, answer


class NewInquiry(ContextAndTitle):
    """What it is about counts for one that is made; one that is there stays as it is."""

    host: Person
    vendor: Vendor


class Founder(Vendor):
    role: Side


class NewGroup(Context):
    """People are told apart by `id`; what is known of them already is brought up to date."""

    title: Title
    owner: Annotated[Founder, Field(description="whose group it is")]
    participants: Annotated[tuple[NewMember, ...], Field(max_length=MOST_PEOPLE)] = ()
    party_id: Annotated[Id | None, Field(description="of the party that it is about, if there is one")] = None


class NewSupport(Context):
    person: Annotated[Founder, Field(description="who needs help")]
    staff: Annotated[tuple[Person, ...], Field(max_length=MOST_PEOPLE)] = ()
    title: Title


_MADE = {HTTPStatus.CREATED: Says("It was made.", ConversationView, {"Location": "its address"})}

INQUIRE = Operation(
    method="POST",
    path=f"{PATH}/inquiries",
    name="openInquiry",
    summary="Have a host ask a vendor without a party",
    description="There is one per host and vendor: whoever asks again gets the same.",
    tag="conversations",
    params=Nothing,
    body=NewInquiry,
    answers=_MADE | {HTTPStatus.OK: Says("It was there already.", ConversationView)},
    refusals=("person_erased", "account_taken"),
    roles=STAFF,
    links=LINKS,
)
GROUP = Operation(
    method="POST",
    path=f"{PATH}/groups",
    name="openGroup",
    summary="Open a group",
    description="Each is a new one. Its owner, and whoever is made one, may add people.",
    tag="conversations",
    params=Nothing,
    body=NewGroup,
    answers=_MADE,
    refusals=("person_erased", "account_taken"),
    roles=STAFF,
    links=LINKS,
)
SUPPORT = Operation(
    method="POST",
    path=f"{PATH}/support",
    name="openSupport",
    summary="Open a conversation of a host or vendor with staff",
    description="Each is a new one.",
    tag="conversations",
    params=Nothing,
    body=NewSupport,
    answers=_MADE,
    refusals=("person_erased", "account_taken"),
    roles=STAFF,
    links=LINKS,
)
OPERATIONS = (INQUIRE, GROUP, SUPPORT)


class OpeningsApi:
    def __init__(
        self,
        conversations: Conversations,
        changes: ConversationChanges,
        store: ConversationStore,
        views: ConversationViews,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._changes = changes
        self._store = store
        self._views = views
        self._clock = clock

    def routes(self, toolkit: Toolkit) -> Sequence[web.RouteDef]:
        return (
            toolkit.write(INQUIRE, self.inquire),
            toolkit.write(GROUP, self.group),
            toolkit.write(SUPPORT, self.support),
        )

    async def inquire(self, tx: Transaction, caller: Caller, _: Nothing, new: NewInquiry) -> Answer:
        conversation, made = await self._conversations.get_or_make(
            tx,
            tenant_id=caller.tenant_id,
            party_id=None,
            party_title=new.host.name,
            hosts=[new.host.participant(caller.tenant_id)],
            vendor=new.vendor.participant(caller.tenant_id),
        )
        return await self._answer(tx, conversation, new, made=made)

    async def group(self, tx: Transaction, caller: Caller, _: Nothing, new: NewGroup) -> Answer:
        people = [one.newcomer(caller.tenant_id) for one in new.participants]
        owner = Newcomer(new.owner.participant(caller.tenant_id), new.owner.role, "owner")
        conversation = self._new(caller.tenant_id, "group", new.title, new.party_id)
        await self._conversations.make(tx, conversation, [owner, *people])
        return await self._answer(tx, conversation, new, made=True)

    async def support(self, tx: Transaction, caller: Caller, _: Nothing, new: NewSupport) -> Answer:
        staff = [Newcomer(one.participant(caller.tenant_id), "staff", "admin") for one in new.staff]
        owner = Newcomer(new.person.participant(caller.tenant_id), new.person.role, "owner")
        conversation = self._new(caller.tenant_id, "support", new.title, None)
        await self._conversations.make(tx, conversation, [owner, *staff])
        return await self._answer(tx, conversation, new, made=True)

    def _new(self, tenant_id: TenantId, type_: Type, title: str, party_id: str | None) -> Conversation:
        return Conversation(
            tenant_id=tenant_id,
            conversation_id=ConversationId(new_id()),
            party_id=None if party_id is None else PartyId(party_id),
            vendor_id=None,
            title=title,
            status="active",
            created_at=self._clock.now(),
            type=type_,
            resolution="open" if type_ == "support" else None,
        )

    async def _answer(
        self, tx: Transaction, conversation: Conversation, new: Context, *, made: bool
    ) -> Answer:
        if made:
            await self._changes.begin(
                tx, conversation, changed=new.of, described=new.of_details, booking_ids=new.linked
            )
        stored = await self._store.find(tx, conversation.tenant_id, conversation.conversation_id)
        assert stored is not None
        (view,) = await self._views.of(tx, [stored])
        if not made:
            return answer(view)
        return answer(view, status=HTTPStatus.CREATED, location=f"{PATH}/{conversation.conversation_id}")
