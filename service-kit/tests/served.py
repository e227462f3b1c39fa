"""A small application behind gunicorn with the services' settings."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 30
"""For whatever a test waits for."""


@dataclass(frozen=True)
class Service:
    """A running service. folder: its working directory, where its log is `log`; process: gunicorn's master."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def exchange(self, data: bytes) -> bytes:
        """All that comes back for these bytes until the service hangs up."""
        with self.connect() as connection:
            connection.sendall(data)
            return received(connection)


def received(connection: socket.socket) -> bytes:
    """All that comes until the service hangs up."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def served(folder: Path, application: str, workers: int) -> Iterator[Service]:
    """`application`, a module with an `app`, in so many processes of two threads each."""
    (folder / "service").mkdir()
    (folder / "service" / "wsgi.py").write_text(application)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:service_kit.server.gunicorn_config", "service.wsgi:app"]
    environ = {**os.environ, "BIND": f"127.0.0.1:{port}", "WEB_WORKERS": str(workers), "WEB_THREADS": "2"}
    with (
        (folder / "log").open("wb") as written,
        subprocess.Popen(command, cwd=folder, env=environ, stderr=written) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, (folder / "log").read_text()
            yield Service(folder, port, process)
        finally:
            process.terminate()


def listens(port: int) -> bool:
    """True when the port accepts connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is true, SECONDS at most."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)
