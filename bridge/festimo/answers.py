"""What Festimo says to a text: pure. Commands first, then plain questions, and help whenever unsure."""

import re

from bridge.festimo.commands import COMMANDS
from bridge.festimo.model import Command, Deed, Scene

PREFIX = "!festimo"
_WORDS = re.compile(r"\w+")
_OWN_NAME = re.compile(r"\bfestimo\b", re.IGNORECASE)
_ASKS_FOR_HELP = frozenset({"help", "hello", "hi", "commands", "can"})


def is_for_festimo(text: str, *, mentioned: bool = False) -> bool:
    """Whether somebody speaks to Festimo: a command, a mention (a pill), or its name."""
    return mentioned or is_command(text) or _OWN_NAME.search(text) is not None


def is_command(text: str) -> bool:
    words = text.split(maxsplit=1)
    return bool(words) and words[0].lower() == PREFIX


def greeting() -> str:
    return (
        "Hello! I am Festimo. I bring bookings and news from the platform into this conversation, which is end-to-end "
        f"encrypted.\nWrite {PREFIX} help to see what I can do."
    )


def answer(text: str, scene: Scene) -> str:
    if is_command(text):
        return _to_command(*_parts(text), scene)
    return _to_question(text, scene)


def deed(text: str, scene: Scene) -> Deed | None:
    """What is to be done besides answering."""
    if not is_command(text):
        return None
    name, rest = _parts(text)
    command = _command(name)
    return None if command is None else command.deed(scene, rest)


def help_text() -> str:
    lines = [f"{PREFIX} {command.name}: {command.summary}" for command in COMMANDS]
    return "\n".join(["What I can do:", *lines, f"{PREFIX} help: this list"])


def _parts(text: str) -> tuple[str, str]:
    """Of a command: its name, and what stands after it, which may be several lines."""
    name, rest = (*text.strip()[len(PREFIX) :].split(maxsplit=1), "", "")[:2]
    return name.lower(), rest.strip()


def _command(name: str) -> Command | None:
    return next((command for command in COMMANDS if command.name == name), None)


def _to_command(name: str, rest: str, scene: Scene) -> str:
    if name in ("", "help"):
        return help_text()
    command = _command(name)
    if command is None:
        return f"I do not know that command.\n{help_text()}"
    return command.answer(scene, rest)


def _to_question(text: str, scene: Scene) -> str:
    words = {word.lower() for word in _WORDS.findall(text)}
    asked = [command for command in COMMANDS if words & command.words]
    if len(asked) == 1:
        return asked[0].answer(scene, "")
    if words & _ASKS_FOR_HELP:
        return help_text()
    return f"I am not sure what you mean; the people here will know.\n{help_text()}"
