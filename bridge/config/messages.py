"""Limits of a message."""

from pydantic import Field

from bridge.config.section import Section

LONGEST_TEXT = 20_000


class Messages(Section):
    max_text_length: int = Field(
        default=10_000, ge=1, le=LONGEST_TEXT, description="characters a message may have, 20000 at most"
    )
    schedule_days: int = Field(
        default=90, ge=1, le=3_650, description="days ahead for which a message may be scheduled"
    )
