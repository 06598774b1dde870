"""What a decrypted message answers, to whom it speaks, and how it is formatted: pure.

Spec: client-server API, "Rich replies", "Threading", "User and room mentions". Always by the ciphertext: what stands
beside it anybody could have written.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appservice.inbound.waiting import is_event_id
from appservice.names import Names
from bridge.conversations.model import Member
from bridge.core.ids import ParticipantId

HTML = "org.matrix.custom.html"
# Older clients repeat what they answer: "> <@anna:example.org> text", or "> * <@anna...> waves".
_FALLBACK = re.compile(r"> (\* )?<@[^>\s]+:[^>\s]+>")


@dataclass(frozen=True, slots=True)
class Relations:
    """The event ids of what is answered, and of what began the thread."""

    reply: str | None = None
    thread: str | None = None


def relations_of(content: Mapping[str, Any]) -> Relations:
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict):
        return Relations()
    thread = _event_id(relation) if relation.get("rel_type") == "m.thread" else None
    reply = _event_id(relation.get("m.in_reply_to"))
    if thread is not None and relation.get("is_falling_back") is True:
        reply = None  # it is there for clients that know no threads
    return Relations(reply, thread)


def without_fallback(body: str, relations: Relations) -> str:
    """What the person wrote, without the quotation that some clients put before it."""
    if relations.reply is None and relations.thread is None:
        return body
    if not _FALLBACK.match(body):
        return body
    lines = body.split("\n")
    first = next((number for number, line in enumerate(lines) if not line.startswith("> ")), len(lines))
    written = "\n".join(lines[first + 1 :] if lines[first : first + 1] == [""] else lines[first:])
    return written or body


def html_of(content: Mapping[str, Any]) -> str | None:
    """As the client formatted it: to be cleaned."""
    formatted = content.get("formatted_body")
    return formatted if content.get("format") == HTML and isinstance(formatted, str) else None


def mentioned(content: Mapping[str, Any]) -> Sequence[str]:
    """The MXIDs of those to whom it speaks."""
    mentions = content.get("m.mentions")
    users = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return [user for user in users if isinstance(user, str)] if isinstance(users, list) else []


def participants_of(users: Sequence[str], people: Sequence[Member], names: Names) -> list[ParticipantId]:
    """Who of the conversation is meant: by their account, or by the ghost that stands for them."""
    if not users:
        return []  # as nearly always: whose ghost is whose takes time to say
    found = []
    for person in (member.participant for member in people):
        addresses = (person.mxid, names.ghost(person.tenant_id, person.participant_id))
        if any(address in users for address in addresses):
            found.append(person.participant_id)
    return found


def _event_id(value: Any) -> str | None:
    event_id = value.get("event_id") if isinstance(value, dict) else None
    return event_id if is_event_id(event_id) else None
