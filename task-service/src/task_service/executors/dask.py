"""`dask`: attempts on the workers of an existing Dask cluster (extra `dask`), where the package is installed too.

On its Dask worker an attempt runs in the same program as everywhere: the Dask task starts it, and passes its lines on
as events of a topic. Dask does not interrupt running tasks. The task therefore checks whether it is still wanted: its
future can be cancelled, the client that submitted it can have ended, and the Dask worker can shut down.
"""

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import msgspec

from task_service.application.errors import HandlerError, LostError
from task_service.executors.child import PROGRAM, Child
from task_service.executors.order import Order

CONNECT_SECONDS = 10
LOOK_SECONDS = 0.1
ALIVE_SECONDS = 1.0
"""How often the scheduler is asked whether the Dask worker of an attempt is there."""
GONE = "The Dask worker that ran this attempt is gone."
UNREACHABLE = "The Dask scheduler does not answer."


class DaskExecutor:
    """`executors.base.Executor`. One connection serves all attempts; it is opened when it is first needed."""

    def __init__(self, address: str, command: Sequence[str] = PROGRAM) -> None:
        """address: of the scheduler; command: starts the program on a Dask worker. Raises ValueError."""
        try:
            import distributed  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise ValueError("`dask` needs the extra: pip install 'task-service[dask]'") from None
        self._address = address
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._client: Any = None

    def start(self, order: Order) -> "DaskRunning":
        """Submit it. `pure=False`: two attempts are never one."""
        client = self._connected()
        topic = f"task-{order.task_id}-{order.fence}-{uuid4()}"
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            client.subscribe_topic(topic, lambda event: events.put(event[1]))
            content = msgspec.json.encode(order)
            future = client.submit(run_on_worker, content, self._command, topic, key=topic, pure=False, retries=0)
        except Exception:  # noqa: BLE001 - whatever its libraries raise
            raise HandlerError(UNREACHABLE, can_pass=True) from None
        return DaskRunning(client, future, topic, events)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Any:
        import distributed  # noqa: PLC0415 - an extra

        client: Any = distributed.Client

        with self._lock:
            if self._client is not None and self._client.status == "running":
                return self._client
            try:
                self._client = client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError):
                raise HandlerError(UNREACHABLE, can_pass=True) from None
            return self._client


class DaskRunning:
    """`executors.base.Running`."""

    def __init__(self, client: Any, future: Any, topic: str, events: "queue.SimpleQueue[Any]") -> None:
        """events: of the topic. A list is the address of the Dask worker that has begun, bytes are a line."""
        self._client = client
        self._future = future
        self._topic = topic
        self._events = events
        self._address: str | None = None
        self._look_at = time.monotonic() + ALIVE_SECONDS

    def take(self, seconds: float) -> Sequence[bytes]:
        """New lines."""
        lines: list[bytes] = []
        with suppress(queue.Empty):
            event = self._events.get(timeout=seconds)
            while True:
                if isinstance(event, bytes):
                    lines.append(event)
                else:
                    self._begin(event[0])
                event = self._events.get_nowait()
        if not lines:
            self._demand_alive()
        return lines

    def stop(self) -> None:
        """Forget the task, upon which the other side ends it."""
        with suppress(Exception):  # the scheduler is gone; so is the client that kept the task wanted
            self._future.cancel(reason="stopped", msg="The attempt has ended.")
            self._client.unsubscribe_topic(self._topic)

    def _begin(self, address: str) -> None:
        """A second begin is Dask's own repetition after the death of a worker: the service makes attempts itself."""
        if self._address is not None:
            raise LostError(GONE)
        self._address = address

    def _demand_alive(self) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + ALIVE_SECONDS
        try:
            is_there = self._address is None or bool(self._client.nthreads(workers=[self._address]))
        except Exception:  # noqa: BLE001 - whatever its libraries raise
            raise LostError(UNREACHABLE) from None
        if self._future.status == "error" and type(self._future.exception()).__name__ != "KilledWorker":
            words = type(self._future.exception()).__name__
            raise HandlerError(f"The Dask worker cannot run this task ({words}).")
        if (not is_there or self._future.status != "pending") and self._events.empty():
            raise LostError(GONE)


def run_on_worker(order: bytes, command: Sequence[str], topic: str) -> None:
    """Run the program of the attempt on a Dask worker, until it ends or is not wanted any more."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    worker.log_event(topic, [worker.address])
    child = Child(msgspec.json.decode(order, type=Order), command)
    try:
        while _is_wanted(worker, topic):
            for line in child.take(LOOK_SECONDS):
                worker.log_event(topic, line)
    except LostError as lost:
        worker.log_event(topic, str(lost).encode())
    finally:
        child.stop()


def _is_wanted(worker: Any, key: str) -> bool:
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status.name not in {"closing", "closed", "failed"}
