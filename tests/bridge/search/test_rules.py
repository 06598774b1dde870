"""Which words are the same."""

import pytest

from bridge.search.rules import LONGEST_TO_STEM, Words, plain

WORDS = Words(["english", "german"])


@pytest.mark.parametrize(
    ("looked_for", "text"),
    [
        ("cake", "Three cakes, please"),
        ("cakes", "A CAKE!"),
        ("booking", "It is booked"),  # English
        ("Torte", "Zwei Torten"),  # German
        ("Haus", "Die Häuser am See"),
        ("cafe", "Le Café"),
        ("CAFÉ", "cafe\u0301 au lait"),  # an accent of its own
        ("strasse", "Straße 7"),
        ("7", "Straße 7"),
        ("fi", "\ufb01"),  # a ligature
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("елка", "Ёлка"),
        ("हिन्दी", "यह हिन्दी है"),  # vowel signs stand inside words
        ("cake vegan", "vegan, of course: a cake"),
        ("don't", "DON'T!"),
        ("2027-06-12", "on 2027/06/12"),
        ("🎂", "See you🎂!"),  # emoji are words of their own
        ("🎂 cake", "a cake🎂🎂"),
        ("❤️", "I ❤ it"),  # shown as text, or as a picture
        ("👍", "👍🏽"),
        ("👍🏿", "👍"),
    ],
)
def test_the_same_word_in_another_form(looked_for: str, text: str) -> None:
    assert WORDS.match(WORDS.groups(looked_for), text)


@pytest.mark.parametrize(
    ("looked_for", "text"),
    [
        ("cake", "pancake"),  # a part of a word
        ("pan", "pancake"),
        ("cake vegan", "a cake"),  # one of two
        ("cake", ""),
        ("", "a cake"),
        ("!?", "!?"),
        ("🎂", "🍰"),
        ("🎂 🍰", "🎂"),
        ("🏽", "👍🏽"),
        ("_", "_"),
        ("12", "2012"),
        ("x" * LONGEST_TO_STEM + "s", "x" * LONGEST_TO_STEM),
    ],
)
def test_another_word(looked_for: str, text: str) -> None:
    assert not WORDS.match(WORDS.groups(looked_for), text)


def test_without_a_language_only_the_same_form_matches() -> None:
    exact = Words([])
    assert exact.match(exact.groups("CAFÉ"), "cafe")
    assert not exact.match(exact.groups("cakes"), "cake")


def test_what_it_is_made_of_tells_languages_apart() -> None:
    made = [Words(languages).made_of for languages in ([], ["english"], ["english", "german"])]
    assert len(set(made)) == 3


def test_a_long_text_without_words_is_no_trouble() -> None:
    assert WORDS.stems("\u0301\ud800 \n" * 20_000) == frozenset()
    assert plain("\ud800") == "\ud800"
