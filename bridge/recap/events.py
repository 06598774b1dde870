"""What happened to recaps."""

from dataclasses import dataclass

from bridge.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RecapDue(Event):
    """Somebody who missed something can read now, and is there."""

    recap_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecapChanged(Event):
    """Something that a recap repeats was edited or deleted."""

    recap_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecapHeld(Event):
    """The person's device cannot be given a key yet."""

    recap_id: str
