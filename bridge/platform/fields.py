"""The kinds of value an event is made of, each with the reason it gives when it refuses."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationInfo

from bridge.config.homeserver import SERVER_NAME
from bridge.config.messages import LONGEST_TEXT

Item = TypeVar("Item")

# Passed as validation context under this key; absent, the largest length that can be configured holds.
MAX_TEXT_LENGTH = "max_text_length"

_LONGEST_MXID = 255
_INT32 = range(-(2**31), 2**31)

_RFC3339 = re.compile(
    r"(?P<year>[0-9]{4})-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_YEARS = range(1970, 9999)  # a time zone moves neither end out of what `datetime` holds

# RFC 3986, appendix A, without the inner structure of an authority.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_IP_LITERAL = r"//(?:[A-Za-z0-9._~-]*@)?\[[0-9A-Fa-f:.]+\]"
_AFTER_SCHEME = rf"(?:{_IP_LITERAL})?(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_URI = re.compile(rf"{_SCHEME}{_AFTER_SCHEME}")
_URI_REFERENCE = re.compile(rf"(?:{_SCHEME}|(?![^/?#]*:)){_AFTER_SCHEME}")

_MXID = re.compile(r"@[!-9;-~]+:(?P<server>.+)")
_MXC = re.compile(r"mxc://(?P<server>[^/]+)/[A-Za-z0-9_-]{1,255}")
_JSON_TYPE = re.compile(r"application/(?:[A-Za-z0-9.!#$&^_-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)

# Characters that turn the text after them around: a name could pretend to be another.
_BIDI_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LINE_BREAKS = frozenset({"Zl", "Zp"})
_INVISIBLE = frozenset({"Zs", "Zl", "Zp", "Cf", "Cc"})


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _refuse_blank(text: str) -> None:
    if all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise ValueError("Must not be blank")


def _cloudevents_string(text: str) -> str:
    # CloudEvents, "Type system": no control characters, no noncharacters.
    if any(_is_control(c) or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in text):
        raise ValueError("May not hold control characters or Unicode noncharacters")
    return text


def _line(text: str) -> str:
    """One line as people write it: a name, a title."""
    _refuse_blank(text)
    if any(_is_control(c) or unicodedata.category(c) in _LINE_BREAKS for c in text):
        raise ValueError("May not hold control characters or line breaks")
    if _BIDI_OVERRIDES.search(text):
        raise ValueError("May not hold characters that override the direction of writing")
    return text


def _prose(text: str, info: ValidationInfo) -> str:
    longest = (info.context or {}).get(MAX_TEXT_LENGTH, LONGEST_TEXT)
    if len(text) > longest:
        raise ValueError(f"May have at most {longest} characters")
    _refuse_blank(text)
    if any(_is_control(c) and c not in "\n\t" for c in text):
        raise ValueError("May not hold control characters other than newline and tab")
    return text


def _timestamp(value: object) -> datetime:
    hint = "Must be an RFC 3339 time with a zone, like 2027-05-01T18:00:00+02:00"
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["year"]) not in _YEARS:
        raise ValueError(hint)
    try:
        return datetime.fromisoformat(match[0].upper())
    except ValueError:
        raise ValueError(f"{hint}; this day does not exist") from None


def _matches(pattern: re.Pattern[str], hint: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(hint)
        return text

    return check


def _names_a_server(pattern: re.Pattern[str], hint: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        match = pattern.fullmatch(text)
        if match is None or not SERVER_NAME.fullmatch(match["server"]):
            raise ValueError(hint)
        return text

    return check


def _extension_value(value: object) -> object:
    if isinstance(value, str):
        return _cloudevents_string(value)
    # A bool is an int to Python, and both are allowed; null stands for an attribute left out.
    if value is None or (isinstance(value, int) and value in _INT32):
        return value
    raise ValueError("Must be text, true, false or a 32-bit whole number")


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


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_line)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_line)]
Text = Annotated[str, AfterValidator(_prose)]
Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Mxid = Annotated[
    str,
    StringConstraints(max_length=_LONGEST_MXID),
    AfterValidator(_names_a_server(_MXID, "Must be a Matrix user id, like @anna:example.org")),
]
MxcUri = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_names_a_server(_MXC, "Must be a Matrix content URI, like mxc://example.org/abc")),
]
Attribute = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_cloudevents_string)
]
UriReference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    AfterValidator(_matches(_URI_REFERENCE, "Must be a URI reference (RFC 3986)")),
]
Uri = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_matches(_URI, "Must be an absolute URI (RFC 3986)")),
]
JsonContentType = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(_matches(_JSON_TYPE, "Must be application/json or a +json type for this event")),
]
ExtensionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,64}$")]
ExtensionValue = Annotated[object, AfterValidator(_extension_value)]
