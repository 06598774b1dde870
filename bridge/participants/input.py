"""People and parties as the outside tells them: in the API's bodies and in the platform's events."""

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from bridge.core.ids import ParticipantId, TenantId
from bridge.participants.model import Participant
from bridge.web.fields import Data, Id, MxcUri, Mxid, Name, Title, refuse_empty, refuse_repeated

MOST_HOSTS = 20


class Person(Data):
    """With an `mxid` they are invited to the room; without one a ghost speaks for them."""

    id: Id
    name: Name
    mxid: Mxid | None = None
    avatar_url: MxcUri | None = None

    def participant(self, tenant_id: TenantId) -> Participant:
        return Participant(
            tenant_id=tenant_id,
            participant_id=ParticipantId(self.id),
            name=self.name,
            mxid=self.mxid,
            avatar_url=self.avatar_url,
        )


class Vendor(Person):
    vendor_type: Name | None = None

    def participant(self, tenant_id: TenantId) -> Participant:
        return replace(super().participant(tenant_id), vendor_type=self.vendor_type)


class Party(Data):
    """No two hosts have the same `id`."""

    id: Id
    title: Title
    hosts: Annotated[
        tuple[Person, ...],
        Field(max_length=MOST_HOSTS, json_schema_extra={"minItems": 1}),
        AfterValidator(refuse_empty),
    ]

    @field_validator("hosts")
    @classmethod
    def _hosts_differ(cls, hosts: tuple[Person, ...]) -> tuple[Person, ...]:
        refuse_repeated(host.id for host in hosts)
        return hosts
