"""What an `m.room.message` says, by its kind: pure. Spec: client-server API, "m.room.message msgtypes".

Of a file only its description is taken in; the file stays where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.core.ids import new_id
from bridge.core.writing import from_outside
from bridge.messages.held import Held, Media
from bridge.messages.model import Kind
from bridge.messages.places import place_from_outside
from bridge.messages.places import text_of as text_of_place

_FILES: Mapping[str, Kind] = {"m.image": "image", "m.file": "file", "m.video": "video", "m.audio": "audio"}
_VOICE = ("m.voice", "org.matrix.msc3245.voice")
_LOCATION = ("m.location", "org.matrix.msc3488.location")
_VERIFICATION = "m.key.verification."
_LONGEST_NAME = 255
_LONGEST_TYPE = 127
_LARGEST = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """`text`: of a file its caption, or else its name."""

    kind: Kind
    text: str
    held: Held | None = None


def said_in(content: Mapping[str, Any]) -> Said | None:
    """Of a kind that we do not know, its body. None where it is not as its kind should be, or says nothing."""
    msgtype, body = content.get("msgtype"), content.get("body")
    if isinstance(msgtype, str) and isinstance(body, str):
        if msgtype in _FILES:
            return _file(_FILES[msgtype], body, content)
        if msgtype == "m.location":
            return _location(from_outside(body), content)
    return words_in(content)


def sticker_in(content: Mapping[str, Any]) -> Said | None:
    """A small picture, which its body describes."""
    return said_in({**content, "msgtype": "m.image"})


def words_in(content: Mapping[str, Any]) -> Said | None:
    """At least its body, which clients show of what they do not understand. None where there is none to show."""
    body = content.get("body")
    if not isinstance(body, str) or _is_of_clients(content.get("msgtype")):
        return None
    return Said(kind="text", text=from_outside(body))


def _is_of_clients(msgtype: object) -> bool:
    """Clients make out among themselves whether their users are who they say; its body is for those that cannot."""
    return isinstance(msgtype, str) and msgtype.startswith(_VERIFICATION)


def _file(kind: Kind, body: str, content: Mapping[str, Any]) -> Said | None:
    """None where it lies nowhere."""
    source = _source(content, file="file", url="url")
    if not source:
        return None
    info = content.get("info")
    if not isinstance(info, dict):
        info = {}
    filename = content.get("filename")
    has_caption = isinstance(filename, str) and filename != body
    name = _name(filename if isinstance(filename, str) else body)
    if kind == "audio" and any(marker in content for marker in _VOICE):
        kind = "voice"
    mimetype = info.get("mimetype")
    media = Media(
        attachment_id=new_id(),
        name=name,
        source=source | _source(info, file="thumbnail_file", url="thumbnail_url"),
        mimetype=_name(mimetype)[:_LONGEST_TYPE] if isinstance(mimetype, str) else None,
        size=_number(info.get("size")),
        width=_number(info.get("w")),
        height=_number(info.get("h")),
        duration=_number(info.get("duration")),
    )
    caption = from_outside(body) if has_caption else ""
    return Said(kind=kind, text=caption if caption.strip() else name, held=media)


def _source(content: Mapping[str, Any], *, file: str, url: str) -> dict[str, Any]:
    """Where it lies, and what opens it: of that what is known, in whatever shape it came."""
    if _is_address(content.get(url)):
        return {url: content[url]}
    sealed = content.get(file)
    if not isinstance(sealed, dict) or not _is_address(sealed.get("url")):
        return {}
    kept = {name: sealed[name] for name in ("url", "v", "iv") if isinstance(sealed.get(name), str)}
    for name, parts in (("key", ("kty", "alg", "k")), ("hashes", ("sha256",))):
        inner = sealed.get(name)
        if isinstance(inner, dict):
            kept[name] = {part: inner[part] for part in parts if isinstance(inner.get(part), str)}
    return {file: kept}


def _is_address(value: object) -> bool:
    return isinstance(value, str) and value.startswith("mxc://") and value.isprintable()


def _location(body: str, content: Mapping[str, Any]) -> Said:
    more: Mapping[str, Any] = next(
        (content[key] for key in _LOCATION if isinstance(content.get(key), dict)), {}
    )
    place = place_from_outside(more.get("uri", content.get("geo_uri")), description=more.get("description"))
    if place is None:
        return Said(kind="text", text=body)  # at least what it says
    return Said(kind="location", text=text_of_place(place), held=place)


def _number(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _LARGEST else None


def _name(name: str) -> str:
    """One line of what can be shown."""
    line = " ".join("".join(one if one.isprintable() else " " for one in _encodable(name)).split())
    return line[:_LONGEST_NAME] or "file"


def _encodable(text: str) -> str:
    """Half characters, which JSON can hold, no encoding knows."""
    return text.encode("utf-8", "replace").decode()
