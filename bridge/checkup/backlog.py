"""What waits, is set aside or was given up, and since when."""

from datetime import timedelta

from bridge.core.checkup import Suspicious
from bridge.core.clock import Clock
from bridge.storage.database import Reader

OLDEST = timedelta(minutes=5)
"""What waits for longer is held up by something."""

COUNT = """
SELECT state, COUNT(*) AS number, MIN(created_at) AS oldest FROM (
    SELECT state, created_at FROM inbox WHERE state <> 'done'
    UNION ALL SELECT state, created_at FROM outbox WHERE state <> 'done'
) AS kept GROUP BY state
"""


async def check_backlog(reader: Reader, clock: Clock) -> str:
    """Waiting: on its way. Parked: for a room key. Dead: given up, for a person to see."""
    now = clock.now()
    found = {row["state"]: (row["number"], now - row["oldest"]) for row in await reader.fetch(COUNT)}
    told = ", ".join(
        f"{number} {state} (oldest {age(oldest)})" for state, (number, oldest) in sorted(found.items())
    )
    if "dead" in found:
        raise Suspicious(told, "`festimo dead-letters list` shows why; they can be tried again.")
    if "waiting" in found and found["waiting"][1] > OLDEST // timedelta(milliseconds=1):
        raise Suspicious(told, "Is the bridge running? `tried_again` in its log says what holds them up.")
    return told or "nothing waits"


def age(milliseconds: int) -> str:
    """In the largest unit of which there is one."""
    seconds = max(milliseconds, 0) // 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
