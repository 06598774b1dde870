"""How messages are found by their words."""

from typing import Annotated

import snowballstemmer
from pydantic import AfterValidator, Field

from bridge.config.section import Section

KNOWN = frozenset(snowballstemmer.algorithms())
MOST = 6


def _languages(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise ValueError(f"holds a language that is not known. These are: {', '.join(sorted(KNOWN))}")
    if len(set(names)) < len(names):
        raise ValueError("holds a language twice. Remove one of them")
    if len(names) > MOST:
        raise ValueError(f"holds more than {MOST} languages: each makes the index larger")
    return names


class Search(Section):
    languages: Annotated[tuple[str, ...], AfterValidator(_languages)] = Field(
        default=("english", "german"),
        strict=False,
        description="in which words are found in all their forms; after a change all messages are indexed anew",
    )
