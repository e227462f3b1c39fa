"""Delayed answers: until a change, at most for their time, and never so many that no thread is left."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vault_service.http import waiting
from vault_service.http.waiting import Waiters


def test_a_change_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look is the answer."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    looks = iter(["pending", "pending", "active", "never seen"])
    assert Waiters(1).wait(lambda: next(looks), lambda seen: seen == "active", 60) == "active"
    assert next(looks) == "never seen"


def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's, and ours."""
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0.05)
    assert Waiters(1).wait(lambda: "pending", lambda _: False, 0) == "pending"
    assert Waiters(1).wait(lambda: "pending", lambda _: False, 3600) == "pending"


def test_those_for_whom_there_is_no_place_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a place is free again afterwards, also after an error."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)
    waiters, is_waiting, may_end = Waiters(1), threading.Event(), threading.Event()

    def look() -> str:
        if looked.is_set():
            is_waiting.set()
        looked.set()
        return "active" if may_end.is_set() else "pending"

    looked = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(waiters.wait, look, lambda seen: seen == "active", 20)
        assert is_waiting.wait(20)
        assert waiters.wait(lambda: "pending", lambda _: False, 20) == "pending"
        assert not first.done()
        may_end.set()
        assert first.result(20) == "active"
    failing = iter(["pending"])
    with pytest.raises(StopIteration):
        waiters.wait(lambda: next(failing), lambda _: False, 20)
    again = iter(["pending", "active"])
    assert waiters.wait(lambda: next(again), lambda seen: seen == "active", 20) == "active"
