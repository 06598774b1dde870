"""How hosts answer quotes in the conversation."""

from typing import Literal

from pydantic import Field

from bridge.config.section import Section


class Quotes(Section):
    ask: Literal["reactions", "poll"] = Field(
        default="reactions", description="reactions to tap, or a poll, which not every client shows"
    )
