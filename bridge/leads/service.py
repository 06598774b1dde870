"""Open a lead: a thread in the conversation of the host and the vendor. Asked again, nothing changes more."""

from dataclasses import dataclass, replace

from bridge.bookings.events import BookingUpdated
from bridge.conversations.changes import ConversationChanges
from bridge.conversations.events import ConversationDeleted, ConversationStatusChanged
from bridge.conversations.model import Conversation, Details
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, LeadId, PartyId, TenantId, VendorId
from bridge.delivery.outbox import Outbox
from bridge.leads.errors import LeadElsewhere, OtherConversation
from bridge.leads.events import LeadStatusChanged, MessageLinked
from bridge.leads.model import Lead, Outcome
from bridge.leads.store import LeadStore
from bridge.messages.events import MessageDeleted, MessagePosted, MessageReceived
from bridge.messages.model import Message
from bridge.messages.service import Messages
from bridge.participants.model import Participant
from bridge.storage.database import Transaction

_MOVING = (
    *(MessagePosted, MessageReceived, MessageDeleted, MessageLinked),
    *(BookingUpdated, ConversationStatusChanged, ConversationDeleted),
)
"""What a lead's status may follow from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """`hosts`: who asks, before all others who plan the party. `party_id`: None where they ask without one.

    `text`: what they wrote; None: only what they want is known.
    """

    tenant_id: TenantId
    lead_id: LeadId
    title: str
    service_type: str | None
    hosts: tuple[Participant, ...]
    vendor: Participant
    party_id: PartyId | None
    party_title: str
    text: str | None


class Leads:
    def __init__(
        self,
        store: LeadStore,
        conversations: Conversations,
        conversation_store: ConversationStore,
        changes: ConversationChanges,
        messages: Messages,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._conversation_store = conversation_store
        self._changes = changes
        self._messages = messages
        self._outbox = outbox
        self._clock = clock

    async def open(self, tx: Transaction, new: NewLead) -> tuple[Lead, bool]:
        """The lead, and whether it is a new one. One that is known is brought up to date, and has no second thread."""
        await tx.lock(f"lead {new.tenant_id}/{new.lead_id}")
        known = await self._store.get(tx, new.tenant_id, new.lead_id)
        if known is not None:
            return await self._update(tx, known, new), False
        conversation = await self._conversation(tx, new)
        host = new.hosts[0].participant_id
        if new.text is None:
            message_id = await self._messages.announce(tx, conversation, text=f"New request: {new.title}")
        else:
            message_id = await self._messages.post(tx, conversation, sender_id=host, text=new.text)
        now = self._clock.now()
        lead = Lead(
            tenant_id=new.tenant_id,
            lead_id=new.lead_id,
            conversation_id=conversation.conversation_id,
            vendor_id=VendorId(new.vendor.participant_id),
            host_id=host,
            title=new.title,
            service_type=new.service_type,
            message_id=message_id,
            status="new",
            declared=None,
            created_at=now,
            updated_at=now,
        )
        await self._store.insert(tx, lead)
        await self._store.link(tx, message_id, lead.lead_id)
        return lead, True

    async def declare(self, tx: Transaction, lead: Lead, outcome: Outcome | None) -> Lead:
        """What it has come to, whatever its conversation says. None: what that says."""
        if lead.declared == outcome:
            return lead
        await self._store.save(tx, replace(lead, declared=outcome))
        await self._tell(tx, lead.tenant_id, lead.conversation_id)
        return await self._stored(tx, lead)

    async def link(self, tx: Transaction, lead: Lead, message: Message) -> None:
        """The message belongs to this lead and to no other."""
        if message.conversation_id != lead.conversation_id:
            raise OtherConversation(
                "The message is of another conversation than the lead. Nothing was changed. Link one of the"
                " conversation that `getLead` names.",
                field="message_id",
            )
        await self._link(tx, message, lead.lead_id)

    async def unlink(self, tx: Transaction, lead: Lead, message: Message) -> None:
        """One that belongs to another lead stays with that."""
        if await self._store.lead_of(tx, message.message_id) == lead.lead_id:
            await self._link(tx, message, None)

    async def heard(self, tx: Transaction, event: Event) -> None:
        """A witness of the outbox: a lead's status follows its conversation, and whoever wants to hears that it did."""
        if isinstance(event, _MOVING):
            await self._tell(tx, event.tenant_id, event.conversation_id)

    async def _tell(self, tx: Transaction, tenant_id: TenantId, conversation_id: ConversationId) -> None:
        for lead_id in await self._store.moved(tx, tenant_id, conversation_id):
            changed = LeadStatusChanged(tenant_id=tenant_id, conversation_id=conversation_id, lead_id=lead_id)
            await self._outbox.record(tx, changed)

    async def _link(self, tx: Transaction, message: Message, lead_id: LeadId | None) -> None:
        if await self._store.lead_of(tx, message.message_id) == lead_id:
            return
        await self._store.link(tx, message.message_id, lead_id)
        linked = MessageLinked(
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            message_id=message.message_id,
            lead_id=lead_id,
        )
        await self._outbox.record(tx, linked)

    async def _conversation(self, tx: Transaction, new: NewLead) -> Conversation:
        """Of the pair; open, as somebody wants something, and said to be about the lead."""
        conversation = await self._conversations.open(
            tx,
            tenant_id=new.tenant_id,
            party_id=new.party_id,
            party_title=new.party_title,
            hosts=new.hosts,
            vendor=new.vendor,
        )
        if conversation.status in ("closed", "archived"):
            await self._changes.act(tx, conversation, "reopen", asking=None)
        await self._changes.edit(
            tx,
            conversation,
            asking=None,
            changed=lambda one: replace(
                one, lead_id=new.lead_id, service_type=new.service_type or one.service_type
            ),
            described=_as_it_is,
            booking_ids=None,
        )
        found = await self._conversation_store.get(tx, conversation.conversation_id)
        assert found is not None
        return found

    async def _update(self, tx: Transaction, known: Lead, new: NewLead) -> Lead:
        if (known.vendor_id, known.host_id) != (
            VendorId(new.vendor.participant_id),
            new.hosts[0].participant_id,
        ):
            raise LeadElsewhere(
                f"Lead {known.lead_id} is one of {known.host_id} to {known.vendor_id}. Nothing was changed. Open"
                " another lead for others.",
                field="lead_id",
            )
        after = replace(known, title=new.title, service_type=new.service_type or known.service_type)
        if after == known:
            return known
        await self._store.save(tx, after)
        return await self._stored(tx, known)

    async def _stored(self, tx: Transaction, lead: Lead) -> Lead:
        found = await self._store.get(tx, lead.tenant_id, lead.lead_id)
        assert found is not None, "leads are not removed"
        return found


def _as_it_is(details: Details) -> Details:
    return details
