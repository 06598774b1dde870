"""What may become of a conversation, and by whom: every state with every action."""

import dataclasses
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.conversations import rules
from bridge.conversations.errors import (
    ConversationBlocked,
    ConversationClosed,
    NotAGroup,
    NotAllowed,
    NotSupport,
)
from bridge.conversations.model import (
    Action,
    Away,
    Conversation,
    Member,
    Resolution,
    Role,
    Scope,
    Side,
    Standing,
    Status,
    Type,
)
from bridge.core.errors import Refusal
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId
from tests.bridge.conversations.features import person

NOW, BEFORE = 2_000, 1_000


def conversation(
    status: Status = "active", *, was_closed: bool = False, type_: Type = "direct"
) -> Conversation:
    return Conversation(
        tenant_id=TenantId("festipin"),
        conversation_id=ConversationId("c"),
        party_id=PartyId("p"),
        vendor_id=VendorId("v"),
        title="Anna x Chef",
        status=status,
        created_at=0,
        type=type_,
        closed_at=BEFORE if was_closed or status == "closed" else None,
        archived_at=BEFORE if status == "archived" else None,
        blocked_side="vendor" if status == "blocked" else None,
    )


def member(role: Role = "host", standing: Standing = "member", away: Away | None = None) -> Member:
    return Member(person("x", "X"), role, away, standing=standing)


# (state, was it closed, action, state afterwards or None: refused, is it read-only then)
TABLE: list[tuple[Status, bool, Action, Status | None, bool]] = [
    ("active", False, "archive", "archived", False),
    ("active", False, "unarchive", "active", False),
    ("active", False, "close", "closed", True),
    ("active", False, "reopen", "active", False),
    ("active", False, "block", "blocked", False),
    ("archived", False, "archive", "archived", False),
    ("archived", False, "unarchive", "active", False),
    ("archived", False, "close", "closed", True),
    ("archived", False, "reopen", "active", False),
    ("archived", False, "block", "blocked", False),
    ("archived", True, "archive", "archived", True),  # the archive of what was closed is read-only
    ("archived", True, "unarchive", "closed", True),  # and it comes back as it was
    ("archived", True, "close", "closed", True),
    ("archived", True, "reopen", "active", False),
    ("archived", True, "block", "blocked", True),
    ("closed", True, "archive", "archived", True),
    ("closed", True, "unarchive", "closed", True),
    ("closed", True, "close", "closed", True),
    ("closed", True, "reopen", "active", False),
    ("closed", True, "block", "blocked", True),
    ("blocked", False, "archive", None, False),
    ("blocked", False, "unarchive", None, False),
    ("blocked", False, "close", None, False),
    ("blocked", False, "reopen", "active", False),
    ("blocked", False, "block", "blocked", False),
    ("blocked", True, "reopen", "active", False),
]


@pytest.mark.parametrize(("status", "was_closed", "action", "after", "read_only"), TABLE)
def test_every_state_with_every_action(
    status: Status, was_closed: bool, action: Action, after: Status | None, read_only: bool
) -> None:
    before = conversation(status, was_closed=was_closed)
    if after is None:
        with pytest.raises(ConversationBlocked):
            rules.changed(before, action, now=NOW)
        return
    found = rules.changed(before, action, now=NOW, blocked_side="vendor")
    assert (found.status, found.is_read_only) == (after, read_only)
    assert (found.archived_at is None) == (after != "archived")
    assert found.blocked_side == ("vendor" if after == "blocked" else None)


def test_the_table_leaves_nothing_out() -> None:
    pairs = {(status, action) for status in get_args(Status) for action in get_args(Action)}
    assert rules.AFTER.keys() == pairs == {(status, action) for status, _, action, _, _ in TABLE}


@settings(max_examples=200)
@given(st.lists(st.sampled_from(get_args(Action)), max_size=12))
def test_whatever_is_done_its_facts_agree_and_it_can_be_reopened(actions: list[Action]) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 1: valid actions succeed, within their time limit"""
    now, one = 1, conversation()
    for action in actions:
        now += 1
        if rules.AFTER[one.status, action] is None:
            with pytest.raises(ConversationBlocked, match="Reopen it first"):
                rules.changed(one, action, now=now)
            continue
        after = rules.changed(one, action, now=now, blocked_side="host")
        assert rules.changed(after, action, now=now + 1, blocked_side="host") == after, "twice is once"
        one = after
        assert (one.status == "archived") == (one.archived_at is not None)
        assert (one.status == "blocked") == (one.blocked_side is not None)
        assert one.status != "closed" or one.is_read_only
        assert one.status != "active" or not one.is_read_only
    assert rules.changed(one, "reopen", now=now).status == "active"


# (state, who takes part as what and is where, what they are told when they write)
WRITING: list[tuple[Conversation, Member, type[Refusal] | None]] = [
    (conversation(), member("host"), None),
    (conversation(), member("vendor"), None),
    (conversation(), member("vendor", away="declined"), None),  # not read yet: spoken for all the same
    (conversation(), member("vendor", away="left"), NotAllowed),
    (conversation(), member("vendor", away="removed"), NotAllowed),
    (conversation("archived"), member("host"), None),
    (conversation("archived", was_closed=True), member("host", "owner"), ConversationClosed),
    (conversation("closed"), member("host", "owner"), ConversationClosed),
    (conversation("closed"), member("staff", "admin"), ConversationClosed),
    (conversation("blocked"), member("vendor"), ConversationBlocked),
    (conversation("blocked"), member("host"), None),
    (conversation("blocked"), member("staff"), None),
    (dataclasses.replace(conversation(), deleted_at=1), member("host", "owner"), ConversationBlocked),
]


@pytest.mark.parametrize(("where", "who", "refusal"), WRITING)
def test_who_may_write(where: Conversation, who: Member, refusal: type[Refusal] | None) -> None:
    if refusal is None:
        return rules.check_may_write(where, who)
    with pytest.raises(refusal):
        rules.check_may_write(where, who)
    return None


# (state, who, action, allowed)
ACTING: list[tuple[Conversation, Member, Action, bool]] = [
    (conversation(), member("host", "owner"), "close", True),
    (conversation(), member("vendor", "admin"), "archive", True),
    (conversation(), member("vendor"), "close", False),
    (conversation(), member("vendor"), "archive", False),
    (conversation("closed"), member("vendor"), "reopen", False),
    (conversation(), member("vendor"), "block", True),  # whoever is molested
    (conversation("blocked"), member("vendor", "owner"), "reopen", False),  # the blocked side
    (conversation("blocked"), member("vendor", "owner"), "block", False),
    (conversation("blocked"), member("host"), "reopen", True),
    (conversation(), member("host", "owner", "declined"), "close", True),  # spoken for all the same
    (conversation(), member("host", "owner", "left"), "close", False),
    (conversation(), member("vendor", away="removed"), "block", False),
    (conversation("blocked"), member("host", away="left"), "reopen", False),
]


@pytest.mark.parametrize(("where", "who", "action", "allowed"), ACTING)
def test_who_may_do_what(where: Conversation, who: Member, action: Action, allowed: bool) -> None:
    if allowed:
        return rules.check_may_act(where, who, action)
    with pytest.raises(NotAllowed):
        rules.check_may_act(where, who, action)
    return None


# (who asks, the side they name, the side that is blocked or None: refused)
BLOCKING: list[tuple[Member | None, Side | None, Side | None]] = [
    (member("host"), None, "vendor"),
    (member("vendor"), None, "host"),
    (member("host"), "vendor", "vendor"),
    (member("host"), "host", None),
    (member("vendor"), "vendor", None),
    (member("staff"), "host", "host"),
    (member("staff"), None, None),
    (None, "vendor", "vendor"),
    (None, None, None),
]


@pytest.mark.parametrize(("who", "asked", "blocked"), BLOCKING)
def test_nobody_blocks_their_own_side(who: Member | None, asked: Side | None, blocked: Side | None) -> None:
    if blocked is not None:
        assert rules.side_to_block(who, asked) == blocked
        return
    with pytest.raises(NotAllowed):
        rules.side_to_block(who, asked)


# (the standings and roles of those who were there, in the order in which they came; whose is it then, by their place)
HEIRS: list[tuple[list[tuple[Standing, Role, Away | None]], int | None]] = [
    ([("owner", "host", None), ("member", "host", None)], None),  # somebody owns it
    ([("owner", "host", "declined"), ("admin", "host", None)], None),  # who declined is an owner all the same
    ([("owner", "host", "blocked"), ("admin", "vendor", None)], None),  # nobody gains by blocking the owner
    (
        [("member", "host", "left"), ("member", "host", None), ("admin", "vendor", None)],
        2,
    ),  # an admin before a host
    (
        [("member", "host", "left"), ("admin", "staff", None), ("admin", "vendor", None)],
        1,
    ),  # the oldest admin
    (
        [("member", "host", "left"), ("member", "vendor", None), ("member", "host", None)],
        2,
    ),  # hosts, no vendor
    ([("member", "host", "left"), ("member", "host", None), ("member", "host", None)], 1),  # the oldest host
    (
        [("member", "host", "removed"), ("member", "staff", None), ("member", "host", None)],
        2,
    ),  # a host before staff
    (
        [("member", "host", "left"), ("member", "vendor", None), ("member", "staff", None)],
        2,
    ),  # staff, no vendor
    (
        [("member", "host", "left"), ("admin", "host", "left"), ("member", "host", "declined")],
        None,
    ),  # nobody is there
    ([("member", "host", "left"), ("member", "vendor", None)], None),
    ([("owner", "host", "left"), ("member", "host", None)], 1),  # who left before standings were given up
    ([], None),
]


@pytest.mark.parametrize(("people", "place"), HEIRS)
def test_who_becomes_an_owner_where_none_is_left(
    people: list[tuple[Standing, Role, Away | None]], place: int | None
) -> None:
    there = [member(role, standing, away) for standing, role, away in people]
    assert rules.heir(there) is (None if place is None else there[place])


# (the switch, is it a party's, is there a vendor, is there one per host instead of one per party)
SCOPES: list[tuple[Scope, bool, bool, bool]] = [
    ("party_vendor", True, True, False),
    ("party_vendor", True, False, False),  # the party's own
    ("party_vendor", False, True, True),  # a direct inquiry
    ("host_vendor", True, True, True),
    ("host_vendor", True, False, False),  # a party's own stays its own
    ("host_vendor", False, True, True),
]


@pytest.mark.parametrize(("scope", "of_party", "has_vendor", "per_host"), SCOPES)
def test_what_there_is_one_for(scope: Scope, of_party: bool, has_vendor: bool, per_host: bool) -> None:
    party, anna = PartyId("p") if of_party else None, ParticipantId("anna")
    assert rules.asked_by(scope, party, anna, has_vendor=has_vendor) == (anna if per_host else None)


# (as it was, as it is to be, as it is then and since when)
RESOLUTIONS: list[tuple[Resolution, Resolution, int | None]] = [
    ("open", "open", None),
    ("open", "resolved", NOW),
    ("open", "unresolved", NOW),
    ("resolved", "resolved", BEFORE),  # the same again changes nothing
    ("resolved", "unresolved", NOW),
    ("unresolved", "open", None),
]


@pytest.mark.parametrize(("before", "wanted", "since"), RESOLUTIONS)
def test_a_question_is_settled_and_open_again(
    before: Resolution, wanted: Resolution, since: int | None
) -> None:
    support = dataclasses.replace(
        conversation(type_="support"), resolution=before, resolved_at=None if before == "open" else BEFORE
    )
    after = rules.resolved(support, wanted, now=NOW)
    assert (after.resolution, after.resolved_at) == (wanted, since)


def test_only_support_has_a_resolution() -> None:
    for type_ in ("direct", "group"):
        with pytest.raises(NotSupport):
            rules.resolved(conversation(type_=type_), "open", now=NOW)


def test_only_owners_delete_and_only_groups_take_people() -> None:
    for away in ("left", "removed", "blocked"):
        with pytest.raises(NotAllowed):
            rules.check_may_delete(member(standing="owner", away=away))
        with pytest.raises(NotAllowed):
            rules.check_may_change(member(standing="owner", away=away))
    rules.check_may_delete(member(standing="owner"))
    with pytest.raises(NotAllowed):
        rules.check_may_delete(member(standing="admin"))
    rules.check_takes_people(conversation(type_="group"))
    for other in ("direct", "support"):
        with pytest.raises(NotAGroup):
            rules.check_takes_people(conversation(type_=other))
