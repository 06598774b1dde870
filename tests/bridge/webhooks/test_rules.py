"""When, what and where to: tables."""

from ipaddress import ip_network

import pytest

from bridge.webhooks import rules
from bridge.webhooks.errors import UnknownEvent, UrlRefused
from bridge.webhooks.model import Secrets
from bridge.webhooks.payload import known_events

HOUR, MINUTE, SECOND = rules.HOUR, rules.MINUTE, rules.SECOND


def hms(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return hours * HOUR + minutes * MINUTE + seconds * SECOND


# Standard Webhooks, "Deliverability and reliability".
@pytest.mark.parametrize(
    ("attempts", "since_start", "next_at"),
    [
        (1, "00:00:00", "00:00:05"),
        (2, "00:00:05", "00:05:05"),
        (3, "00:05:05", "00:35:05"),
        (4, "00:35:05", "02:35:05"),
        (5, "02:35:05", "07:35:05"),
        (6, "07:35:05", "17:35:05"),
        (7, "17:35:05", "31:35:05"),
        (8, "31:35:05", "51:35:05"),
        (9, "51:35:05", "75:35:05"),
        (10, "75:35:05", None),  # given up
        (1, "75:35:05", None),  # it stood behind another all that time
        (1, "75:35:04", "75:35:09"),
        (2, "40:00:00", "40:05:00"),  # it stood behind another for long
    ],
)
def test_the_schedule_spans_three_days(attempts: int, since_start: str, next_at: str | None) -> None:
    age = hms(since_start)
    delay = rules.next_delay(attempts, age=age, jitter=0)
    assert (None if delay is None else age + delay) == (None if next_at is None else hms(next_at))


def test_what_failed_together_does_not_come_again_together() -> None:
    assert rules.next_delay(2, age=0, jitter=0.5) == 315 * SECOND
    assert rules.next_delay(2, age=0, jitter=1) == 330 * SECOND


@pytest.mark.parametrize(
    ("asked", "delay"),
    [
        (1 * SECOND, 5 * SECOND),  # never earlier than the schedule
        (60 * SECOND, 60 * SECOND),
        (90 * 24 * HOUR, 24 * HOUR),  # nor does an endpoint put it off for months
    ],
)
def test_an_endpoint_may_ask_for_time(asked: int, delay: int) -> None:
    assert rules.next_delay(1, age=0, jitter=0, asked=asked) == delay


@pytest.mark.parametrize(
    ("events", "event", "told"),
    [
        (None, "message.sent", True),
        (["message.sent"], "message.sent", True),
        (["message.sent"], "message.edited", False),
        (["message.*"], "message.edited", True),
        (["message.*"], "messages.edited", False),
        (["vendor.*", "conversation.closed"], "conversation.closed", True),
        ([], "message.sent", False),
    ],
)
def test_an_endpoint_is_told_what_it_wants(events: list[str] | None, event: str, told: bool) -> None:
    assert rules.wants(events, event) is told


@pytest.mark.parametrize("events", [None, ["message.sent", "vendor.replied"], ["conversation.*"]])
def test_events_that_there_are_may_be_asked_for(events: list[str] | None) -> None:
    rules.check_events(events, known=known_events())


@pytest.mark.parametrize("one", ["message.send", "mesage.*", "message.hidden", "scheduled.failed"])
def test_what_never_happens_is_refused(one: str) -> None:
    """What is of concern to one person alone is told to no program."""
    with pytest.raises(UnknownEvent, match=r"message\.sent"):
        rules.check_events(["message.sent", one], known=known_events())


def test_the_required_events_are_there() -> None:
    assert known_events().keys() >= {
        *(
            "message.sent",
            "message.edited",
            "message.deleted",
            "message.read",
            "vendor.replied",
            "vendor.rated",
        ),
        *("conversation.created", "conversation.closed", "conversation.archived"),
    }


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example/a?b=c", "hooks.example"),
        ("https://hooks.example:8443/", "hooks.example"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
    ],
)
def test_a_url_names_a_host(url: str, host: str) -> None:
    assert rules.host_of(url, http_allowed=False) == host


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",  # everybody on the way can read it
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "hooks.example",
        "https://",
        "https:///path",
        "https://anna:secret@hooks.example/",
        "https://anna@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://hooks.example:0/",
        "https://hooks example/",
        "https://hooks.example/\r\nX: y",
        "https://höks.example/",
        "https://hooks.example/" + "a" * 2_000,
        "https://[::1/",
        "",
    ],
)
def test_what_is_no_such_url_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused) as refusal:
        rules.host_of(url, http_allowed=False)
    assert refusal.value.field == "url"
    assert "Nothing was changed" in refusal.value.detail


def test_http_is_there_where_the_operator_says_so() -> None:
    assert rules.host_of("http://hooks.example/", http_allowed=True) == "hooks.example"
    with pytest.raises(UrlRefused):
        rules.host_of("ws://hooks.example/", http_allowed=True)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert rules.may_be_reached(address, allowed=())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds tell their secrets
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2001:db8::1",
        "localhost",
        "",
    ],
)
def test_other_addresses_may_not(address: str) -> None:
    assert not rules.may_be_reached(address, allowed=())


def test_the_operator_may_allow_a_network_and_nothing_beside_it() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert rules.may_be_reached("10.1.2.3", allowed=allowed)
    assert rules.may_be_reached("fd00::7", allowed=allowed)
    assert not rules.may_be_reached("10.2.0.1", allowed=allowed)
    assert not rules.may_be_reached("127.0.0.1", allowed=allowed)


def test_one_address_that_may_not_be_reached_is_enough_to_refuse_a_name() -> None:
    rules.check_addresses(["93.184.216.34"], allowed=())
    for addresses in (["93.184.216.34", "10.0.0.1"], []):
        with pytest.raises(UrlRefused):
            rules.check_addresses(addresses, allowed=())


def test_the_former_secret_signs_for_a_time() -> None:
    secrets = Secrets(current="new", former="old", former_until=10)
    assert secrets.at(9) == ("new", "old")
    assert secrets.at(10) == ("new",)
    assert "old" not in repr(secrets)
