"""Polls as Matrix clients write them (MSC3381): pure.

We write what Element reads today, the unstable names with the texts of the first extensible events; the stable ones
show an empty tile there. We read both, and the names of the MSC's last version.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from appservice.inbound.waiting import is_event_id
from bridge.core.writing import from_outside
from bridge.messages.held import Poll, PollKind
from bridge.messages.polls.rules import MOST_ANSWERS, poll_from_outside

_UNSTABLE = "org.matrix.msc3381.poll"
START, RESPONSE, END = f"{_UNSTABLE}.start", f"{_UNSTABLE}.response", f"{_UNSTABLE}.end"
STARTS = frozenset({START, "m.poll.start"})
RESPONSES = frozenset({RESPONSE, "m.poll.response"})
ENDS = frozenset({END, "m.poll.end"})
TYPES = STARTS | RESPONSES | ENDS
TEXT = "org.matrix.msc1767.text"
DISCLOSED = frozenset({f"{_UNSTABLE}.disclosed", "m.poll.disclosed", "m.disclosed"})
_LARGEST_FALLBACK = 8_000
"""Bytes. Whoever shows polls does not read it, and an event holds only so much."""

Content = dict[str, Any]


def start_of(poll: Poll, *, text: str, prefix: str) -> Content:
    """`text`: of the poll, for whoever shows none; `prefix`: who asks, where that is not who sends it."""
    question = prefix + poll.question
    fallback = prefix + text
    return {
        START: {
            "question": _text(question),
            "kind": f"{_UNSTABLE}.{poll.kind}",
            "max_selections": poll.max_selections,
            "answers": [{"id": one.origin_id, TEXT: one.text} for one in poll.answers],
        },
        TEXT: fallback if len(fallback.encode("utf-8", "replace")) <= _LARGEST_FALLBACK else question,
    }


def response_of(poll: Poll, answers: Sequence[str], *, of: str) -> Content:
    """To the event `of`. `answers`: our ids; without any it takes back what was chosen before."""
    ids = {one.answer_id: one.origin_id for one in poll.answers}
    return {RESPONSE: {"answers": [ids[one] for one in answers]}, "m.relates_to": _about(of)}


def end_of(text: str, *, of: str) -> Content:
    return {END: {}, TEXT: text, "m.relates_to": _about(of)}


def poll_in(content: Mapping[str, Any]) -> Poll | None:
    """What is asked; None where nobody could make out what, or there is nothing to choose from."""
    asked = next(
        (content[key] for key in ("m.poll", *sorted(STARTS)) if isinstance(content.get(key), dict)), None
    )
    if asked is None:
        return None
    question, listed = _read(asked.get("question")), asked.get("answers")
    if question is None or not isinstance(listed, list):
        return None
    answers = []
    for one in listed[:MOST_ANSWERS]:
        answer_id = None if not isinstance(one, dict) else one.get("m.id", one.get("id"))
        text = _read(one)
        if not isinstance(answer_id, str) or not answer_id or text is None:
            return None
        answers.append((_encodable(answer_id), text))
    named = asked.get("kind")
    kind: PollKind = "disclosed" if isinstance(named, str) and named in DISCLOSED else "undisclosed"
    return poll_from_outside(question, answers, kind=kind, max_selections=asked.get("max_selections"))


def selections_in(content: Mapping[str, Any]) -> list[object] | None:
    """The ids of what is chosen, whatever they are; None where there is no list of them."""
    selections = content.get("m.selections")
    for key in sorted(RESPONSES):
        if selections is None and isinstance(content.get(key), dict):
            selections = content[key].get("answers")
    if not isinstance(selections, list):
        return None
    return [_encodable(one) if isinstance(one, str) else one for one in selections]


def poll_event(content: Mapping[str, Any]) -> str | None:
    """The event id of the poll that a response or an end is about."""
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != "m.reference":
        return None
    event_id = relation.get("event_id")
    return event_id if is_event_id(event_id) else None


def _read(value: object) -> str | None:
    """Spec: MSC1767, in its first and its last version."""
    if not isinstance(value, dict):
        return None
    for key in ("m.text", TEXT, "m.message", "org.matrix.msc1767.message", "body"):
        text = value.get(key)
        if isinstance(text, list):
            plain = [
                one
                for one in text
                if isinstance(one, dict) and one.get("mimetype", "text/plain") == "text/plain"
            ]
            text = plain[0].get("body") if plain else None
        if isinstance(text, str):
            return from_outside(text)
    return None


def _text(text: str) -> Content:
    return {TEXT: text, "body": text, "msgtype": "m.text"}


def _about(event_id: str) -> Content:
    return {"rel_type": "m.reference", "event_id": event_id}


def _encodable(text: str) -> str:
    """Half characters, which JSON can hold, no encoding knows."""
    return text.encode("utf-8", "replace").decode()
