"""Why the bridge cannot start, or go on: each reason with what happened, what to do, and an exit code of its own."""

import enum


class Reason(enum.IntEnum):
    """The value is the exit code; docs/start.md explains each."""

    CONFIG_INVALID = 10
    DATABASE_UNUSABLE = 11
    DATABASE_TOO_NEW = 12
    MASTER_KEY_CHANGED = 13
    PORT_TAKEN = 14
    HOMESERVER_UNREACHABLE = 15
    AS_TOKEN_WRONG = 16
    NOT_REGISTERED = 17
    SERVER_NAME_WRONG = 18
    HS_TOKEN_WRONG = 19
    BRIDGE_UNREACHABLE = 20
    REGISTRATION_OLD = 21
    IDENTITY_CHANGED = 22
    CLOCK_OFF = 23
    FILES_EXIST = 24
    OVERTAKEN = 25
    DEVICE_LOST = 26
    KEYS_EXHAUSTED = 27
    ROUND_TRIP_FAILED = 28
    BUS_UNREACHABLE = 29
    PICKLE_KEY_CHANGED = 30
    BACKUP_NOT_OURS = 31
    BACKLOG_HELD_UP = 32


class CannotStart(Exception):
    """`what` happened and why; `fix` says what to do about it."""

    def __init__(self, reason: Reason, what: str, fix: str) -> None:
        super().__init__(f"{what}\n{fix}")
        self.reason = reason
        self.what = what
        self.fix = fix
