"""Submits one Slurm job and passes its lines on: `python -I -m task_service.executors.slurm_agent ARGUMENTS`.

The agent gets the order on its standard input, like the program of an attempt. It ends at SIGTERM, and at the end of
its input, which means that the worker has ended.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from task_service.executors.slurm import BEAT_SECONDS, EVENTS, LAST, LOOK_SECONDS, WANTED, Beats, run_in_job

DONE_SECONDS = 5.0
"""How often Slurm is asked whether the job has ended without a last line."""


def main() -> int:
    """Submit, and follow to the end; 0 when the job has written its last line."""
    order = sys.stdin.buffer.readline()
    arguments = json.loads(sys.argv[1])
    folder = Path(arguments["folder"])
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    threading.Thread(target=_stop_at_the_end_of_the_input, args=(stopping,), daemon=True).start()
    (folder / WANTED).touch()
    try:
        job = _submit(folder, arguments, order)
        try:
            return 0 if _follow(job, folder, stopping) else 1
        finally:
            (folder / WANTED).unlink(missing_ok=True)
            with contextlib.suppress(Exception):  # the job ends by itself, since it is not wanted
                job.cancel(check=False)
    except Exception as error:  # noqa: BLE001 - the worker sees it as the end of this program
        sys.stdout.write(f"Slurm: {type(error).__name__}: {error}\n")
        return 1


def _submit(folder: Path, arguments: dict[str, Any], order: bytes) -> Any:
    import submitit  # noqa: PLC0415 - an extra

    library: Any = submitit
    executor = library.AutoExecutor(folder=folder / "submitit", cluster=arguments["cluster"])
    executor.update_parameters(**arguments["options"])
    job = executor.submit(run_in_job, str(folder), order, tuple(arguments["command"]))
    sys.stdout.write(f"Slurm job {job.job_id}\n")
    sys.stdout.flush()
    return job


def _follow(job: Any, folder: Path, stopping: threading.Event) -> bool:
    """Pass lines on until the last one. False: there will be none."""
    beats = Beats(folder / EVENTS)
    events, look_at, beat_at = None, time.monotonic() + DONE_SECONDS, time.monotonic()
    rest = b""
    while not stopping.is_set():
        if time.monotonic() >= beat_at:
            (folder / WANTED).touch()
            beat_at = time.monotonic() + BEAT_SECONDS
        if events is None and (folder / EVENTS).exists():
            events = (folder / EVENTS).open("rb", buffering=0)
        read = events.read(1 << 20) if events is not None else None
        if read:
            *lines, rest = (rest + read).split(b"\n")
            last = next((line for line in lines if line.startswith(LAST)), None)
            sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines if line and line != last))
            sys.stdout.buffer.flush()
            if last is not None:
                return True
            continue
        if events is not None and not beats.go_on():
            return False
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + DONE_SECONDS
            if job.done() and not (events is None and (folder / EVENTS).exists()):
                return False
        stopping.wait(LOOK_SECONDS)
    return False


def _stop_at_the_end_of_the_input(stopping: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stopping.set()


if __name__ == "__main__":
    sys.exit(main())
