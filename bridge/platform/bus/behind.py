"""How far the bus is behind what happened. Knows no bus: the database tells."""

from dataclasses import dataclass
from datetime import timedelta

from bridge.checkup.backlog import age
from bridge.platform.bus.outgoing import TARGET
from bridge.platform.bus.store import PublishedStore
from bridge.storage.database import DatabaseError, Reader

LATE = timedelta(minutes=5)
"""What waits for longer is held up by something."""


@dataclass(frozen=True, slots=True)
class Behind:
    """How many entries of the feed are still to be published, and since when (epoch ms) the oldest of them waits."""

    entries: int
    since: int | None

    @classmethod
    async def of(cls, reader: Reader) -> "Behind":
        """None wait before the bus was used for the first time: it begins with what happens then."""
        return cls(*await PublishedStore().behind(reader, TARGET))

    def waited(self, now: int) -> int:
        """Milliseconds."""
        return 0 if self.since is None else max(now - self.since, 0)

    def is_late(self, now: int) -> bool:
        return self.waited(now) > LATE // timedelta(milliseconds=1)

    def told(self, now: int) -> str:
        if not self.entries:
            return "nothing waits for it"
        return f"entries of the feed that wait for it: {self.entries} (oldest {age(self.waited(now))})"


async def remark(reader: Reader, *, trouble: str | None, now: int) -> str | None:
    """What `/health/ready` says of the bus, whose connection has this trouble; None: all is well."""
    remarks = [] if trouble is None else [trouble]
    try:
        behind = await Behind.of(reader)
    except DatabaseError:
        pass  # which is told of by itself
    else:
        remarks += [behind.told(now)] if behind.is_late(now) else []
    return "; ".join(remarks) or None
