"""What is wrong with a configuration, in words an operator can act on; values are never repeated."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_MUST_BE = {
    "string_type": "must be text. Put the value in quotes",
    "string_sub_type": "must be text. Put the value in quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "model_type": "must hold keys and values, each on an indented line of its own",
    "tuple_type": "must be a list: one `- ` line for each entry",
    "invalid_key": "is not a text key. Put it in quotes",
}
# Follows from another problem that is reported on its own.
_CONSEQUENCE = "default_factory_not_called"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.key}: {self.detail}." if self.key else f"{self.detail}."


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, source: str, problems: tuple[ConfigProblem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source} has {count}:", *(f"  {problem}" for problem in problems)]))
        self.source = source
        self.problems = problems


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[ConfigProblem]:
    for found in error.errors(include_url=False, include_input=False):
        if found["type"] != _CONSEQUENCE:
            yield ConfigProblem(key_path(found["loc"]), _detail(found, model))


def key_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _detail(found: ErrorDetails, model: type[BaseModel]) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        return _unknown_key(str(found["loc"][-1]), _fields(model, found["loc"][:-1]))
    if kind == "missing":
        field = _fields(model, found["loc"][:-1]).get(str(found["loc"][-1]))
        return f"missing. Add it: {field.description}" if field and field.description else "missing. Add it"
    if kind == "value_error":
        return str(found["ctx"]["error"])
    return _MUST_BE.get(kind) or found["msg"].replace("Input should", "must").replace("'", "`")


def _unknown_key(key: str, known: dict[str, FieldInfo]) -> str:
    alike = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if alike:
        return f"unknown key. Did you mean `{alike[0]}`?".removesuffix("?") + "? If not, remove it"
    return f"unknown key. Remove it; known here: {', '.join(sorted(known))}"


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> dict[str, FieldInfo]:
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        nested = _model_in(field.annotation) if field else None
        if nested is None:
            return {}
        model = nested
    return model.model_fields


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model an annotation is, or is a tuple of."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
