"""A lock on a file of this machine: the kernel frees it when the process that has it ends, however that ends."""

import fcntl
import os

from bridge.storage.database import DatabaseUnavailable


class FileLock:
    """The file stays when the lock is released: whoever deleted it could delete another's."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    async def acquire(self) -> bool:
        await self.release()
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DatabaseUnavailable(
                f"{self._path}: {error.strerror}. It must be writable for us"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return await self.is_held()

    async def is_held(self) -> bool:
        """False, too, where somebody has deleted the file: another process may then lock a new one."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except FileNotFoundError:
            return False

    async def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
