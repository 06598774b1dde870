"""The database: there, of this release, writable, and sealed with our key. Migrates nothing."""

import os

from bridge.core.checkup import Suspicious
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import Database, DatabaseError, DatabaseUnavailable, connect, sqlite_path
from bridge.storage.migrate import APPLIED, SHIPPED, read
from bridge.storage.probe import check_writable
from bridge.storage.rewrap import Rewrapping
from bridge.storage.sealing import CannotOpen, Sealer

NOT_YET = "there is none yet"
FIRST_RUN = "Nothing: the first `festimo run` makes it."
LATER_RUN = "Nothing: the next `festimo run` brings it up to date. Back it up before."


async def opened(url: str) -> Database:
    """Raise `Suspicious` where there is none yet: looking must not make one."""
    if _is_yet_to_be_made(url):
        raise Suspicious(NOT_YET, FIRST_RUN, blocks=True)
    try:
        return await connect(url)
    except DatabaseError as error:
        raise _unusable(error) from error


async def check_database(database: Database) -> str:
    """Its version, and that it takes writes."""
    ours = max(migration.version for migration in read(SHIPPED))
    try:
        theirs = await _version(database)
    except DatabaseError as error:
        raise _unusable(error) from error
    if theirs is None:
        raise Suspicious("it is empty", FIRST_RUN, blocks=True)
    if theirs > ours:
        raise CannotStart(
            Reason.DATABASE_TOO_NEW,
            f"It is at version {theirs}, this release knows versions up to {ours}.",
            "Run the newer release, or restore a backup of before the upgrade.",
        )
    if theirs < ours:
        raise Suspicious(f"it is at version {theirs}, this release's is {ours}", LATER_RUN, blocks=True)
    try:
        await check_writable(database)
    except DatabaseError as error:
        raise _unusable(error) from error
    return f"version {theirs}, takes writes"


async def check_master_key(database: Database, sealer: Sealer) -> str:
    try:
        await sealer.check(database)
    except CannotOpen:
        raise CannotStart(
            Reason.MASTER_KEY_CHANGED,
            "The database was sealed with another `storage.master_key` than the one in the configuration.",
            "Put the former key back or, to change it, name it as `storage.former_master_key`. Without it, what is"
            " stored cannot be read by anybody.",
        ) from None
    if not sealer.master.is_changing:
        return "opens what is stored"
    if await Rewrapping(database, sealer).is_done():
        raise Suspicious(
            "opens what is stored, all by itself",
            "Remove `storage.former_master_key` from the configuration: nothing needs it any more.",
        )
    raise Suspicious(
        "opens what is stored together with `storage.former_master_key`",
        "Have the bridge run, or stop it and run `festimo rotate-master-key`; then remove the former key.",
    )


def _is_yet_to_be_made(url: str) -> bool:
    path = sqlite_path(url)
    return path is not None and not os.path.exists(path) and os.path.isdir(os.path.dirname(path) or ".")


async def _version(database: Database) -> int | None:
    try:
        rows = await database.fetch(APPLIED)
    except DatabaseUnavailable:
        raise
    except Exception:  # the driver's own error: there is no such table
        return None
    return max((row["version"] for row in rows), default=None)


def _unusable(error: DatabaseError) -> CannotStart:
    return CannotStart(
        Reason.DATABASE_UNUSABLE,
        str(error),
        "Check `database.url`, that the server runs or the file's folder exists, who may write there, and disk space.",
    )
