"""A participant is a person of one tenant. With an MXID they speak for themselves, without one through a ghost."""

from dataclasses import dataclass
from typing import Literal

from bridge.core.ids import ParticipantId, TenantId

Role = Literal["host", "vendor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """`mxid`: "@local:server" or None. `avatar_url`: an mxc URI or None."""

    tenant_id: TenantId
    participant_id: ParticipantId
    role: Role
    name: str
    mxid: str | None
    avatar_url: str | None
