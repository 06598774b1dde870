"""What a failed call to the homeserver means for the delivery that made it: retry or fail."""

from contextlib import AbstractAsyncContextManager

import structlog

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from appservice.room_map import RoomGone
from bridge.delivery.dispatcher import Fail, Retry

log = structlog.get_logger(__name__)


class decided(AbstractAsyncContextManager[None]):  # noqa: N801 - used as a word: `async with decided():`
    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, HomeserverUnavailable):
            raise Retry(str(error), delay=error.retry_after) from error
        if isinstance(error, HomeserverRefused):
            raise _decision(error) from error
        if isinstance(error, RoomGone):
            raise Retry("the room was replaced meanwhile") from error


def _decision(refusal: HomeserverRefused) -> Retry | Fail:
    if refusal.errcode == "M_UNKNOWN_DEVICE":
        log.error("own_device_gone")
        return Retry("the homeserver does not know our device any more")
    if refusal.status == 401:
        # A token that is not known (any more) is the operator's to mend: no message is lost for it.
        return Retry(f"the homeserver does not accept our token: {refusal}")
    return Fail(f"the homeserver refused: {refusal}")
