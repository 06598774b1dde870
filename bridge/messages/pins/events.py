"""What happened to the pins of a conversation."""

from dataclasses import dataclass

from bridge.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PinsChanged(Event):
    """Other messages are pinned than before: read which. The room is to show the same."""
