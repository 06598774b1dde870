"""Formatted text, cleaned: what comes in from clients and from the API alike. Knows nothing of where it is shown."""

import re

import nh3

from bridge.core.writing import harmless_html, without_directions

_TAGS = (
    "a b blockquote br caption code del details div em h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sub summary sup"
    " table tbody td th thead tr u ul"
)
TAGS = frozenset(_TAGS.split())
"""What Matrix clients show, without pictures: one that is loaded from elsewhere would tell who reads it, and when."""
_GONE = "iframe math mx-reply noembed noframes noscript object script style svg template textarea title xmp"
GONE_WITH_CONTENT = frozenset(_GONE.split())
"""Of anything else that is not allowed the text stays."""
SCHEMES = frozenset({"http", "https", "mailto", "matrix"})
ATTRIBUTES = {
    "a": frozenset({"href"}),
    "code": frozenset({"class"}),
    "ol": frozenset({"start"}),
    "span": frozenset({"data-mx-color", "data-mx-bg-color", "data-mx-spoiler"}),
}
DEEPEST = 100
"""Spec: client-server API, "m.room.message msgtypes": clients need not show what is nested deeper."""
MOST_TAGS = 4_000
"""The time that reading takes grows with the square of how deep tags are nested."""

_VALUES = {
    "href": re.compile(
        r"(?:https?|mailto|matrix):.*", re.IGNORECASE | re.DOTALL
    ),  # none that is relative to a page
    "class": re.compile(r"language-[A-Za-z0-9_+#.-]{1,50}"),
    "start": re.compile(r"-?[0-9]{1,9}"),
    "data-mx-color": re.compile(r"#[0-9A-Fa-f]{6}"),
    "data-mx-bg-color": re.compile(r"#[0-9A-Fa-f]{6}"),
}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^>]*>")
_EMPTY = frozenset({"br", "hr"})


def clean(html: str) -> str | None:
    """The harmless part of it; None where nothing is left to read, or it is too deep or too much to be shown."""
    if html.count("<") > MOST_TAGS:
        return None
    # Half characters, which no encoding knows, come in JSON.
    storable = html.encode("utf-8", "replace").decode()
    cleaned = nh3.clean(
        storable,
        tags=set(TAGS),
        clean_content_tags=set(GONE_WITH_CONTENT),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=_attribute,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
    cleaned = harmless_html(_CONTROL.sub("", cleaned))
    if not _TAG.sub("", cleaned).replace("&nbsp;", " ").strip() or _depth(cleaned) > DEEPEST:
        return None
    return cleaned


def _attribute(_: str, attribute: str, value: str) -> str | None:
    pattern, value = _VALUES.get(attribute), without_directions(value)
    return value if pattern is None or pattern.fullmatch(value) else None


def _depth(cleaned: str) -> int:
    """Of what has been cleaned: every `<` in it begins a tag, and every tag is closed."""
    deepest = depth = 0
    for closing, tag in _TAG.findall(cleaned):
        if tag in _EMPTY:
            continue
        depth += -1 if closing else 1
        deepest = max(deepest, depth)
    return deepest
