"""Every known reason has words and a code; a fault of ours has none."""

import errno
import socket

import pytest

from bridge.commands.failure import cannot_start
from bridge.config import ConfigError, ConfigProblem
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import DatabaseTooNew, DatabaseUnavailable
from bridge.storage.sealing import CannotOpen

OURS = CannotStart(Reason.CLOCK_OFF, "what", "fix")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OURS, Reason.CLOCK_OFF),
        # as a task group raises it
        (ExceptionGroup("tasks", [ValueError(), ExceptionGroup("inner", [OURS])]), Reason.CLOCK_OFF),
        (ConfigError("config.yaml", (ConfigProblem("key", "is wrong"),)), Reason.CONFIG_INVALID),
        (DatabaseUnavailable("away"), Reason.DATABASE_UNUSABLE),
        # not taken for any DatabaseError
        (DatabaseTooNew("newer"), Reason.DATABASE_TOO_NEW),
        (CannotOpen("another key"), Reason.MASTER_KEY_CHANGED),
        (OSError(errno.EADDRINUSE, "in use"), Reason.PORT_TAKEN),
        # an address of another machine, a port for root only, a name nobody knows
        (OSError(errno.EADDRNOTAVAIL, "cannot assign"), Reason.PORT_TAKEN),
        (PermissionError(errno.EACCES, "permission denied"), Reason.PORT_TAKEN),
        (socket.gaierror(socket.EAI_NONAME, "not known"), Reason.PORT_TAKEN),
    ],
)
def test_a_known_error_is_told(error: BaseException, reason: Reason) -> None:
    told = cannot_start(error)
    assert told is not None
    assert told.reason is reason
    assert told.what
    assert told.fix


@pytest.mark.parametrize("error", [ValueError("a fault"), ExceptionGroup("tasks", [KeyError()]), OSError()])
def test_a_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    assert cannot_start(error) is None
