"""Every SQL statement that stands in the code as a constant."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import appservice
import bridge

STATEMENT = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b")


def statements() -> Iterator[tuple[str, str]]:
    for package in (appservice, bridge):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__") or ".backup" in module.name or ".session_lock" in module.name:
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                # With an underscore they are parts of statements.
                if name.isupper() and name[0] != "_" and isinstance(value, str) and STATEMENT.match(value):
                    yield f"{module.name}.{name}", value


def filled_in(sql: str) -> str:
    """What is put in where it runs: a list with one value."""
    return re.sub(r"\{+(places|states)\}+", "$1", sql)
