"""Which reason, message and exit code an error that reached the command line stands for."""

import errno
import socket

from bridge.config import ConfigError
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import DatabaseError, DatabaseTooNew
from bridge.storage.leader import Overtaken
from bridge.storage.sealing import CannotOpen

EXIT_FAILED = 1
"""What was asked for was not done; nothing was changed."""


def cannot_start(error: BaseException) -> CannotStart | None:
    """None: a fault of ours, which keeps its traceback."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for found in map(cannot_start, error.exceptions) if found is not None), None)
    match error:
        case CannotStart():
            return error
        case ConfigError():
            return CannotStart(
                Reason.CONFIG_INVALID,
                str(error),
                "Correct what is listed; `festimo check-config` checks again.",
            )
        case Overtaken():
            return CannotStart(
                Reason.OVERTAKEN,
                "Another process works on this database now: this one was frozen or cut off for too long.",
                "Start it again: it waits, ready to take over.",
            )
        case DatabaseTooNew():
            return CannotStart(
                Reason.DATABASE_TOO_NEW,
                str(error),
                "Run the newer release, or restore a backup of before the upgrade.",
            )
        case DatabaseError():
            return CannotStart(
                Reason.DATABASE_UNUSABLE,
                str(error),
                "Check `database.url`, that the server runs or the file's folder exists, and who may write there.",
            )
        case CannotOpen():
            return CannotStart(
                Reason.MASTER_KEY_CHANGED,
                "The database was sealed with another `storage.master_key` than the one in the configuration.",
                "Put the former key back or, to change it, name it as `storage.former_master_key`. Without it, what is"
                " stored cannot be read by anybody.",
            )
        case OSError(errno=errno.EADDRINUSE):
            return CannotStart(
                Reason.PORT_TAKEN,
                "Another program, perhaps another bridge, listens at `appservice.listen` already.",
                "Stop it, or choose another port there and in `appservice.url`; then run `festimo registration` again"
                " for the homeserver.",
            )
        case OSError(errno=errno.EADDRNOTAVAIL | errno.EACCES) | socket.gaierror():
            return CannotStart(
                Reason.PORT_TAKEN,
                f"The bridge cannot listen at `appservice.listen`: {error.strerror}.",
                "Use an address of this very machine (127.0.0.1, or 0.0.0.0 for all) and a port above 1023.",
            )
    return None
