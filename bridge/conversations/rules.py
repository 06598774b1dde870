"""How a conversation is named, what may become of it, and who may do what: pure."""

import dataclasses
from collections.abc import Mapping

from bridge.conversations.errors import ConversationBlocked, ConversationClosed, NotAGroup, NotAllowed
from bridge.conversations.model import Action, Conversation, Member, Role, Side, Status

LONGEST_TITLE = 255

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
    """By whatever way but Matrix, where the homeserver refuses."""
    if is_kept_out(conversation, member.role):
        raise ConversationBlocked("The conversation is blocked: nothing can be written in it from this side.")
    if conversation.is_read_only:
        raise ConversationClosed("The conversation is closed: nobody can write in it. Reopen it first.")
    if member.away in ("left", "removed"):
        raise NotAllowed(
            "They take part in this conversation no more. Add them again before they write in it.",
            field="sender_id",
        )


def check_may_change(member: Member) -> None:
    if member.standing == "member":
        raise NotAllowed("Only an owner or an admin of the conversation may do this. Nothing was changed.")


def check_may_delete(member: Member) -> None:
    if member.standing != "owner":
        raise NotAllowed("Only an owner of the conversation may delete it. Nothing was changed.")


def check_may_act(conversation: Conversation, member: Member, action: Action) -> None:
    """Of a person. Everybody may block the other side, and who is not blocked may end that."""
    if is_kept_out(conversation, member.role):
        raise NotAllowed("Who is blocked cannot change that. Nothing was changed.")
    if action == "block" or (action == "reopen" and conversation.status == "blocked"):
        return
    check_may_change(member)


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
