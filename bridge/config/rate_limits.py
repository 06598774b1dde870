"""How much one caller may ask of us in a minute; more is answered 429. The homeserver is never slowed down."""

from pydantic import Field

from bridge.config.section import Section

MOST = 1_000_000


class RateLimits(Section):
    requests_per_minute: int = Field(
        default=60_000,
        ge=1,
        le=MOST,
        description="REST requests a minute, of one person or one tenant's programs",
    )
    messages_per_minute: int = Field(
        default=3_000,
        ge=1,
        le=MOST,
        description="messages a minute, of one sender, by REST and WebSocket together",
    )
    frames_per_minute: int = Field(
        default=600, ge=1, le=MOST, description="frames a minute that one WebSocket may send us"
    )
