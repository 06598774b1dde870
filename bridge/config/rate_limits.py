"""How much one caller may ask of us; more is answered 429. The homeserver is never slowed down."""

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
    frames_per_second: int = Field(
        default=50, ge=1, le=MOST, description="frames a second that one WebSocket may send us"
    )
    connections_per_person: int = Field(
        default=20, ge=1, le=MOST, description="WebSockets that one person may have open at once"
    )
    connections_per_program: int = Field(
        default=5_000,
        ge=1,
        le=MOST,
        description="WebSockets that all programs of a tenant may have open at once, and all its staff",
    )
