"""An export as one HTML page that needs nothing else and does nothing: no scripts, no addresses. Pure.

Whatever people wrote is text in it, never markup, and turns no writing around but its own.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from bridge.export.model import Subject
from bridge.messages.model import Message

# What HTML and UTF-8 have no room for.
_UNREPRESENTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
header { border-bottom: 2px solid #ddd; margin-bottom: 1.5rem }
article { margin: 0 0 1.25rem }
article h2 { font-size: 1rem; margin: 0 }
article time, article small { color: #666; font-weight: normal; font-size: .85rem }
article p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
.gone { color: #666; font-style: italic }
"""
END = "</main>\n</body>\n</html>\n"


def beginning(subject: Subject) -> str:
    title = _text(subject.conversation.title)
    people = ", ".join(
        f"{_text(member.participant.name)} ({_text(member.role)})" for member in subject.members
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_plain(subject.conversation.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{title}</h1>\n<p>People: {people}</p>\n"
        f"<p>Exported at {_time(subject.at)}. All times are in UTC.</p>\n</header>\n<main>\n"
    )


def article(subject: Subject, message: Message) -> str:
    name = _text(subject.name_of(message.sender_id, message.sender_type))
    notes = "".join(f" <small>{note}</small>" for note in _notes(message))
    said = f"<p>{_text(message.text)}</p>"
    if message.is_deleted:
        said = '<p class="gone">This message was deleted.</p>'
    return f"<article>\n<h2>{name} {_time(message.created_at)}{notes}</h2>\n{said}\n</article>\n"


def _notes(message: Message) -> Iterable[str]:
    if message.edited_at is not None and not message.is_deleted:
        yield f"edited {_time(message.edited_at)}"
    if message.deleted_at is not None:
        yield f"deleted {_time(message.deleted_at)}"
    if message.status == "failed":
        yield "not delivered"


def _text(text: str) -> str:
    return f'<bdi dir="auto">{_plain(text)}</bdi>'


def _plain(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return escape(_UNREPRESENTABLE.sub("\ufffd", lines))


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M}</time>'
