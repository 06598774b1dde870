"""What may turn a text around ends with its line, what hides is gone, and what people write stays."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.core.writing import DEEPEST, from_outside, harmless, harmless_html, is_blank
from tests.examples import examples

LRE, RLE, PDF, LRO, RLO = "\u202a", "\u202b", "\u202c", "\u202d", "\u202e"
LRI, RLI, FSI, PDI = "\u2066", "\u2067", "\u2068", "\u2069"

TEXTS: list[tuple[str, str]] = [
    # An override goes, with its end, wherever it stands: a file's name, an amount.
    (f"cake{RLO}gpj.exe", "cakegpj.exe"),
    (f"EUR {LRO}3,840{PDF}.00", "EUR 3,840.00"),
    # What was begun ends where it ended, or with its line.
    (f"a {RLI}שלום{PDI} b", f"a {RLI}שלום{PDI} b"),
    (f"a {RLI}שלום\nb", f"a {RLI}שלום{PDI}\nb"),
    (f"a {RLE}שלום", f"a {RLE}שלום{PDF}"),
    (f"{LRI}{RLE}a{FSI}b\u2028c", f"{LRI}{RLE}a{FSI}b{PDI}{PDF}{PDI}\u2028c"),
    # An isolate ends what was begun in it, an embedding no isolate.
    (f"{LRI}{RLE}{RLO}a{PDI}b", f"{LRI}{RLE}a{PDF}{PDI}b"),
    (f"{RLE}{LRI}a{PDF}b{PDI}", f"{RLE}{LRI}ab{PDI}{PDF}"),
    # Ends of nothing could end what a page has begun around the text.
    (f"a{PDI}b{PDF}c\n{PDI}", "abc\n"),
    # So deep, and no deeper.
    (LRE * (DEEPEST + 9), LRE * DEEPEST + PDF * DEEPEST),
    # A family, Persian, a mark, Thai with its breaks, a flag of a country within another: as they were written.
    *(("👩\u200d👩\u200d👧",) * 2, ("می\u200cخواهم",) * 2, ("\u200fאב!\u200e",) * 2, ("ไทย\u200bไทย",) * 2),
    ("\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f!",) * 2,
    # The same tags spell out what nobody sees; byte order marks; what Unicode has given up.
    ("ok\U000e0070\U000e0061\U000e0079", "ok"),
    ("\U0001f3f4\U000e0070\U000e0061\U000e0079 us", "\U0001f3f4 us"),
    ("\ufeffcake\u206e", "cake"),
    ("",) * 2,
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept"), TEXTS)
def test_what_turns_a_text_around_ends_with_its_line(text: str, kept: str) -> None:
    assert harmless(text) == kept


HTML: list[tuple[str, str]] = [
    # Across tags that stand in a line, up to one that ends it.
    (f"<p>{RLE}a <b>b</b> c{PDF}</p>", f"<p>{RLE}a <b>b</b> c{PDF}</p>"),
    (f"<p>{RLE}a <b>b</b></p>c", f"<p>{RLE}a <b>b</b>{PDF}</p>c"),
    (f"<b>{RLI}a<br>b</b>", f"<b>{RLI}a{PDI}<br>b</b>"),
    (f"<s>{RLI}a</s><sup>b</sup><summary>", f"<s>{RLI}a</s><sup>b</sup>{PDI}<summary>"),
    (f"<li>{RLO}a</li>", "<li>a</li>"),
]


@pytest.mark.parametrize(("html", "kept"), HTML)
def test_in_html_a_line_ends_with_its_block(html: str, kept: str) -> None:
    assert harmless_html(html) == kept


def test_of_what_comes_from_clients_control_characters_go_too() -> None:
    assert from_outside(f"a\r\nb\tc\x00\x9bd\ud800{RLO}") == "a\nb\tcd?"


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d", "\u2060\ufeff", RLI + PDI])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(text + "a")


@settings(max_examples=examples(300))
@example([LRI, RLE, PDI, PDF, "\n", RLO])
@given(
    st.lists(st.sampled_from([LRE, RLE, PDF, LRO, RLO, LRI, RLI, FSI, PDI, "a", "\n", "\u2028", "\u200d"]))
)
def test_nothing_begun_is_left_open_and_nothing_else_is_changed(parts: list[str]) -> None:
    kept = harmless("".join(parts))
    for line in kept.replace("\u2028", "\n").split("\n"):
        begun: list[str] = []
        for one in line:
            if one in (LRE, RLE):
                begun.append(PDF)
            elif one in (LRI, RLI, FSI):
                begun.append(PDI)
            elif one in (PDF, PDI):
                assert begun.pop() == one
        assert begun == []
    plain = ("a", "\n", "\u2028", "\u200d")
    assert [one for one in kept if one in plain] == [one for one in parts if one in plain]
    assert not {LRO, RLO} & set(kept)
    assert harmless(kept) == kept
