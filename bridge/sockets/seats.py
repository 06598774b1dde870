"""How many connections one caller may have open at once, in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from bridge.core.caller import Caller, CallerRole
from bridge.core.ids import TenantId
from bridge.web.pace import RateLimited

LATER = 30
"""Seconds: by then a connection whose client is gone was noticed."""

_Who = tuple[TenantId, CallerRole, str]


class TooManyConnections(RateLimited):
    code: ClassVar[str] = "too_many_connections"


class Seats:
    def __init__(self, *, per_person: int, per_program: int) -> None:
        """`per_program`: of all programs of a tenant together, and of all its staff."""
        self._per_person = per_person
        self._per_program = per_program
        self._taken: Counter[_Who] = Counter()

    @contextmanager
    def taken(self, caller: Caller) -> Iterator[None]:
        """Raise `TooManyConnections`."""
        who = (caller.tenant_id, caller.role, caller.participant_id or "")
        most = self._per_person if caller.is_person else self._per_program
        if self._taken[who] >= most:
            raise TooManyConnections(
                f"{'You have' if caller.is_person else 'This tenant has'} {most} connections open, which is as many"
                " as there may be. Nothing was changed. Close one that is not needed, then connect again.",
                retry_after=LATER,
            )
        self._taken[who] += 1
        try:
            yield
        finally:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]
