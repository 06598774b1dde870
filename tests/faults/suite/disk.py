"""A disk that can be full: a small tmpfs where we may mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 256 * 1024 * 1024
FILLER = "filler"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a disk of its own, or, without the right to mount, on whatever disk it is."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        if mounted:
            _run("umount", "--lazy", str(folder))


def is_small(folder: Path) -> bool:
    return os.path.ismount(folder)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte is left on the small disk while the block lasts."""
    assert is_small(folder), "this would fill a disk that is not ours"
    filler = folder / FILLER
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0")
        yield
    finally:
        filler.unlink()


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
