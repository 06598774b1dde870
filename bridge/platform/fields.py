"""The kinds of value that only an event is made of, each with the reason it gives when it refuses."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from bridge.web.fields import schema, whole

_INT32 = range(-(2**31), 2**31)

# RFC 3986, appendix A, without the inner structure of an authority.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_IP_LITERAL = r"//(?:[A-Za-z0-9._~-]*@)?\[[0-9A-Fa-f:.]+\]"
_AFTER_SCHEME = rf"(?:{_IP_LITERAL})?(?:{_PCHAR}|/)*(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_URI = re.compile(rf"{_SCHEME}{_AFTER_SCHEME}")
_URI_REFERENCE = re.compile(rf"(?:{_SCHEME}|(?![^/?#]*:)){_AFTER_SCHEME}")
_ANY_CASE = {
    word: "".join(f"[{letter.upper()}{letter}]" for letter in word) for word in ("application", "json")
}
_JSON_TYPE = re.compile(
    rf"{_ANY_CASE['application']}/(?:[A-Za-z0-9.!#$&^_-]+\+)?{_ANY_CASE['json']}(?:[ \t]*;[ -~]*)?"
)

# CloudEvents, "Type system": no control characters, no noncharacters.
_NOT_IN_A_STRING = "\x00-\x1f\x7f-\x9f\ufdd0-\ufdef" + "".join(
    chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_BAD_IN_A_STRING = re.compile(f"[{_NOT_IN_A_STRING}]")


def _cloudevents_string(text: str) -> str:
    if _BAD_IN_A_STRING.search(text):
        raise ValueError("May not hold control characters or Unicode noncharacters")
    return text


def _matches(pattern: re.Pattern[str], hint: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(hint)
        return text

    return check


def _extension_value(value: object) -> object:
    value = whole(value)
    if isinstance(value, str):
        return _cloudevents_string(value)
    # A bool is an int to Python, and both are allowed; null stands for an attribute left out.
    if value is None or (isinstance(value, int) and value in _INT32):
        return value
    raise ValueError("Must be text, true, false or a 32-bit whole number")


# Exact in any reader's JSON numbers.
Amount = Annotated[int, Field(ge=0, le=2**53 - 1), BeforeValidator(whole)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Attribute = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(_cloudevents_string),
    schema(1, 255, f"^[^{_NOT_IN_A_STRING}]*$"),
]
UriReference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    AfterValidator(_matches(_URI_REFERENCE, "Must be a URI reference (RFC 3986)")),
    schema(1, 512, f"^(?:{_URI_REFERENCE.pattern})$"),
]
Uri = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_matches(_URI, "Must be an absolute URI (RFC 3986)")),
    schema(2, 512, f"^(?:{_URI.pattern})$"),
]
JsonContentType = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(_matches(_JSON_TYPE, "Must be application/json or a +json type for this event")),
    schema(16, 255, f"^{_JSON_TYPE.pattern}$", examples=["application/json"]),
]
ExtensionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,64}$")]
ExtensionValue = Annotated[
    object,
    AfterValidator(_extension_value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^[^{_NOT_IN_A_STRING}]*$"},
                {"type": "boolean"},
                {"type": "integer", "minimum": _INT32.start, "maximum": _INT32.stop - 1},
                {"type": "null"},
            ]
        }
    ),
]
