"""How a conversation is named, what may become of it, and who may do what: pure."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from bridge.conversations.errors import (
    ConversationBlocked,
    ConversationClosed,
    LastOwner,
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
)
from bridge.core.ids import ParticipantId, PartyId

LONGEST_TITLE = 255
GONE: Sequence[Away] = ("left", "removed")
"""Of a member: for good, unless somebody adds them again. Who declined is spoken for; who is blocked may come back."""

AFTER: Mapping[tuple[Status, Action], Status | None] = {
    ("active", "archive"): "archived",
    ("active", "unarchive"): "active",
    ("active", "close"): "closed",
    ("active", "reopen"): "active",
    ("active", "block"): "blocked",
    ("archived", "archive"): "archived",
    ("archived", "unarchive"): "active",  # or closed, if it was: `changed`
    ("archived", "close"): "closed",
    ("archived", "reopen"): "active",
    ("archived", "block"): "blocked",
    ("closed", "archive"): "archived",
    ("closed", "unarchive"): "closed",
    ("closed", "close"): "closed",
    ("closed", "reopen"): "active",
    ("closed", "block"): "blocked",
    ("blocked", "archive"): None,
    ("blocked", "unarchive"): None,
    ("blocked", "close"): None,
    ("blocked", "reopen"): "active",
    ("blocked", "block"): "blocked",
}
"""What a conversation is after an action; None: it is refused. What is so already stays so."""


def title(party_title: str, vendor_name: str) -> str:
    """What everybody sees as the room's name: people only, no dates, prices or addresses (servers can read it)."""
    return f"{party_title} x {vendor_name}"[:LONGEST_TITLE]


def changed(
    conversation: Conversation, action: Action, *, now: int, blocked_side: Side | None = None
) -> Conversation:
    """The conversation after `action`; the same one where that changes nothing. `blocked_side`: of a block."""
    status = AFTER[conversation.status, action]
    if status is None:
        raise ConversationBlocked("The conversation is blocked. Reopen it first. Nothing was changed.")
    if action == "unarchive" and status == "active" and conversation.is_read_only:
        status = "closed"
    if status == conversation.status:
        return conversation
    closed_at = conversation.closed_at
    if status == "closed":
        closed_at = closed_at or now
    elif status == "active":
        closed_at = None
    return dataclasses.replace(
        conversation,
        status=status,
        closed_at=closed_at,
        archived_at=now if status == "archived" else None,
        blocked_side=blocked_side if status == "blocked" else None,
    )


def is_kept_out(conversation: Conversation, role: Role) -> bool:
    """Whether who takes part as `role` may not be there."""
    return conversation.deleted_at is not None or (
        conversation.status == "blocked" and role == conversation.blocked_side
    )


def check_may_write(conversation: Conversation, member: Member) -> None:
    """Or edit, delete, react, pin; by whatever way but Matrix, where the homeserver refuses."""
    if is_kept_out(conversation, member.role):
        raise ConversationBlocked(
            "The conversation is blocked: nothing can be written in it from this side. The other side or the platform"
            " can reopen it."
        )
    if conversation.is_read_only:
        raise ConversationClosed(
            "The conversation is closed: nobody can write in it, or change what is there. Reopen it first."
        )
    if member.away in GONE:
        raise NotAllowed(
            "They take part in this conversation no more. Add them again before they do something in it.",
            field="sender_id",
        )


def check_may_change(member: Member) -> None:
    _check_there(member)
    if member.standing == "member":
        raise NotAllowed("Only an owner or an admin of the conversation may do this. Nothing was changed.")


def check_may_add(member: Member, standings: Collection[Standing]) -> None:
    """`standings`: what those who come are to have. Nobody gives more than they have: an owner may delete it all."""
    check_may_change(member)
    if member.standing != "owner" and "owner" in standings:
        raise NotAllowed("Only an owner of the conversation makes others its owners. Nothing was changed.")


def check_tells_nothing(told: Collection[str], *, place: int) -> None:
    """Of whom a person adds. `told`: the fields in which they say who that is; `place`: among those whom they add."""
    for name in told:
        raise NotAllowed(
            f"Only the platform and its staff say who somebody is. Nothing was changed. Name them by `id`, without"
            f" `{name}`.",
            field=f"participants[{place}].{name}",
        )


def check_adds_no_staff(roles: Collection[Role]) -> None:
    """By a person."""
    if "staff" in roles:
        raise NotAllowed(
            "Only the platform and its staff add staff. Nothing was changed.", field="participants"
        )


def check_may_set_standing(
    people: Sequence[Member], whose: Member, standing: Standing, *, asking: Member | None
) -> None:
    """`people`: all of the conversation. `asking`: the person who asks; None is a program or staff."""
    if asking is not None:
        _check_there(asking)
        if asking.standing != "owner":
            raise NotAllowed(
                "Only an owner of the conversation says what others may do in it. Nothing was changed."
            )
    if whose.away in GONE:
        raise NotAllowed(
            "They take part in this conversation no more. Add them again, with the standing that they are to have."
            " Nothing was changed.",
            field="participant_id",
        )
    if standing != "owner":
        _check_owned_by_others(people, whose)


def check_may_remove(
    conversation: Conversation, people: Sequence[Member], whom: Member, *, asking: Member | None
) -> None:
    """As `check_may_set_standing`. People are taken out of groups, and out of support by its staff: of the two sides of
    a direct conversation neither puts out the other."""
    if asking is not None:
        check_may_change(asking)
        if asking.participant.participant_id == whom.participant.participant_id:
            raise NotAllowed(
                "Nobody takes themselves out. Leave the conversation instead. Nothing was changed.",
                field="participant_id",
            )
        if conversation.type != "group" and asking.role != "staff":
            raise NotAGroup(
                "People are taken out of groups only. Block the other side, or leave. Nothing was changed."
            )
        if asking.standing != "owner" and whom.standing == "owner":
            raise NotAllowed(
                "Only an owner of the conversation takes out an owner. Nothing was changed.",
                field="participant_id",
            )
    _check_owned_by_others(people, whom)


def _check_owned_by_others(people: Sequence[Member], owner: Member) -> None:
    """Of whom is an owner: that they are not the only one."""
    if owner.standing == "owner" and not any(
        one.standing == "owner"
        and one.away not in GONE
        and one.participant.participant_id != owner.participant.participant_id
        for one in people
    ):
        raise LastOwner(
            "They are the only owner of the conversation. Make somebody else an owner first. Nothing was changed.",
            field="participant_id",
        )


def check_may_delete(member: Member) -> None:
    _check_there(member)
    if member.standing != "owner":
        raise NotAllowed("Only an owner of the conversation may delete it. Nothing was changed.")


def check_may_act(conversation: Conversation, member: Member, action: Action) -> None:
    """Of a person. Everybody may block the other side, and who is not blocked may end that."""
    if is_kept_out(conversation, member.role):
        raise NotAllowed("Who is blocked cannot change that. Nothing was changed.")
    _check_there(member)
    if action == "block" or (action == "reopen" and conversation.status == "blocked"):
        return
    check_may_change(member)


def _check_there(member: Member) -> None:
    if member.away in GONE or member.away == "blocked":
        raise NotAllowed("They take part in this conversation no more, or are blocked. Nothing was changed.")


def side_to_block(member: Member | None, asked: Side | None) -> Side:
    """Whom a block keeps out. `member`: the person who asks; None is a program or staff, who have to say it."""
    if member is None or member.role == "staff":
        if asked is None:
            raise NotAllowed("Say which side is to be blocked: `host` or `vendor`.", field="side")
        return asked
    other: Side = "host" if member.role == "vendor" else "vendor"
    if asked not in (None, other):
        raise NotAllowed("Nobody blocks their own side. Leave the conversation instead.", field="side")
    return other


def check_takes_people(conversation: Conversation) -> None:
    if conversation.type != "group":
        raise NotAGroup(
            "People are added to groups only. Open a group conversation for more people. Nothing was changed."
        )


def asked_by(
    scope: Scope, party_id: PartyId | None, host: ParticipantId, *, has_vendor: bool
) -> ParticipantId | None:
    """For whom there is one conversation with a vendor, whatever the party; None: there is one per party.

    `host`: the first of those who plan the party, or who asks without one.
    """
    if party_id is None or (scope == "host_vendor" and has_vendor):
        return host
    return None


def resolved(conversation: Conversation, resolution: Resolution, *, now: int) -> Conversation:
    """The conversation with this resolution; the same one where it has that already."""
    if conversation.type != "support":
        raise NotSupport(
            "Only a support conversation has a resolution. Close this one instead. Nothing was changed.",
            field="resolution",
        )
    if resolution == conversation.resolution:
        return conversation
    resolved_at = None if resolution == "open" else now
    return dataclasses.replace(conversation, resolution=resolution, resolved_at=resolved_at)


def heir(people: Sequence[Member]) -> Member | None:
    """Who becomes an owner because nobody is one any more; None where somebody is, or nobody can be.

    `people`: in the order in which they came. A vendor becomes one only who was trusted before, as an admin: else they
    could delete what a host has paid for.
    """
    if any(one.standing == "owner" and one.away not in GONE for one in people):
        return None
    there = [one for one in people if one.away is None]
    ranks: Sequence[tuple[Standing | None, Role | None]] = (("admin", None), (None, "host"), (None, "staff"))
    for standing, role in ranks:
        for one in there:
            if standing in (None, one.standing) and role in (None, one.role):
                return one
    return None
