"""Where webhooks may lead, and how long what was delivered is kept."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import Field

from bridge.config.section import Section
from bridge.config.web import Network

DAY = 24 * 60 * 60 * 1000


class Webhooks(Section):
    allow_http: bool = Field(
        default=False, description="true: a webhook may be http://, which anybody on the way can read"
    )
    allowed_networks: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="networks that webhooks may lead to though they are not public, like 10.1.0.0/16",
    )
    kept_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="days for which what was delivered can be looked at and replayed",
    )

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(one) for one in self.allowed_networks)

    @property
    def kept(self) -> int:
        """Milliseconds."""
        return self.kept_days * DAY
