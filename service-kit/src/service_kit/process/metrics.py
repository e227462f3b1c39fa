"""Metrics for Prometheus, on their own address (`METRICS_BIND`), which the gateway never routes.

gunicorn's processes write their numbers to files in one folder (prometheus_client's multiprocess mode). An exporter
process adds them up and answers. It reads from a pipe without a writer and ends when the pipe closes. It therefore ends
with the process that started it, even if that process is killed.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads this variable at its first import, so it must be set before."""

_PREFIX = "metrics-"
_LOCK = "lock"

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""Histogram buckets, from the duration of a cached token to that of an authorization server's slowest answer."""


def prepare_folder() -> None:
    """Create the folder that this process and its children write to. Call it before prometheus_client is imported.

    The folder is locked while one of them lives. Folders of processes that were killed are removed.
    """
    if FOLDER in os.environ:
        return
    for abandoned in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        _remove_if_abandoned(abandoned)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    draft = folder / f"{_LOCK}.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)  # stays open: forked processes keep it, programs do not
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(folder / _LOCK)
    os.environ[FOLDER] = str(folder)


def _remove_if_abandoned(path: Path) -> None:
    with suppress(OSError):  # another user's, in use, or just removed
        lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_uid == os.geteuid():
                shutil.rmtree(path.parent)
        finally:
            os.close(lock)


def start_exporter(bind: str) -> "subprocess.Popen[bytes]":
    """Start the exporter process at `host:port`."""
    return subprocess.Popen([sys.executable, "-m", __name__, bind], stdin=subprocess.PIPE)


def forget(pid: int) -> None:
    """Remove the gauges of a process that has ended; its counters stay."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - not before `prepare_folder`

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def serve(bind: str) -> None:
    """Answer at `host:port` in a thread of this process. Raises OSError if the port is in use."""
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry = REGISTRY
    if FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    host, _, port = bind.rpartition(":")
    start_http_server(int(port), host.strip("[]"), registry)


def main() -> int:
    """Run the exporter process; returns the exit status."""
    bind = sys.argv[1]
    try:
        serve(bind)
    except OSError as error:
        sys.stderr.write(f"METRICS_BIND: {bind}: {error.strerror}\n")
        return 1
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and the end of the parent ends this process
    sys.exit(main())
