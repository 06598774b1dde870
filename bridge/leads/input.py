"""Leads as the outside tells them: in the API's bodies and in the platform's events."""

from typing import Annotated

from pydantic import Field

from bridge.core.ids import LeadId, PartyId, TenantId
from bridge.leads.model import Outcome
from bridge.leads.service import NewLead
from bridge.participants.input import Party, Person, Vendor
from bridge.web.fields import Data, Id, Name, Text, Title


class LeadToOpen(Data):
    lead_id: Id
    title: Annotated[Title, Field(description="what is wanted; kept sealed")]
    host: Annotated[Person, Field(description="who wants it")]
    vendor: Vendor
    party: Annotated[Party | None, Field(description="left out: they ask without one")] = None
    service_type: Name | None = None
    text: Annotated[Text | None, Field(description="what the host wrote; it begins the thread")] = None

    @property
    def people(self) -> list[Person]:
        """Who wants it, and who plans the party with them."""
        others = () if self.party is None else self.party.hosts
        return [self.host, *(one for one in others if one.id != self.host.id)]

    def lead(self, tenant_id: TenantId) -> NewLead:
        return NewLead(
            tenant_id=tenant_id,
            lead_id=LeadId(self.lead_id),
            title=self.title,
            service_type=self.service_type,
            hosts=tuple(one.participant(tenant_id) for one in self.people),
            vendor=self.vendor.participant(tenant_id),
            party_id=None if self.party is None else PartyId(self.party.id),
            party_title=self.host.name if self.party is None else self.party.title,
            text=self.text,
        )


class LeadChange(Data):
    status: Annotated[
        Outcome | None, Field(description="what it has come to; null: what its conversation says")
    ]
