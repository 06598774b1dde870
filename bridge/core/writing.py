"""What people's texts are kept without: characters that hide something, or turn around what stands beside them. Pure.

Joiners, marks and breaks of no width stay: emoji, Persian, Thai and others are written with them.
"""

import re

# Ranges for the inside of [...], in the words that Python's and JavaScript's regular expressions share.
CONTROL_BUT_TAB_AND_NEWLINE = "\x00-\x08\x0b-\x1f\x7f-\x9f"
DIRECTIONS = "\u202a-\u202e\u2066-\u2069"
"""Characters that turn the text after them around: a name could pretend to be another."""
# Unicode's Zs, Zl, Zp, Cf and Cc (a test compares): a text of these only shows nothing.
INVISIBLE = (
    "\x00-\x20\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e\u2000-\u200f"
    "\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
DEEPEST = 125
"""Of what is begun within what was begun: Unicode, annex 9, shows no more."""

_BLANK = re.compile(f"[{INVISIBLE}]*")
_DIRECTION = re.compile(f"[{DIRECTIONS}]")
# Byte order marks and what Unicode has given up. Tags write text that nobody sees, except behind a flag: 🏴 and the
# name of a country within another.
_HIDDEN = re.compile(
    "[\ufeff\u206a-\u206f]|(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f)"
    "|[\U000e0001\U000e0020-\U000e007f]"
)
_LINE_END = r"[\n\r\u2028\u2029]"
# Text between these tags stands in one line with what is around them.
_IN_A_LINE = "a|b|code|del|em|i|s|span|strong|sub|sup|u"
_TURN = re.compile(f"[{DIRECTIONS}]|{_LINE_END}")
_TURN_IN_HTML = re.compile(rf"[{DIRECTIONS}]|{_LINE_END}|<(?!/?(?:{_IN_A_LINE})[ >])[^>]*>")
_END_OF_EMBEDDING, _END_OF_ISOLATE = "\u202c", "\u2069"
# An override turns even figures and Latin letters around, which nobody writes: it goes, and so does its end.
_ENDS = {
    "\u202a": _END_OF_EMBEDDING,
    "\u202b": _END_OF_EMBEDDING,
    "\u202d": "",
    "\u202e": "",
    "\u2066": _END_OF_ISOLATE,
    "\u2067": _END_OF_ISOLATE,
    "\u2068": _END_OF_ISOLATE,
}
_CONTROL = re.compile(f"[{CONTROL_BUT_TAB_AND_NEWLINE}]")


def is_blank(text: str) -> bool:
    """Whether nothing of it can be seen."""
    return _BLANK.fullmatch(text) is not None


def harmless(text: str) -> str:
    """Without overrides and hidden text. What a line turns around ends with the line."""
    return _straight(_HIDDEN.sub(_flag, text), _TURN)


def harmless_html(html: str) -> str:
    """The same, of cleaned HTML, in which each `<` begins a tag."""
    return _straight(_HIDDEN.sub(_flag, html), _TURN_IN_HTML)


def from_outside(text: str) -> str:
    """The same, of what a client sent that was asked for nothing: without control characters and half characters."""
    whole = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    return harmless(_CONTROL.sub("", whole))


def without_directions(text: str) -> str:
    return _DIRECTION.sub("", text)


def _flag(found: re.Match[str]) -> str:
    return found["flag"] or ""


def _straight(text: str, turns: re.Pattern[str]) -> str:
    if not _DIRECTION.search(text):
        return text
    line = _Line()
    straight = turns.sub(lambda found: line.turned(found[0]), text)
    return straight + line.ended()


class _Line:
    """What has been begun in a line and has not ended, by how it would end."""

    def __init__(self) -> None:
        self._begun: list[str] = []

    def turned(self, by: str) -> str:
        """What stands for the character, tag or line break `by`."""
        if by in _ENDS:
            return self._begins(by)
        if by == _END_OF_EMBEDDING:
            return self._begun.pop() if self._begun and self._begun[-1] != _END_OF_ISOLATE else ""
        if by == _END_OF_ISOLATE:
            return self._ended_isolate()
        return self.ended() + by

    def ended(self) -> str:
        ends = "".join(reversed(self._begun))
        self._begun.clear()
        return ends

    def _begins(self, by: str) -> str:
        if len(self._begun) == DEEPEST:
            return ""
        self._begun.append(_ENDS[by])
        return by if _ENDS[by] else ""

    def _ended_isolate(self) -> str:
        """With all that was begun in it."""
        if _END_OF_ISOLATE not in self._begun:
            return ""
        ends = ""
        while not ends.endswith(_END_OF_ISOLATE):
            ends += self._begun.pop()
        return ends
