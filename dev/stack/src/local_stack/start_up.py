"""Starts the parts of a stack, each as soon as the parts it needs are ready, and shows which are ready."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from local_stack.process import Part, Processes
from local_stack.progress import ProgressLine, duration

POLL_SECONDS = 0.05


class StartUp:
    """One start: parts without a schema start at once, services when PostgreSQL is ready and has its schemas."""

    def __init__(self, processes: Processes, line: ProgressLine) -> None:
        """line: where progress is shown."""
        self._processes = processes
        self._line = line
        self._began = time.monotonic()
        self._started: dict[str, float] = {}
        self._waiting: dict[str, Part] = {}

    def run(
        self, *, running: Sequence[Part], first: Sequence[Part], services: Sequence[Part], schemas: Callable[[], None]
    ) -> None:
        """Return when all parts are ready; `schemas` is called once, if there are services to start.

        running: parts that are alive already and are only waited for. PostgreSQL is among `running` or `first`.
        Raises StackError that names the part which died or was too slow, or what `schemas` raises.
        """
        self._waiting = {part.name: part for part in running}
        for part in first:
            self._start(part)
        made: Future[None] | None = None
        to_start = list(services)
        with ThreadPoolExecutor(max_workers=1) as pool:
            while self._waiting or to_start:
                self._take_ready()
                if to_start and made is None and "postgres" not in self._waiting:
                    self._started["schemas"] = time.monotonic()
                    made = pool.submit(schemas)
                if to_start and made is not None and made.done():
                    made.result()
                    self._tell_ready("schemas")
                    for part in to_start:
                        self._start(part)
                    to_start = []
                self._show([*self._waiting, *(["schemas"] if made is not None and to_start else [])])
                time.sleep(POLL_SECONDS)
        self._line.clear()

    def _start(self, part: Part) -> None:
        self._started[part.name] = time.monotonic()
        self._processes.start(part)
        self._waiting[part.name] = part

    def _take_ready(self) -> None:
        for name, part in list(self._waiting.items()):
            if self._processes.is_ready(part, since=self._started.get(name, self._began)):
                del self._waiting[name]
                if name in self._started:
                    self._tell_ready(name)

    def _tell_ready(self, name: str) -> None:
        self._line.keep(f"  ✓ {name:<24}{duration(time.monotonic() - self._started[name]):>8}")

    def _show(self, names: Sequence[str]) -> None:
        if names:
            self._line.show(f"  … starting {', '.join(names)} · {duration(time.monotonic() - self._began)}")
