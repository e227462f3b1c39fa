"""Coroutines that wait for the same kind of work hand it over together: one order for each turn of the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import compress
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Waiter(NamedTuple, Generic[T, R]):
    item: T
    outcome: "asyncio.Future[R]"


class Gathered(Generic[T, R]):
    """Gathers the items that coroutines submit during one turn of their event loop, and submits them in one call."""

    def __init__(self, submit: Callable[[Sequence[T]], "Future[Sequence[R]]"]) -> None:
        """submit: returns at once; the future has the items' outcomes, in their order. Runs in the event loop."""
        self._submit = submit
        self._waiters: list[_Waiter[T, R]] = []

    def submit(self, item: T) -> "asyncio.Future[R]":
        """The item's outcome; raises what the common future raises. Call it in an event loop, always the same one."""
        loop = asyncio.get_running_loop()
        if not self._waiters:
            loop.call_soon(self._hand_over, loop)
        waiter: _Waiter[T, R] = _Waiter(item, loop.create_future())
        self._waiters.append(waiter)
        return waiter.outcome

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        waiters, self._waiters = self._waiters, []
        try:
            outcomes = self._submit([waiter.item for waiter in waiters])
        except Exception as error:  # noqa: BLE001 - each of those who wait is told
            outcomes = Future()
            outcomes.set_exception(error)
        outcomes.add_done_callback(lambda done: loop.call_soon_threadsafe(_tell, waiters, done))


def _tell(waiters: Sequence[_Waiter[T, R]], done: "Future[Sequence[R]]") -> None:
    waiting = [not waiter.outcome.done() for waiter in waiters]  # else cancelled
    error = done.exception()
    if error is not None:
        for waiter in compress(waiters, waiting):
            waiter.outcome.set_exception(error)
        return
    for waiter, outcome in compress(zip(waiters, done.result(), strict=True), waiting):
        waiter.outcome.set_result(outcome)
