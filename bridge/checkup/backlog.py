"""What waits, is set aside or was given up, and since when."""

from datetime import timedelta

from bridge.core.clock import Clock
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import DatabaseError, Reader

OLDEST = timedelta(minutes=5)
"""What waits for longer is held up by something."""

# By their partial indexes: what is done is kept for ever, and never looked at here.
COUNT = """
SELECT state, CAST(SUM(number) AS BIGINT) AS number, MIN(oldest) AS oldest FROM (
    SELECT 'waiting' AS state, COUNT(*) AS number, MIN(created_at) AS oldest FROM inbox WHERE state = 'waiting'
    UNION ALL SELECT 'waiting', COUNT(*), MIN(created_at) FROM outbox WHERE state = 'waiting'
    UNION ALL SELECT 'parked', COUNT(*), MIN(created_at) FROM inbox WHERE state = 'parked'
    UNION ALL SELECT 'dead', COUNT(*), MIN(created_at) FROM inbox WHERE state = 'dead'
    UNION ALL SELECT 'dead', COUNT(*), MIN(created_at) FROM outbox WHERE state = 'dead'
) AS few WHERE number > 0 GROUP BY state
"""


async def check_backlog(reader: Reader, clock: Clock) -> str:
    """Waiting: on its way. Parked: for a room key. Dead: given up, for a person to see.

    Raises `CannotStart` where somebody has to do something.
    """
    now = clock.now()
    found = {row["state"]: (row["number"], now - row["oldest"]) for row in await reader.fetch(COUNT)}
    told = ", ".join(
        f"{number} {state} (oldest {age(oldest)})" for state, (number, oldest) in sorted(found.items())
    )
    if "dead" in found:
        raise CannotStart(
            Reason.BACKLOG_HELD_UP, told, "`festimo dead-letters list` shows why; they can be tried again."
        )
    if "waiting" in found and found["waiting"][1] > OLDEST // timedelta(milliseconds=1):
        raise CannotStart(
            Reason.BACKLOG_HELD_UP,
            told,
            "Is the bridge running? `tried_again` in its log says what holds them up.",
        )
    return told or "nothing waits"


async def remark(reader: Reader, clock: Clock) -> str | None:
    """What `/health/ready` says of it; None: nobody has to do anything."""
    try:
        await check_backlog(reader, clock)
    except CannotStart as held_up:
        return f"{held_up.what}. {held_up.fix}"
    except DatabaseError:
        return "not known while the database cannot be read"
    return None


def age(milliseconds: int) -> str:
    """In the largest unit of which there is one."""
    seconds = max(milliseconds, 0) // 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
