"""Coroutines that wait for the same kind of work: one order for those that come in one turn of the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from service_kit.server.gathered import Gathered


class Doubles:
    """Doubles numbers in another thread, when it is let."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []
        self.futures: list[Future[Sequence[int]]] = []

    def submit(self, items: Sequence[int]) -> "Future[Sequence[int]]":
        """As `Gathered` wants it."""
        self.orders.append(list(items))
        self.futures.append(Future())
        return self.futures[-1]

    def go(self, order: int) -> None:
        """Do that order, in another thread."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self.futures[order].set_result, [2 * item for item in self.orders[order]]).result()


def test_one_order_for_each_turn() -> None:
    """Each waiter gets its own outcome."""
    work = Doubles()

    async def run() -> list[int]:
        gathered = Gathered(work.submit)
        first = [gathered.submit(number) for number in range(3)]
        await asyncio.sleep(0)
        second = [gathered.submit(number) for number in range(3, 5)]
        await asyncio.sleep(0)
        work.go(1)
        assert await asyncio.gather(*second) == [6, 8]
        assert not any(each.done() for each in first)
        work.go(0)
        return await asyncio.gather(*first)

    assert asyncio.run(run()) == [0, 2, 4]
    assert work.orders == [[0, 1, 2], [3, 4]]


def test_an_error_is_that_of_all_in_the_order() -> None:
    """The rule holds for failed work, and for work that could not be submitted."""
    work = Doubles()

    def refuse(_: Sequence[int]) -> "Future[Sequence[int]]":
        raise ValueError

    async def run(gathered: Gathered[int, int]) -> list[object]:
        waiting = [gathered.submit(number) for number in range(2)]
        await asyncio.sleep(0)
        for future in work.futures:
            future.set_exception(KeyError())
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    assert [type(each) for each in asyncio.run(run(Gathered(work.submit)))] == [KeyError] * 2
    work.futures.clear()
    assert [type(each) for each in asyncio.run(run(Gathered(refuse)))] == [ValueError] * 2


def test_a_waiter_that_was_cancelled_spoils_no_other() -> None:
    """The work is done all the same."""
    work = Doubles()

    async def run() -> int:
        gathered = Gathered(work.submit)
        gone, other = gathered.submit(1), gathered.submit(2)
        await asyncio.sleep(0)
        gone.cancel()
        work.go(0)
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await other

    assert asyncio.run(run()) == 4
