"""gunicorn's settings for both services: `gunicorn -c python:service_kit.server.gunicorn_config …`.

Threads share connection pools and single flights, so a few processes with several threads each. The access log is the
application's own. On SIGTERM running requests get `graceful_timeout` seconds, longer than any refresh takes. With
METRICS_BIND a process beside the workers answers there with the metrics of them all.
"""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from service_kit.process import metrics

if TYPE_CHECKING:
    import subprocess

    from gunicorn.arbiter import Arbiter

    from service_kit.server.gunicorn_worker import Worker

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "service_kit.server.gunicorn_worker.Worker"
graceful_timeout = 30
timeout = 60
keepalive = 75
accesslog = None
errorlog = "-"
loglevel = "warning"
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn's heartbeat, off the disk
control_socket_disable = True

_METRICS_BIND = os.environ.get("METRICS_BIND", "")
_exporters: "list[subprocess.Popen[bytes]]" = []

if _METRICS_BIND:
    metrics.prepare_folder()


def on_starting(server: "Arbiter") -> None:
    """gunicorn: nothing is open yet. A service with a `preflight` module says here when it cannot work."""
    package, _, _ = server.app.app_uri.partition(":")[0].rpartition(".")
    if package and importlib.util.find_spec(f"{package}.preflight"):
        importlib.import_module(f"{package}.preflight").check()


def when_ready(_: "Arbiter") -> None:
    """gunicorn: the socket is open, no worker has been started yet."""
    if _METRICS_BIND:
        _exporters.append(metrics.start_exporter(_METRICS_BIND))


def post_worker_init(worker: "Worker") -> None:
    """gunicorn: the process has loaded its application."""
    worker.prepare(threads)


def child_exit(_: "Arbiter", worker: "Worker") -> None:
    """gunicorn: a worker has ended."""
    worker.leave()
    if _METRICS_BIND:
        metrics.forget(worker.pid)


def on_exit(_: "Arbiter") -> None:
    """gunicorn: the workers are gone, and so is the need for their numbers."""
    for exporter in _exporters:
        exporter.terminate()
        exporter.wait()
    if _METRICS_BIND:
        shutil.rmtree(os.environ[metrics.FOLDER], ignore_errors=True)
