"""What a failed call to the homeserver means for the delivery that made it: retry or fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from appservice.homeserver import HomeserverRefused, HomeserverUnavailable
from bridge.delivery.dispatcher import Fail, Retry

log = structlog.get_logger(__name__)


@asynccontextmanager
async def decided() -> AsyncIterator[None]:
    try:
        yield
    except HomeserverUnavailable as trouble:
        raise Retry(str(trouble), delay=trouble.retry_after) from trouble
    except HomeserverRefused as refusal:
        if refusal.errcode == "M_UNKNOWN_DEVICE":
            log.error("own_device_gone")
            raise Retry("the homeserver does not know our device any more") from refusal
        if refusal.status == 401:
            # A token that is not known (any more) is the operator's to mend: no message is lost for it.
            raise Retry(f"the homeserver does not accept our token: {refusal}") from refusal
        raise Fail(f"the homeserver refused: {refusal}") from refusal
