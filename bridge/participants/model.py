"""A participant is a person of one tenant. With an MXID they speak for themselves, without one through a ghost."""

from dataclasses import dataclass

from bridge.core.ids import ParticipantId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """`mxid`: "@local:server" or None. `avatar_url`: an mxc URI or None. `vendor_type`: what a vendor offers."""

    tenant_id: TenantId
    participant_id: ParticipantId
    name: str
    mxid: str | None
    avatar_url: str | None
    vendor_type: str | None = None
