"""A small application behind gunicorn with our settings."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Service:
    """Its log is `log` in its folder."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"


@contextmanager
def served(folder: Path, application: str, workers: int) -> Iterator[Service]:
    """`application`, a module with an `app`, in so many processes of two threads each, until they are ended."""
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
            deadline = time.monotonic() + 30
            while not listens(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield Service(folder, port, process)
        finally:
            process.terminate()


def listens(port: int) -> bool:
    """Whether somebody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
