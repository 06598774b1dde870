"""What there is one conversation for, and what its room shows."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bridge.config.homeserver import SERVER_NAME
from bridge.config.section import Section

_MXC = re.compile(rf"mxc://{SERVER_NAME.pattern}/[A-Za-z0-9_-]{{1,255}}")


def _mxc(value: str) -> str:
    if not _MXC.fullmatch(value):
        raise ValueError("must be a Matrix content URI, like mxc://example.org/abc: upload the picture first")
    return value


class Conversation(Section):
    scope: Literal["party_vendor", "host_vendor"] = Field(
        default="party_vendor",
        description="one per party and vendor, or (host_vendor) one per host and vendor, for all parties of the host",
    )
    avatar_url: Annotated[str, AfterValidator(_mxc)] | None = Field(
        default=None, description="the picture of new rooms, like mxc://example.org/abc; none unless set"
    )
