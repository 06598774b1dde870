"""When a delivery is tried again, which events an endpoint is told of, and where one may be: pure."""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

from bridge.webhooks.errors import TooManyWebhooks, UnknownEvent, UrlRefused
from bridge.webhooks.model import TEST

Network = IPv4Network | IPv6Network

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Standard Webhooks, "Deliverability and reliability": the example schedule. From one attempt's failure to the next.
SCHEDULE = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
LONGEST = sum(SCHEDULE)
"""After which nothing waits for another attempt: 75 h 35 min 5 s."""
JITTER = 0.1
"""Of each delay, so much may be added: what failed together does not come again together."""
LONGEST_ASKED = DAY
"""More than that of `Retry-After` is not heeded."""

FAILING_FOR = 5 * DAY
"""An endpoint that took nothing for so long is disabled when the next delivery is given up."""

MOST = 20
"""Endpoints of a tenant."""
LONGEST_URL = 2_000
LONGEST_OVERLAP_HOURS = 7 * 24
HISTORY = 20
"""Attempts of a delivery that are kept: the latest."""

_NAT64 = IPv6Network("64:ff9b::/96")


def next_delay(attempts: int, *, age: int, jitter: float, asked: int | None = None) -> int | None:
    """Milliseconds until a delivery is tried again that has failed so many times; None: it is given up.

    `age`: since it was recorded. What waited behind another one has no days left of its own once that is given up.
    `jitter`: 0 to 1. `asked`: what the endpoint wants it to be, at least.
    """
    if attempts > len(SCHEDULE) or age >= LONGEST:
        return None
    delay = int(SCHEDULE[attempts - 1] * (1 + JITTER * jitter))
    return max(delay, min(asked or 0, LONGEST_ASKED))


def is_tried_once(event: str) -> bool:
    """Who asks for a test looks at what came of it."""
    return event == TEST


def wants(events: Sequence[str] | None, event: str) -> bool:
    """`events`: of an endpoint."""
    if events is None:
        return True
    return any(
        event.startswith(one.removesuffix("*")) if one.endswith("*") else event == one for one in events
    )


def check_events(events: Sequence[str] | None, *, known: Collection[str]) -> None:
    """Each must stand for at least one that there is: else a slip of the pen would stay silent for ever."""
    for one in events or ():
        if not any(wants([one], event) for event in known):
            raise UnknownEvent(
                f"There is no event {one[:60]}. There are {', '.join(sorted(known))}, and families such as"
                " message.*. Nothing was changed.",
                field="events",
            )


def check_how_many(count: int) -> None:
    """`count`: how many there are already."""
    if count >= MOST:
        raise TooManyWebhooks(f"There are {MOST} webhooks already. Delete one first. Nothing was changed.")


def host_of(url: str, *, http_allowed: bool) -> str:
    """The host of an endpoint's URL, of one that may be one."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _refused(f"must be visible ASCII characters, {LONGEST_URL} at most")
    try:
        parts = URL(url)
        host, port = parts.host, parts.port
    except (ValueError, IndexError):  # yarl's, of brackets without a host: https://[]@
        raise _refused("is no URL") from None
    if parts.scheme != "https" and not (http_allowed and parts.scheme == "http"):
        raise _refused("must begin with https://" + (" or http://" if http_allowed else ""))
    if not host or not port:
        raise _refused("names no host")
    if parts.user is not None or parts.password is not None:
        raise _refused("may not hold a user name or password: the signature says who sends")
    if parts.raw_fragment:
        raise _refused("may not hold a fragment (#...)")
    return host


def check_addresses(addresses: Collection[str], *, allowed: Sequence[Network]) -> None:
    """All that a host's name stands for."""
    if not addresses:
        raise _refused("names a host that is not found")
    if not all(may_be_reached(one, allowed=allowed) for one in addresses):
        raise _refused(
            "leads to an address that is not public. Should that be meant, the operator allows it by"
            " `webhooks.allowed_networks`"
        )


def may_be_reached(address: str, *, allowed: Sequence[Network]) -> bool:
    """Whether something may be sent to this very address: a public one, or one of a network that is allowed."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if any(ip in network for network in allowed):
        return True
    return _is_public(ip) and all(_is_public(inner) for inner in _inside(ip))


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not (ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast)


def _inside(ip: IPv4Address | IPv6Address) -> Sequence[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to by a translator or a tunnel."""
    if isinstance(ip, IPv4Address):
        return ()
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in found if one is not None]


def _refused(reason: str) -> UrlRefused:
    return UrlRefused(f"The URL {reason}. Nothing was changed.", field="url")
