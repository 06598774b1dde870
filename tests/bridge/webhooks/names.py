"""What names stand for, where there is no name server."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.webhooks.courier import Names

PUBLIC = "93.184.216.34"
KNOWN = {"hooks.festipin.example": [PUBLIC], "inside.festipin.example": ["10.0.0.7"]}


def names(known: Mapping[str, list[str] | Iterator[list[str]]] = KNOWN) -> Names:
    """`known`: addresses by name; with an iterator, others each time it is asked for."""

    def look_up(host: str, port: int, family: int) -> list[Any]:
        try:
            socket.inet_aton(host)
            found = [host]
        except OSError:
            answer = known.get(host)
            if answer is None:
                raise socket.gaierror(socket.EAI_NONAME, "unknown") from None
            found = answer if isinstance(answer, list) else next(answer)
        return [(_family(one), socket.SOCK_STREAM, 0, "", (one, port)) for one in found]

    return Names(look_up)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
