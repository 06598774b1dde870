"""The homeserver whose rooms the conversations live in."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from bridge.config.section import BaseUrl, Section

# Specification, appendices, "Server name": DNS name, IPv4 or bracketed IPv6 address, perhaps a port.
SERVER_NAME = re.compile(r"(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def _server_name(value: str) -> str:
    if "://" in value:
        raise ValueError("is a name, not an address: leave out `https://`, as in @anna:example.org")
    if not SERVER_NAME.fullmatch(value):
        raise ValueError(
            "must be the name that follows the colon in user ids, like example.org or localhost:8448"
        )
    return value


class Homeserver(Section):
    url: BaseUrl = Field(description="where we reach the homeserver's client-server API")
    server_name: Annotated[str, AfterValidator(_server_name)] = Field(
        description="the homeserver's name as in @anna:example.org"
    )
