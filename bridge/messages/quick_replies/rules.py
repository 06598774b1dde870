"""Which variables there are, what stands for them, and who may change what: pure.

No template language: names in double braces are replaced, once, and nothing else means anything.
"""

import re
from collections.abc import Mapping, Sequence

from bridge.conversations.errors import NotAllowed
from bridge.conversations.model import Member
from bridge.core.ids import ParticipantId
from bridge.messages.quick_replies.errors import NothingToFillIn, TooManyQuickReplies, UnknownVariable

VARIABLES = ("party_title", "host_name", "vendor_name")
MOST = 200
"""Of one owner."""

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_HINT = f"There are {', '.join(f'{{{{{name}}}}}' for name in VARIABLES)}. Nothing was changed."


def variables_of(text: str) -> tuple[str, ...]:
    """Those that stand in it, each once. Refuse any that there is none of, and braces that belong to none."""
    names = tuple(dict.fromkeys(match[1] for match in _PLACE.finditer(text)))
    for name in names:
        if name not in VARIABLES:
            raise UnknownVariable(f"There is no variable {name[:40]}. {_HINT}", field="text")
    rest = _PLACE.sub(" ", text)
    if "{{" in rest or "}}" in rest:
        raise UnknownVariable(
            f"There are double braces without a variable's name in them. {_HINT}", field="text"
        )
    return names


def filled(text: str, values: Mapping[str, str | None]) -> str:
    """`values`: of each variable; None where this conversation has nothing that it could stand for."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if found is None:
            raise NothingToFillIn(
                f"This conversation has nothing to put in for {{{{{match[1]}}}}}. Write the message yourself.",
                field="quick_reply_id",
            )
        return found

    return _PLACE.sub(value, text)


def values_of(members: Sequence[Member], *, party_title: str | None) -> dict[str, str | None]:
    """`members`: of the conversation; those who are not there any more do not count."""
    return {
        "party_title": party_title,
        "host_name": _names(members, "host"),
        "vendor_name": _names(members, "vendor"),
    }


def check_how_many(count: int) -> None:
    """`count`: how many there are already."""
    if count >= MOST:
        raise TooManyQuickReplies(
            f"There are {MOST} already. Delete some of them first. Nothing was changed."
        )


def check_may_change(owner_id: ParticipantId | None, *, person: ParticipantId | None) -> None:
    """`person`: who asks; None: a program or staff."""
    if person is not None and owner_id != person:
        raise NotAllowed("This one is everybody's: only programs and staff change it. Nothing was changed.")


def _names(members: Sequence[Member], role: str) -> str | None:
    names = [one.participant.name for one in members if one.role == role and one.away is None]
    return " & ".join(names) or None
