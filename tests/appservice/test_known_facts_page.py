"""docs/homeservers-and-clients.md names tests that there are, and has a proof or a reason in every row."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "homeservers-and-clients.md"
ROW = re.compile(r"\| (?P<known>.+) \| (?P<proof>.+) \|")
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str]]:
    lines = PAGE.read_text().splitlines()
    found = [(match["known"], match["proof"]) for line in lines if (match := ROW.fullmatch(line))]
    return [row for row in found if row != ("known", "proof")]


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions)


def test_every_test_that_the_page_names_exists() -> None:
    named = [(path, name) for _, proof in rows() for path, name in NAMED.findall(proof)]
    assert len(named) > 100
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []


def test_every_row_has_a_test_or_says_why_not() -> None:
    for known, proof in rows():
        assert NAMED.search(proof) or len(proof.split()) > 5, known


def test_nothing_is_said_twice() -> None:
    known = [said for said, _ in rows()]
    assert len(known) == len(set(known))
