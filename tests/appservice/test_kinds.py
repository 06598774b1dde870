"""What clients send beside text: polls, places and files, in every way in which they may be written, and otherwise."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.inbound.message import said_as
from appservice.inbound.said import said_in
from appservice.places import place_content
from appservice.polls import (
    RESPONSE,
    START,
    end_of,
    poll_event,
    poll_in,
    response_of,
    selections_in,
    start_of,
)
from bridge.messages.held import Location, Media
from bridge.messages.places import place_at, place_from_outside
from bridge.messages.polls import rules
from bridge.messages.polls.rules import LONGEST_ANSWER, LONGEST_QUESTION, MOST_ANSWERS
from tests.examples import examples
from tests.fakes.homeserver import Json

STABLE, UNSTABLE = "m.text", "org.matrix.msc1767.text"


def asked(key: str, text: str, *, kind: Any = "m.poll.disclosed", **more: Any) -> Json:
    answers = [{"id": "a", text: "Vegan"}, {"id": "b", text: "Meat"}]
    return {key: {"question": {text: "Which?"}, "kind": kind, "answers": answers} | more}


WAYS: dict[str, Json] = {
    "as Element writes it": asked(START, UNSTABLE, kind="org.matrix.msc3381.poll.disclosed"),
    "with the stable names": asked("m.poll.start", STABLE),
    "as the MSC ended": {
        "m.text": [{"mimetype": "text/plain", "body": "Which?\n1. Vegan\n2. Meat"}],
        "m.poll": {
            "kind": "m.disclosed",
            "max_selections": 1,
            "question": {"m.text": [{"body": "Which?"}]},
            "answers": [
                {
                    "m.id": "a",
                    "m.text": [{"mimetype": "text/html", "body": "<b>Vegan</b>"}, {"body": "Vegan"}],
                },
                {"m.id": "b", "m.text": [{"body": "Meat"}]},
            ],
        },
    },
    "by messages": asked(START, "org.matrix.msc1767.message")
    | {
        START: {
            "question": {"org.matrix.msc1767.message": [{"body": "Which?"}]},
            "kind": "m.poll.disclosed",
            "answers": [{"id": "a", "body": "Vegan"}, {"id": "b", "body": "Meat"}],
        }
    },
}


@pytest.mark.parametrize("content", WAYS.values(), ids=WAYS)
def test_a_poll_is_understood_however_it_is_written(content: Json) -> None:
    poll = poll_in(content)
    assert poll is not None
    assert (poll.question, poll.kind, poll.max_selections) == ("Which?", "disclosed", 1)
    assert [(one.answer_id, one.origin_id, one.text) for one in poll.answers] == [
        ("1", "a", "Vegan"),
        ("2", "b", "Meat"),
    ]


@pytest.mark.parametrize(
    "kind", ["m.poll.undisclosed", "org.matrix.msc3381.poll.undisclosed", "new", None, []]
)
def test_a_kind_that_is_not_known_hides_the_votes(kind: object) -> None:
    poll = poll_in(asked(START, UNSTABLE, kind=kind))
    assert poll is not None
    assert poll.kind == "undisclosed"


NO_POLLS: dict[str, Json] = {
    "nothing": {},
    "no object": {START: "Which?"},
    "no question": asked(START, UNSTABLE, question=None),
    "no answers": asked(START, UNSTABLE, answers=None),
    "none of them": asked(START, UNSTABLE, answers=[]),
    "an answer without an id": asked(START, UNSTABLE, answers=[{UNSTABLE: "Vegan"}]),
    "an answer with an empty id": asked(START, UNSTABLE, answers=[{"id": "", UNSTABLE: "Vegan"}]),
    "an answer with a number for an id": asked(START, UNSTABLE, answers=[{"id": 1, UNSTABLE: "Vegan"}]),
    "an answer without a text": asked(START, UNSTABLE, answers=[{"id": "a"}]),
    "an answer that is none": asked(START, UNSTABLE, answers=["Vegan"]),
}


@pytest.mark.parametrize("content", NO_POLLS.values(), ids=NO_POLLS)
def test_what_is_no_poll_is_not_taken_for_one(content: Json) -> None:
    assert poll_in(content) is None


def test_what_stands_behind_the_twentieth_answer_is_nobodys_trouble() -> None:
    answers: list[Any] = [{"id": str(number), UNSTABLE: "x"} for number in range(MOST_ANSWERS)]
    poll = poll_in(asked(START, UNSTABLE, answers=[*answers, "broken"]))
    assert poll is not None
    assert len(poll.answers) == MOST_ANSWERS


VOTES: list[tuple[Json, list[object] | None]] = [
    ({RESPONSE: {"answers": ["a"]}}, ["a"]),
    ({"m.poll.response": {"answers": ["a", "b"]}}, ["a", "b"]),
    ({"m.selections": ["a"]}, ["a"]),
    ({"m.selections": []}, []),
    ({RESPONSE: {"answers": [1, None, "\ud800"]}}, [1, None, "?"]),
    ({RESPONSE: {"answers": "a"}}, None),
    ({RESPONSE: []}, None),
    ({}, None),
]


@pytest.mark.parametrize(("content", "selections"), VOTES)
def test_a_vote_is_read_however_it_is_written(content: Json, selections: list[object] | None) -> None:
    assert selections_in(content) == selections


def test_what_we_write_we_would_read() -> None:
    poll = rules.poll_of("Which?", ["Vegan", "Meat"], kind="undisclosed", max_selections=2)
    text = rules.text_of(poll)
    start = start_of(poll, text=text, prefix="")
    assert poll_in(start) == poll
    assert start[UNSTABLE] == "Which?\n1. Vegan\n2. Meat"
    response = response_of(poll, ["2"], of="$poll")
    assert (selections_in(response), poll_event(response)) == (["2"], "$poll")
    assert selections_in(response_of(poll, [], of="$poll")) == []
    assert poll_event(end_of("Over", of="$poll")) == "$poll"
    for relation in (None, {}, {"rel_type": "m.thread", "event_id": "$1"}, {"rel_type": "m.reference"}):
        assert poll_event({"m.relates_to": relation}) is None


def test_the_largest_poll_fits_into_an_event() -> None:
    """Characters of four bytes; with a third more for the encryption, an event holds 65,536 bytes."""
    answers = [f"{number:02}" + "𝔙" * (LONGEST_ANSWER - 2) for number in range(MOST_ANSWERS)]
    question = "𝔙" * LONGEST_QUESTION
    rules.check_poll(question, answers, 1)
    poll = rules.poll_of(question, answers, kind="disclosed", max_selections=1)
    start = start_of(poll, text=rules.text_of(poll), prefix="𝔙" * 102)
    assert len(json.dumps(start, ensure_ascii=False).encode()) < 47_000
    assert poll_in(start) is not None


# Places


PLACES: list[tuple[object, tuple[float, float] | None]] = [
    ("geo:52.52,13.405", (52.52, 13.405)),
    ("geo:-33.8,151.2;u=35", (-33.8, 151.2)),
    ("geo:1,2,3;crs=wgs84;u=0", (1.0, 2.0)),
    ("GEO:1,2", (1.0, 2.0)),
    # The ends of the earth, and behind them.
    ("geo:90,180", (90.0, 180.0)),
    ("geo:-90,-180", (-90.0, -180.0)),
    ("geo:90.0000001,0", None),
    ("geo:0,180.0000001", None),
    # What is none.
    ("geo:1", None),
    ("geo:a,b", None),
    ("geo:nan,inf", None),
    ("geo:1,2;" + "x" * 200, None),
    ("https://example.org/?q=1,2", None),
    (None, None),
    (5, None),
]


@pytest.mark.parametrize(("uri", "degrees"), PLACES)
def test_a_place_is_on_the_earth(uri: object, degrees: tuple[float, float] | None) -> None:
    place = place_from_outside(uri, description=None)
    assert (None if place is None else (place.latitude, place.longitude)) == degrees


@settings(max_examples=examples(100))
@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from([None, "Town hall"]))
def test_a_place_of_ours_is_one_in_clients(
    latitude: float, longitude: float, description: str | None
) -> None:
    place = place_at(latitude, longitude, description=description)
    said = said_in(place_content(place, text="there", prefix="", at=1))
    assert said is not None
    assert said.kind == "location"
    assert isinstance(said.held, Location)
    assert said.held.latitude == pytest.approx(latitude, abs=1e-6)
    assert said.held.longitude == pytest.approx(longitude, abs=1e-6)
    assert (said.held.uri, said.held.description) == (place.uri, description)


def test_a_place_that_is_none_is_at_least_what_it_says() -> None:
    said = said_in({"msgtype": "m.location", "body": "By the lake", "geo_uri": "geo:somewhere"})
    assert said is not None
    assert (said.kind, said.text, said.held) == ("text", "By the lake", None)


# Files


FILE: Json = {
    "url": "mxc://people.test/cake",
    "v": "v2",
    "iv": "aXY",
    "hashes": {"sha256": "aGFzaA"},
    "key": {"kty": "oct", "alg": "A256CTR", "k": "a2V5", "ext": True, "key_ops": ["encrypt", "decrypt"]},
}
KEPT = FILE | {"key": {"kty": "oct", "alg": "A256CTR", "k": "a2V5"}}
INFO: Json = {"mimetype": "image/jpeg", "size": 5, "w": 640, "h": 480, "duration": 1500}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"msgtype": "m.image"}, "image"),
        ({"msgtype": "m.file"}, "file"),
        ({"msgtype": "m.video"}, "video"),
        ({"msgtype": "m.audio"}, "audio"),
        ({"msgtype": "m.audio", "org.matrix.msc3245.voice": {}}, "voice"),
        ({"msgtype": "m.audio", "m.voice": {}}, "voice"),
    ],
)
def test_each_kind_of_file_is_one(content: Json, kind: str) -> None:
    said = said_in(content | {"body": "cake.jpg", "file": FILE, "info": INFO | {"thumbnail_file": FILE}})
    assert said is not None
    assert (said.kind, said.text) == (kind, "cake.jpg")
    assert isinstance(said.held, Media)
    held = said.held
    assert (held.name, held.mimetype, held.size) == ("cake.jpg", "image/jpeg", 5)
    assert (held.width, held.height, held.duration) == (640, 480, 1500)
    assert held.source == {"file": KEPT, "thumbnail_file": KEPT}


CAPTIONS: list[tuple[Json, str, str]] = [
    ({"body": "The cake", "filename": "cake.jpg"}, "cake.jpg", "The cake"),
    ({"body": "cake.jpg", "filename": "cake.jpg"}, "cake.jpg", "cake.jpg"),
    ({"body": "cake.jpg"}, "cake.jpg", "cake.jpg"),
    ({"body": " ", "filename": "cake.jpg"}, "cake.jpg", "cake.jpg"),
    ({"body": "The cake", "filename": 5}, "The cake", "The cake"),
    # A name is one line of what can be seen, however it came.
    ({"body": "a\n\u202eb\0c"}, "a b c", "a b c"),
    ({"body": ""}, "file", "file"),
    ({"body": "x" * 300}, "x" * 255, "x" * 255),
]


@pytest.mark.parametrize(("content", "name", "text"), CAPTIONS)
def test_a_file_has_a_name_and_may_have_a_caption(content: Json, name: str, text: str) -> None:
    said = said_in({"msgtype": "m.image", "file": FILE} | content)
    assert said is not None
    assert isinstance(said.held, Media)
    assert (said.held.name, said.text) == (name, text)


OVERRIDDEN = "cake\u202egpj\x00\U000e0070 \u2067x\nb"
HARMLESS = "cakegpj \u2067x\u2069\nb"
TURNED: dict[str, tuple[str, Json]] = {
    "a text": ("m.room.message", {"msgtype": "m.text", "body": OVERRIDDEN}),
    "a notice": ("m.room.message", {"msgtype": "m.notice", "body": OVERRIDDEN}),
    "a caption": (
        "m.room.message",
        {"msgtype": "m.image", "file": FILE, "filename": "cake.jpg", "body": OVERRIDDEN},
    ),
    "a place that is none": ("m.room.message", {"msgtype": "m.location", "body": OVERRIDDEN}),
    "a place": (
        "m.room.message",
        {"msgtype": "m.location", "body": "x", "m.location": {"uri": "geo:1,2", "description": OVERRIDDEN}},
    ),
}


@pytest.mark.parametrize(("event_type", "content"), TURNED.values(), ids=TURNED)
def test_whatever_is_said_neither_hides_nor_turns_around_anything(event_type: str, content: Json) -> None:
    said = said_as(event_type, content)
    assert said is not None
    assert said.text == HARMLESS


def test_nor_does_a_poll() -> None:
    content = asked(START, UNSTABLE)
    content[START]["question"][UNSTABLE] = content[START]["answers"][0][UNSTABLE] = OVERRIDDEN
    poll = poll_in(content)
    assert poll is not None
    assert (poll.question, poll.answers[0].text) == (HARMLESS, HARMLESS)


@pytest.mark.parametrize("value", [-1, 1.5, True, "5", None, 2**53, [5]])
def test_what_is_no_number_is_not_known(value: object) -> None:
    info = dict.fromkeys(("size", "w", "h", "duration"), value)
    said = said_in({"msgtype": "m.video", "body": "x", "file": FILE, "info": info})
    assert said is not None
    assert isinstance(said.held, Media)
    assert {said.held.size, said.held.width, said.held.height, said.held.duration} == {None}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"file": "mxc://people.test/cake"},
        {"file": {"url": "https://example.org/cake"}},
        {"url": "file:///etc/passwd"},
        {"url": 5},
        {"file": FILE, "body": 5},
    ],
)
def test_what_is_nowhere_is_no_file(content: Json) -> None:
    assert said_in({"msgtype": "m.image", "body": "cake.jpg"} | content) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([STABLE, UNSTABLE, "id", "m.id", "body", "url", "answers", "question", "uri"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KEYS = [
    "msgtype",
    "body",
    "file",
    "url",
    "info",
    "filename",
    "geo_uri",
    "m.location",
    START,
    "m.poll",
    RESPONSE,
    "m.selections",
    "m.relates_to",
]


@settings(max_examples=examples(200))
@given(
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6),
    st.sampled_from(["m.image", "m.location", "m.audio", "m.text", "m.hologram"]),
    st.booleans(),
)
def test_nothing_that_a_client_sends_is_our_trouble(content: Json, msgtype: str, is_poll: bool) -> None:
    content = content | {"msgtype": msgtype}
    said = said_as(START if is_poll else "m.room.message", content)
    assert said is None or said.text is not None
    poll = rules.poll_of("Which?", ["Vegan"], kind="disclosed", max_selections=1)
    assert rules.chosen(poll, selections_in(content)) == ()
    poll_event(content)
