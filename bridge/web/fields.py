"""The kinds of value a request is made of, each with the reason it gives when it refuses and its JSON Schema."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from bridge.config.homeserver import SERVER_NAME
from bridge.config.messages import LONGEST_TEXT
from bridge.core.writing import CONTROL_BUT_TAB_AND_NEWLINE, DIRECTIONS, INVISIBLE, harmless, is_blank

Item = TypeVar("Item")

# Passed as validation context under this key; absent, the largest length that can be configured holds.
MAX_TEXT_LENGTH = "max_text_length"
# In a JSON Schema: the name of the limit, of those just above, that the operator may lower it to.
LIMIT = "x-limit"

_LONGEST_NAME = 100
_LONGEST_TITLE = 200
_LONGEST_REFERENCE = 255
_LONGEST_MXID = 255
_LONGEST_MXC = 512

# Ranges for the inside of [...], in the words that Python's and JavaScript's regular expressions share.
_CONTROL = "\x00-\x1f\x7f-\x9f"
_LINE_BREAKS = "\u2028\u2029"
NOT_IN_A_LINE = _CONTROL + _LINE_BREAKS + DIRECTIONS
_BREAK = re.compile(f"[{_CONTROL}{_LINE_BREAKS}]")
_OVERRIDE = re.compile(f"[{DIRECTIONS}]")
_BAD_IN_PROSE = re.compile(f"[{CONTROL_BUT_TAB_AND_NEWLINE}]")

_MXID = re.compile(r"@[!-9;-~]+:(?P<server>.+)")
_MXC = re.compile(r"mxc://(?P<server>[^/]+)/[A-Za-z0-9_-]{1,255}")


class Data(BaseModel):
    """Something that was sent to us: of just these fields, of just these types, and never quoted back."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


def _refuse_blank(text: str) -> None:
    if is_blank(text):
        raise ValueError("Must not be blank")


def line(text: str) -> str:
    """One line as people write it: a name, a title."""
    _refuse_blank(text)
    if _BREAK.search(text):
        raise ValueError("May not hold control characters or line breaks")
    if _OVERRIDE.search(text):
        raise ValueError("May not hold characters that override the direction of writing")
    return text


def _prose(text: str, info: ValidationInfo) -> str:
    longest = (info.context or {}).get(MAX_TEXT_LENGTH, LONGEST_TEXT)
    kept = harmless(text)
    if max(len(text), len(kept)) > longest:
        raise ValueError(f"May have at most {longest} characters")
    _refuse_blank(text)
    if _BAD_IN_PROSE.search(text):
        raise ValueError("May not hold control characters other than newline and tab")
    return kept


def _names_a_server(pattern: re.Pattern[str], hint: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        match = pattern.fullmatch(text)
        if match is None or not SERVER_NAME.fullmatch(match["server"]):
            raise ValueError(hint)
        return text

    return check


def whole(number: object) -> object:
    """In JSON 50.0 is a whole number, too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def refuse_empty(items: tuple[Item, ...]) -> tuple[Item, ...]:
    # Not `min_length`, which also complains when the only item is at fault.
    if not items:
        raise ValueError("Must hold at least one")
    return items


def refuse_repeated(ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise ValueError("Holds the same id twice")
        seen.add(one)


def rfc3339(milliseconds: int) -> str:
    """In UTC, as in "2027-06-12T16:00:00.000Z"."""
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def schema(shortest: int, longest: int, pattern: str, **more: object) -> WithJsonSchema:
    """A text's JSON Schema, for what the validators of the same `Annotated` check."""
    return WithJsonSchema(
        {"type": "string", "minLength": shortest, "maxLength": longest, "pattern": pattern, **more}
    )


def visible(not_allowed: str) -> str:
    """The pattern of a text without these characters in which something can be seen."""
    return f"^[^{not_allowed}]*[^{not_allowed}{INVISIBLE}][^{not_allowed}]*$"


def _flag(text: object) -> object:
    if text not in ("true", "false"):
        raise ValueError("Must be true or false")
    return text == "true"


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""In a query."""
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
Reference = Annotated[
    str, StringConstraints(min_length=1, max_length=_LONGEST_REFERENCE, pattern=f"^[^{_CONTROL}]*$")
]
"""An id of somebody else's making, such as a CloudEvent's."""
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_NAME),
    AfterValidator(line),
    schema(1, _LONGEST_NAME, visible(NOT_IN_A_LINE)),
]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_TITLE),
    AfterValidator(line),
    schema(1, _LONGEST_TITLE, visible(NOT_IN_A_LINE)),
]
TEXT = schema(1, LONGEST_TEXT, visible(CONTROL_BUT_TAB_AND_NEWLINE), **{LIMIT: MAX_TEXT_LENGTH})
Text = Annotated[str, AfterValidator(_prose), TEXT]
Mxid = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_MXID),
    AfterValidator(_names_a_server(_MXID, "Must be a Matrix user id, like @anna:example.org")),
    schema(4, _LONGEST_MXID, rf"^@[!-9;-~]+:{SERVER_NAME.pattern}$"),
]
MxcUri = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_MXC),
    AfterValidator(_names_a_server(_MXC, "Must be a Matrix content URI, like mxc://example.org/abc")),
    schema(9, _LONGEST_MXC, rf"^mxc://{SERVER_NAME.pattern}/[A-Za-z0-9_-]{{1,255}}$"),
]
Time = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "description": "RFC 3339, in UTC, with milliseconds"}
    ),
]
