"""A page that tells what people wrote, and does nothing that they wrote."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.conversations.model import Conversation, Member
from bridge.core.ids import ConversationId, MessageId, ParticipantId, PartyId, VendorId
from bridge.export import html
from bridge.export.model import Said, Subject
from bridge.messages.held import Media, Poll, PollAnswer
from bridge.messages.labels.model import Labels
from bridge.messages.model import Message
from bridge.messages.reactions.model import Reaction
from tests.bridge.conversations.features import TENANT, person
from tests.examples import examples

AT = 1_800_000_000_000
VOID = {"meta"}
# From the OWASP list, and what else ends an element, an attribute or a style.
NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "</p></article></main></body></html><h1>",
    "<!--",
    "]]>",
    "</style><script>",
    "</title><script>alert(1)</script>",
    "&lt;script&gt;",
    "&#x3C;script>",
    "javascript:alert(1)",
    "<a href='data:text/html,x'>",
    "\u202etxt.exe",
    "\x00<\x00script>",
    "{{7*7}}",
    "' onmouseover='x",
    "<bdi>",
    "</bdi>",
]


def subject(title: str = "Anna & Ben", name: str = "Anna") -> Subject:
    conversation = Conversation(
        tenant_id=TENANT,
        conversation_id=ConversationId("c1"),
        party_id=PartyId("p1"),
        vendor_id=VendorId("chef"),
        title=title,
        status="active",
        created_at=AT,
    )
    return Subject(conversation, [Member(person("anna", name), "host")], 1, AT)


def message(text: str, *, edited_at: int | None = None, deleted_at: int | None = None) -> Message:
    return Message(
        tenant_id=TENANT,
        message_id=MessageId("m1"),
        conversation_id=ConversationId("c1"),
        position=1,
        sender_id=ParticipantId("anna"),
        sender_type="user",
        kind="text",
        text=text,
        status="sent",
        failure_reason=None,
        origin_id=None,
        created_at=AT,
        edited_at=edited_at,
        deleted_at=deleted_at,
    )


class Page(HTMLParser):
    """What a browser makes of it: the elements with their attributes, and the text of each paragraph."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, list[str]] = {}
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}-->")

    def unknown_decl(self, data: str) -> None:
        self.wrong.append(data)


def page_of(text: str, *, title: str = "A party", name: str = "Anna") -> Page:
    told = subject(title, name)
    return Page(html.beginning(told) + html.article(told, Said(message=message(text))) + html.END)


USUAL = page_of("Hello").elements
anything = st.text() | st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=4).map("".join)


@given(text=anything, title=anything, name=anything)
@settings(max_examples=examples(200))
def test_whatever_people_write_is_text(text: str, title: str, name: str) -> None:
    page = page_of(text, title=title, name=name)
    assert page.elements == USUAL
    assert (page.wrong, page.open) == ([], [])
    said = page.texts["p"][-1]
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    assert said == html._UNREPRESENTABLE.sub("\ufffd", lines)
    said.encode()  # UTF-8 has room for it


@pytest.mark.parametrize("text", NASTY)
def test_the_known_tricks_are_text_as_well(text: str) -> None:
    page = page_of(text, title=text, name=text)
    assert page.elements == USUAL
    assert {tag for tag, _ in USUAL}.isdisjoint({"script", "img", "a", "iframe", "object", "link", "form"})
    assert not [names for _, names in USUAL if any(name.startswith("on") for name in names)]


def test_lines_stay_lines() -> None:
    assert page_of("one\n  two\tthree").texts["p"][-1] == "one\n  two\tthree"


def test_edits_and_deletions_are_told_as_such() -> None:
    told = subject()
    edited = Page(html.article(told, Said(message=message("Vegetarian?", edited_at=AT + 60_000))))
    assert edited.texts["small"] == ["edited 2027-01-15 08:01"]
    assert edited.texts["p"] == ["Vegetarian?"]
    gone = message("", edited_at=AT + 60_000, deleted_at=AT + 120_000)
    deleted = Page(html.article(told, Said(message=gone)))
    assert deleted.texts["small"] == ["deleted 2027-01-15 08:02"]
    assert deleted.texts["p"] == ["This message was deleted."]


def page_around(text: str) -> list[Page]:
    """With a text wherever there can be one beside what was said: once around a poll, once around a file."""
    told, said = subject(name=text), message("Hello")
    reaction = Reaction(
        reaction_id="r1",
        tenant_id=TENANT,
        conversation_id=said.conversation_id,
        message_id=said.message_id,
        participant_id=ParticipantId("anna"),
        outsider=None,
        emoji=text,
        created_at=AT,
    )
    answer = PollAnswer(answer_id="1", text=text, origin_id="1")
    poll = Poll(question=text, answers=(answer,), kind="disclosed", max_selections=1)
    file = Media(attachment_id="f1", name=text, source={}, mimetype=text, size=1)
    return [
        Page(
            html.article(
                told,
                Said(
                    message=replace(said, held=held),
                    reactions=[reaction],
                    labels=Labels(tags=(text,)),
                    answered=message(text),
                ),
            )
        )
        for held in (poll, file)
    ]


AROUND = [page.elements for page in page_around("Hello")]


@given(text=anything)
@settings(max_examples=examples(100))
def test_whatever_stands_beside_it_is_text_as_well(text: str) -> None:
    for page, usual in zip(page_around(text), AROUND, strict=True):
        assert page.elements == usual
        assert (page.wrong, page.open) == ([], [])
