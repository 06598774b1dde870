"""What the demo shows: steps, then the conversation line by line. Reads well in 80 columns and in a log file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from textwrap import wrap

from rich.console import Console
from rich.markup import escape
from rich.text import Text

WIDTH = 80
INDENT = 29
"""Columns before the text of a line."""
COLOURS = {"Festimo": "magenta", "platform": "blue"}
OTHER_COLOURS = ("green", "yellow", "cyan", "red")


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal or self._console.width > WIDTH:
            self._console.width = WIDTH
        self._colours = dict(COLOURS)

    def title(self, text: str) -> None:
        self._console.print(f"\n[bold]{escape(text)}[/bold]\n")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One thing that takes a while: said when it begins, timed when it is done."""
        begun = time.monotonic()
        self._console.print(f"  {escape(text)} ", end="")
        yield
        dots = "." * max(3, 62 - len(text))
        self._console.print(f"[dim]{dots}[/dim] {time.monotonic() - begun:4.1f} s")

    def platform(self, event_type: str, text: str) -> None:
        """An event that the platform sent us, in the clear between our own machines."""
        self._line("→ ", "platform", f"{event_type}\n{text}", room="")

    def message(self, who: str, text: str, *, encrypted: bool, room: str) -> None:
        self._line("🔒" if encrypted else "⚠ ", who, text, room=room)

    def change(self, who: str, text: str, *, encrypted: bool, room: str) -> None:
        """On a message that was edited where it stands."""
        self._line("✎ " if encrypted else "⚠ ", who, text, room=room)

    def tap(self, who: str, emoji: str, *, room: str) -> None:
        """On a reaction, which no client encrypts."""
        self._line("👆", who, emoji, room=room)

    def command(self, parts: list[str]) -> None:
        """A line for a shell, which can be copied."""
        for number, part in enumerate(parts):
            begin = "$ " if number == 0 else "    "
            end = "" if number == len(parts) - 1 else " \\"
            self._console.print(Text(f"  {begin}{part}{end}", style="bold"), soft_wrap=True)

    def answer(self, text: str) -> None:
        """What a command answered."""
        for line in wrap(text, WIDTH - 4):
            self._console.print(Text(f"  {line}", style="dim"))
        self._console.print()

    def note(self, text: str = "") -> None:
        for line in text.split("\n"):
            self._console.print(Text(f"  {line}".rstrip()))

    def last_line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)

    def _line(self, mark: str, who: str, text: str, *, room: str) -> None:
        colour = self._colours.setdefault(
            who, OTHER_COLOURS[(len(self._colours) - len(COLOURS)) % len(OTHER_COLOURS)]
        )
        shown = f"{text}  [{room}]" if room else text
        lines = [
            part for line in shown.splitlines() for part in wrap(line, WIDTH - INDENT, break_on_hyphens=False)
        ]
        first, *rest = lines or [""]
        self._console.print(
            Text.assemble(
                (f"  {datetime.now().astimezone():%H:%M:%S} ", "dim"),
                f"{mark} ",
                (f"{who:<14.14} ", colour),
                first,
            )
        )
        for line in rest:
            self._console.print(" " * INDENT + escape(line))
