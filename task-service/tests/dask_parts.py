"""A real Dask cluster on loopback: a scheduler and two workers, each a process of its own without secrets."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class DaskCluster:
    """address: of the scheduler; workers: their processes."""

    address: str
    workers: list["subprocess.Popen[bytes]"]

    def kill_workers(self) -> None:
        """All of them at once."""
        for worker in self.workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait(30)

    def memory(self) -> bytes:
        """The memory of the workers and of their children, with their environments."""
        pids = [pid for worker in self.workers for pid in with_children(worker.pid)]
        return b"".join(writable(pid) for pid in pids)


def with_children(pid: int) -> list[int]:
    """A process and all below it."""
    below: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            below += with_children(int(child))
    return [pid, *below]


def writable(pid: int) -> bytes:
    """The writable memory of a process: its heap, stacks and environment."""
    found = []
    with suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *_ = line.split()
            first, last = (int(address, 16) for address in area.split("-"))
            with suppress(OSError, ValueError):
                if rights.startswith("rw"):
                    memory.seek(first)
                    found.append(memory.read(last - first))
    return b"".join(found)


@contextmanager
def dask_cluster() -> Iterator[DaskCluster]:
    """Runs while the block does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        processes: list[subprocess.Popen[bytes]] = []

        def start(*command: str) -> "subprocess.Popen[bytes]":
            environ = {"PATH": os.environ["PATH"], "HOME": folder}
            with Path(folder, "log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command], cwd=folder, env=environ, stdout=log, stderr=log
                )
            processes.append(process)
            return process

        try:
            start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
            address = f"tcp://127.0.0.1:{port}"
            reachable(port)
            options = ("--host", "127.0.0.1", "--nthreads", "2", "--no-nanny", "--no-dashboard")
            workers = [
                start("distributed.cli.dask_worker", address, *options, "--local-directory", f"{folder}/{number}")
                for number in (1, 2)
            ]
            yield DaskCluster(address, workers)
        finally:
            for process in reversed(processes):
                process.kill()  # nothing of it is kept, and a worker that is told to stop waits for what runs
                process.wait(30)


def reachable(port: int) -> None:
    """Wait until the port accepts connections."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError("the Dask scheduler does not listen")
