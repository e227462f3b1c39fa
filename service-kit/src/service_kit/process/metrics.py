"""Metrics for Prometheus, on an address of their own (`METRICS_BIND`) that the gateway never routes.

gunicorn's processes write their numbers to files in one folder (prometheus_client's multiprocess mode); a process
beside them adds these up and answers. It lives as long as the process that started it, however that one ends: it reads
from a pipe that nobody writes to, and goes when the pipe closes.
"""

import os
import signal
import subprocess
import sys
import tempfile

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads this when it is first imported; so it is set before."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""Bounds for what takes time here, from a cached token to the longest answer of an authorization server."""


def prepare_folder() -> None:
    """Make the folder that this process and its children write to. Nothing of prometheus_client is imported yet."""
    os.environ.setdefault(FOLDER, tempfile.mkdtemp(prefix="metrics-"))


def start_exporter(bind: str) -> "subprocess.Popen[bytes]":
    """Start the process that answers at `host:port`."""
    return subprocess.Popen([sys.executable, "-m", __name__, bind], stdin=subprocess.PIPE)


def forget(pid: int) -> None:
    """A process has ended: its gauges go, what it has counted stays."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - not before `prepare_folder`

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def serve(bind: str) -> None:
    """Answer at `host:port` in a thread of this process. Raises OSError when the port is taken."""
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    registry = REGISTRY
    if FOLDER in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    host, _, port = bind.rpartition(":")
    start_http_server(int(port), host.strip("[]"), registry)


def main() -> int:
    """The exporter's process; the exit status."""
    bind = sys.argv[1]
    try:
        serve(bind)
    except OSError as error:
        sys.stderr.write(f"METRICS_BIND: {bind}: {error.strerror}\n")
        return 1
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and the parent's end this
    sys.exit(main())
