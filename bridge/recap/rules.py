"""Who missed what, where it is told, and how it reads: pure."""

import dataclasses
import html
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from babel.dates import format_datetime

from bridge.conversations.model import Member
from bridge.core.ids import ParticipantId
from bridge.recap.model import Line, Recap, Said, Wording

ANSWER_WITHIN = timedelta(minutes=10)
"""Whoever is found able to read this soon after the invite could read from the start; whoever is found later, as we or
their server were away meanwhile, counts as having missed everything."""
MILLISECOND = timedelta(milliseconds=1)
MOST_LINES = 50
LONGEST_LINE = 1_000
"""Characters of one message that are repeated."""
LONGEST_NAME = 100
LARGEST = 24_000
"""Bytes of the plain text and the HTML together: as an encrypted event, a recap must not pass 64 KiB."""
LOCALE = "en"
ALL_DELETED = "What this repeated has been deleted since."


def told_whether_they_can_read(recap: Recap, *, can_read: bool, now: int) -> Recap:
    """Where they stand after this news."""
    news = (recap.state, can_read)
    if news == ("invited", True) and _had_a_device_all_along(recap, now):
        return dataclasses.replace(recap, state="present")
    if news in (("invited", True), ("away", True)):
        return dataclasses.replace(recap, state="back", found_at=now)
    if news == ("present", False):
        return dataclasses.replace(recap, state="away", asked_at=now, invited_at=now)
    if news in (("invited", False), ("back", False)):
        return dataclasses.replace(recap, state="away", found_at=None, found_before=None)
    return recap


def _had_a_device_all_along(recap: Recap, now: int) -> bool:
    return recap.invited_at is None or now - recap.invited_at <= ANSWER_WITHIN // MILLISECOND


def is_due(recap: Recap) -> bool:
    return recap.state == "back" and recap.joined_at is not None


def missed(recap: Recap, said: Said) -> bool:
    """Whether it was said while they were invited, and could not read it. In doubt about the invite: no."""
    if recap.found_at is None or recap.joined_at is None:
        return False
    if said.from_client:
        # Other people's clients learn of an invited person's first device only when that person joins.
        until = max(recap.found_at, recap.joined_at)
        return recap.invited_at is not None and recap.invited_at < said.at < until
    return (
        recap.asked_at is not None and said.at >= recap.asked_at and said.position < (recap.found_before or 0)
    )


def is_private(members: Sequence[Member], participant_id: ParticipantId) -> bool:
    """Between two people, all that the one missed was said before the other; else it is nobody else's business."""
    there = [member for member in members if member.away is None]
    others = [member for member in there if member.participant.participant_id != participant_id]
    return len(others) != 1 or len(there) != 2


def wording(
    name: str, lines: Sequence[Line], *, left_out: int, link: str | None, zone: tzinfo = UTC
) -> Wording:
    """Oldest first. `left_out`: how many came before `lines`, `link` leads to the first of them."""
    title = f"{_clean(name)}, this was said before you could read here:"
    if not lines and not left_out:
        return Wording(ALL_DELETED, f"<p>{ALL_DELETED}</p>")
    plain, rich = [title], [f"<p><b>{html.escape(title)}</b></p>"]
    if left_out:
        before = f"{left_out} earlier message{'s are' if left_out > 1 else ' is'} not repeated here."
        plain.append(before + _plain_link(link))
        rich.append(f"<p>{before}{_rich_link(link, 'Where they begin')}</p>")
    for line in lines:
        plain.append(_plain(line, zone))
        rich.append(_rich(line, zone))
    return Wording("\n\n".join(plain), "".join(rich))


def how_many_fit(lines: Sequence[Line], *, zone: tzinfo = UTC) -> int:
    """Of the newest."""
    room, fit = LARGEST, 0
    for line in reversed(lines[-MOST_LINES:]):
        room -= _size(_plain(line, zone)) + _size(_rich(line, zone))
        if room < 0:
            break
        fit += 1
    return fit


def _size(text: str) -> int:
    """In bytes, as JSON has it: control characters and quotation marks take more there."""
    return len(json.dumps(text, ensure_ascii=False).encode())


def _plain(line: Line, zone: tzinfo) -> str:
    text, cut = _cut(line.text)
    more = _plain_link(line.link) if cut or line.beside_text else ""
    # Quoted, so that no text can pass for another line of the recap.
    quoted = "\n".join(f"> {part}" for part in text.splitlines() or [""])
    return f"{_clean(line.name)}, {_time(line.at, zone)}:\n{quoted}{more}"


def _rich(line: Line, zone: tzinfo) -> str:
    text, cut = _cut(line.text)
    quoted = "<br>".join(html.escape(part) for part in text.splitlines())
    more = _rich_link(line.link, "The whole message") if cut or line.beside_text else ""
    name = html.escape(_clean(line.name))
    return f"<p><b>{name}</b>, {_time(line.at, zone)}:</p><blockquote>{quoted}{more}</blockquote>"


def _cut(text: str) -> tuple[str, bool]:
    text = _encodable(text)
    return (text[:LONGEST_LINE] + " …", True) if len(text) > LONGEST_LINE else (text, False)


def _clean(name: str) -> str:
    return " ".join(_encodable(name).split())[:LONGEST_NAME]


def _encodable(text: str) -> str:
    """JSON may hold half characters; an event cannot."""
    return text.encode("utf-8", "replace").decode()


def _time(at: int, zone: tzinfo) -> str:
    when = datetime.fromtimestamp(at / 1000, zone)
    return f"{format_datetime(when, 'd MMMM y, HH:mm', tzinfo=zone, locale=LOCALE)} {when.tzname()}"


def _plain_link(link: str | None) -> str:
    return f" {link}" if link else ""


def _rich_link(link: str | None, text: str) -> str:
    return f' <a href="{html.escape(link)}">{text}</a>' if link else ""
