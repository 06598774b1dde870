"""How long what happened is kept for those who come back."""

from pydantic import Field

from bridge.config.section import Section

HOUR = 60 * 60 * 1000


class Feed(Section):
    kept_hours: int = Field(
        default=24, ge=1, le=720, description="hours that a client may be away and still get all it missed"
    )

    @property
    def kept(self) -> int:
        """Milliseconds."""
        return self.kept_hours * HOUR
