"""An endpoint, and what is delivered to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NewType

from bridge.core.ids import ConversationId, TenantId

EndpointId = NewType("EndpointId", str)

TEST = "webhook.test"
"""The event that stands for none: its endpoint's owner asked for it."""

Disabled = Literal["by_request", "gone", "failing"]
"""Why nothing is sent there: its owner wants it so, it said 410, or it took nothing for days."""
State = Literal["next", "behind", "done", "dead"]
"""`next`: the first of its lane that waits; `behind`: waits for that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What an endpoint's owner says of it. `events`: names, or families such as "message.*"; None: all."""

    url: str
    events: Sequence[str] | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secrets:
    """`former` signs, too, until `former_until` (epoch ms)."""

    current: str
    former: str | None = None
    former_until: int = 0

    def at(self, now: int) -> Sequence[str]:
        """Those that sign, the current one first."""
        if self.former is None or now >= self.former_until:
            return (self.current,)
        return (self.current, self.former)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`accepted_at`: when it took something last, or was enabled. Times in epoch ms."""

    endpoint_id: EndpointId
    tenant_id: TenantId
    address: Address
    secrets: Secrets
    disabled: Disabled | None
    disabled_at: int | None
    accepted_at: int
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """As much of an endpoint as tells which events it is told of: those behind `after_seq`."""

    endpoint_id: EndpointId
    tenant_id: TenantId
    events: Sequence[str] | None
    after_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`status`: what the endpoint answered; None where it did not, for the reason that `failure` tells."""

    at: int
    status: int | None
    failure: str | None
    took: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What is told. `lane`: what it stands in line with. `number`: its place in the conversation, 0: none.

    `about`: ids only.
    """

    event_id: str
    event: str
    lane: str
    number: int
    about: Mapping[str, str]
    occurred_at: int

    @property
    def conversation_id(self) -> ConversationId | None:
        """No id holds a slash; what belongs to no conversation stands in a lane that does."""
        return None if "/" in self.lane else ConversationId(self.lane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Of one event to one endpoint. `attempts`: since `since`, when it was recorded or replayed last; `history`: the
    latest of all."""

    seq: int
    endpoint_id: EndpointId
    happened: Happened
    state: State
    since: int
    not_before: int
    attempts: int
    history: Sequence[Attempt]
    finished_at: int | None
