"""An export as one HTML page that needs nothing else and does nothing: no scripts, no addresses. Pure.

Whatever people wrote is text in it, never markup, and turns no writing around but its own.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from bridge.export.model import Said, Subject
from bridge.messages.held import Document, Held, Location, Media, Poll
from bridge.messages.model import Message
from bridge.messages.polls.rules import result

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
article blockquote { margin: 0; padding-left: .5rem; border-left: 3px solid #ddd; color: #666 }
article ul { margin: 0 }
.gone { color: #666; font-style: italic }
"""
_QUOTED = 100
"""Characters of what is answered."""
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


def article(subject: Subject, said: Said) -> str:
    message = said.message
    name = _text(_sender(subject, message))
    notes = "".join(f" <small>{note}</small>" for note in _notes(said))
    head = f"<h2>{name} {_time(message.created_at)}{notes}</h2>\n"
    if message.is_deleted:
        return f'<article>\n{head}<p class="gone">This message was deleted.</p>\n</article>\n'
    quoted = "" if said.answered is None else _quote(subject, said.answered)
    beside = "".join(f"{line}\n" for line in (*_held(said), *_reactions(subject, said)))
    return f"<article>\n{head}{quoted}<p>{_text(message.text)}</p>\n{beside}</article>\n"


def _sender(subject: Subject, message: Message) -> str:
    return subject.name_of(message.sender_id, message.sender_type)


def _notes(said: Said) -> Iterable[str]:
    message = said.message
    if message.edited_at is not None and not message.is_deleted:
        yield f"edited {_time(message.edited_at)}"
    if message.deleted_at is not None:
        yield f"deleted {_time(message.deleted_at)}"
        return
    if message.status == "failed":
        yield "not delivered"
    if message.forwarded:
        yield "forwarded"
    if said.is_pinned:
        yield "pinned"
    if said.labels.priority != "normal":
        yield f"priority {_plain(said.labels.priority)}"
    if said.labels.tags:
        yield f"tags: {', '.join(_text(tag) for tag in said.labels.tags)}"


def _quote(subject: Subject, answered: Message) -> str:
    words = " ".join(answered.text.split())
    short = words if len(words) <= _QUOTED else f"{words[:_QUOTED]} …"
    what = "a message that was deleted" if answered.is_deleted else _text(short)
    return (
        f"<blockquote>{_text(_sender(subject, answered))} {_time(answered.created_at)}: {what}</blockquote>\n"
    )


def _held(said: Said) -> Iterable[str]:
    """What it holds beside its text, which says no more of it than a name."""
    held: Held | None = said.message.held
    match held:
        case Media():
            yield _file(held.name, held.mimetype, held.size)
        case Document():
            yield _file(held.name, held.mimetype, len(held.text.encode()))
        case Location():
            yield f"<div>Place: {held.latitude}, {held.longitude}</div>"
        case Poll():
            yield _votes(held, said)


def _file(name: str, mimetype: str | None, size: int | None) -> str:
    known = [] if mimetype is None else [_text(mimetype)]
    if size is not None:
        known.append(f"{size:,} bytes")
    return f"<div>File: {', '.join([_text(name), *known])}</div>"


def _votes(poll: Poll, said: Said) -> str:
    if poll.kind == "undisclosed" and said.end is None:
        return "<div>Votes are shown when the poll is closed.</div>"
    found = result(poll, said.votes, said.end)
    lines = "".join(f"<li>{_text(one.text)}: {found.counts[one.answer_id]}</li>" for one in poll.answers)
    state = "The poll is open. Votes so far:" if said.end is None else f"Closed {_time(said.end.closed_at)}:"
    return f"<div>{state}</div>\n<ul>{lines}</ul>"


def _reactions(subject: Subject, said: Said) -> Iterable[str]:
    names: dict[str, list[str]] = {}
    for one in said.reactions:
        by = "festimo" if one.outsider is None else "user"
        names.setdefault(one.emoji, []).append(_text(subject.name_of(one.participant_id, by)))
    if names:
        lines = "".join(f"<li>{_text(emoji)} {', '.join(who)}</li>" for emoji, who in names.items())
        yield f"<ul>{lines}</ul>"


def _text(text: str) -> str:
    return f'<bdi dir="auto">{_plain(text)}</bdi>'


def _plain(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return escape(_UNREPRESENTABLE.sub("\ufffd", lines))


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M}</time>'
