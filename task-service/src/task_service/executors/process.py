"""`process`: each attempt in a program of its own on the worker's machine, which sees no files but those it needs."""

from collections.abc import Sequence

from task_service.executors.child import PROGRAM, Child
from task_service.executors.order import Order


class ProcessExecutor:
    """`executors.base.Executor`."""

    def __init__(self, command: Sequence[str] = PROGRAM) -> None:
        """command: starts the program."""
        self._command = command

    def start(self, order: Order) -> Child:
        """Start the program."""
        return Child(order, self._command)
