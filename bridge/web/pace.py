"""How much of one kind one asker may do in a minute. Counted in this process; never for the homeserver."""

import math
from typing import ClassVar

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from bridge.core.caller import Caller
from bridge.core.clock import SystemClock
from bridge.core.errors import Refusal
from bridge.core.ids import TenantId

_MINUTE = 60


class RateLimited(Refusal):
    """`retry_after`: seconds until it is worth while to ask again."""

    code: ClassVar[str] = "rate_limited"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Pace:
    def __init__(self, *, requests: int, messages: int, frames: int) -> None:
        """Each: how many in a minute."""
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests, namespace="requests")
        self._messages = RateLimitItemPerMinute(messages, namespace="messages")
        self._frames = RateLimitItemPerMinute(frames, namespace="frames")

    def request(self, caller: Caller) -> None:
        """A REST request; a tenant's programs share theirs. Raise `RateLimited`."""
        person = caller.participant_id or ""
        self._hit(self._requests, "requests", caller.tenant_id, caller.role, person)

    def message(self, tenant_id: TenantId, sender_id: str) -> None:
        """Something that a participant says. Raise `RateLimited`."""
        self._hit(self._messages, "messages of this sender", tenant_id, sender_id)

    def frame(self, connection: str) -> None:
        """A frame that a client sends. Raise `RateLimited`."""
        self._hit(self._frames, "frames of this connection", connection)

    def _hit(self, limit: RateLimitItemPerMinute, of: str, *who: str) -> None:
        if self._limiter.hit(limit, *who):
            return
        left = self._limiter.get_window_stats(limit, *who).reset_time - SystemClock().now() / 1000
        seconds = min(_MINUTE, max(1, math.ceil(left)))
        raise RateLimited(
            f"More than {limit.amount} {of} in a minute. Nothing was changed. Send it again in {seconds} s.",
            retry_after=seconds,
        )
