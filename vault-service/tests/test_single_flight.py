"""Single flight and bulkhead: outcomes are shared, and a slow server does not take all threads."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from vault_service.application import bulkhead
from vault_service.application.bulkhead import Bulkhead
from vault_service.application.errors import ProviderUnavailableError
from vault_service.application.single_flight import SingleFlight, Tell


class SlowWork:
    """A call that lasts until it is released."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = threading.Event()
        self.release = threading.Event()

    def __call__(self, _tell: Tell[int]) -> int:
        self.calls += 1
        self.started.set()
        self.release.wait()
        return 7


def test_one_call_at_a_time_and_all_get_its_outcome() -> None:
    """The others wait and share its outcome; other keys have their own flights."""
    flights: SingleFlight[int] = SingleFlight()
    work = SlowWork()
    with ThreadPoolExecutor(8) as pool:
        joined = [flights.join("key", work, pool) for _ in range(5)]
        work.started.wait()
        assert flights.is_running("key")
        assert flights.lead("key", work) is None
        assert flights.join("other", lambda _: 8, pool).result() == 8
        work.release.set()
        assert {flight.result() for flight in joined} == {7}
    assert work.calls == 1
    assert not flights.is_running("key")


def test_a_leader_works_on_its_own_thread() -> None:
    """Others may join its flight."""
    flights: SingleFlight[str] = SingleFlight()
    flight = flights.lead("key", lambda _: threading.current_thread().name)
    assert flight is not None
    assert flight.result() == threading.current_thread().name


def test_an_error_is_shared_and_then_forgotten() -> None:
    """The next caller tries again."""
    flights: SingleFlight[int] = SingleFlight()

    def fail(_tell: Tell[int]) -> int:
        raise ValueError("once")

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="once"):
            flights.join("key", fail, pool).result()
        assert flights.join("key", lambda _: 1, pool).result() == 1


def test_an_outcome_is_told_while_there_is_something_left_to_do() -> None:
    """Callers do not wait for the rest, and an error in it does not change the outcome."""
    flights: SingleFlight[int] = SingleFlight()
    rest = threading.Event()

    def work(tell: Tell[int]) -> int:
        tell(7)
        rest.wait()
        raise ValueError("too late")

    with ThreadPoolExecutor(1) as pool:
        assert flights.join("key", work, pool).result(30) == 7
        assert not flights.is_running("key")
        rest.set()
    with pytest.raises(ValueError, match="too late"):
        flights.lead("key", work)


def test_a_caller_after_a_flight_begins_another() -> None:
    """A caller that comes later gets no old outcome."""
    flights: SingleFlight[int] = SingleFlight()
    numbers = iter(range(100))
    with ThreadPoolExecutor(1) as pool:
        assert [flights.join("key", lambda _: next(numbers), pool).result() for _ in range(50)] == list(range(50))


def test_a_process_that_shuts_down_fails_its_flights() -> None:
    """No caller waits without end."""
    flights: SingleFlight[int] = SingleFlight()
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        flights.join("key", lambda _: 1, pool).result()
    assert not flights.is_running("key")


def test_half_of_the_threads_wait_for_a_slow_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told to retry, later callers at once; running calls are finished."""
    monkeypatch.setattr(bulkhead, "PROMPT_SECONDS", 0.01)
    flights: SingleFlight[int] = SingleFlight()
    guard = Bulkhead("slow", threads=4)
    work = SlowWork()
    flight = flights.join("key", work, guard.executor)
    with ThreadPoolExecutor(4) as callers:
        waiting = [callers.submit(guard.wait, flight) for _ in range(4)]
        ended = as_completed(waiting, timeout=30)
        assert [type(next(ended).exception()) for _ in range(2)] == [ProviderUnavailableError] * 2
        with pytest.raises(ProviderUnavailableError):
            guard.admit()
        work.release.set()
        assert sorted(caller.result() for caller in waiting if caller.exception() is None) == [7, 7]
    guard.admit()
    assert work.calls == 1
