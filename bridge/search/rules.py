"""When a message matches what is looked for: each word looked for is in it, in some form, in whatever case, with or
without accents. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import snowballstemmer

VERSION = 2
"""Of all that is below: with another one, every message is indexed anew."""
LONGEST_TO_STEM = 40
"""Letters. What is longer is no word of a language."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
# Vowel signs and the like are no letters to Python, and stand inside words all the same.
_SIGNS = "".join(
    chr(number) for number in range(0x0370, 0x1D00) if unicodedata.category(chr(number))[0] == "M"
)
# Arrows, dingbats, emoji: each is a word of its own. Tones of skin are none: 👍 is in 👍🏽.
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_WORD = re.compile(f"(?:[^\\W_]|[{_SIGNS}])+|[{_EMOJI}]")
_KEPT = 20_000


class Words:
    """Of texts in any of some languages: nobody says in which one a message is."""

    def __init__(self, languages: Sequence[str]) -> None:
        """`languages`: names of Snowball's stemmers; none: words match in the same form only."""
        self._stemmers = [snowballstemmer.stemmer(language) for language in languages]
        self.made_of = f"{VERSION}:{','.join(languages)}"
        """Tells one index from another that would hold other stems."""
        self._stems = lru_cache(_KEPT)(self._stems_of)

    def groups(self, text: str) -> list[frozenset[str]]:
        """For each different word its stems, one or more, in the order in which the words come."""
        return [self._stems(word) for word in dict.fromkeys(_WORD.findall(plain(text)))]

    def stems(self, text: str) -> frozenset[str]:
        """Of all words."""
        return frozenset().union(*self.groups(text))

    def match(self, groups: Iterable[frozenset[str]], text: str) -> bool:
        """Whether each of the words looked for, by its stems, is in the text. No words are in no text."""
        wanted = list(groups)
        there = self.stems(text)
        return bool(wanted) and all(group & there for group in wanted)

    def _stems_of(self, word: str) -> frozenset[str]:
        if not self._stemmers or len(word) > LONGEST_TO_STEM or not word.isalpha():
            return frozenset((word,))
        return frozenset(stemmer.stemWord(word) for stemmer in self._stemmers)


def plain(text: str) -> str:
    """Without case and accents."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))
