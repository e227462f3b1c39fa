"""The breaker: a provider in trouble is paused, and one caller probes it afterwards."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from replica import ALICE
from scripted_provider import ScriptedProvider

from vault_service.application.breaker import Breaker
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    LateError,
    NotSentError,
    ProviderError,
    RefusedForNowError,
    ScopeRefusedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure, RefreshToken

TOKEN = RefreshToken("refresh-0")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The breaker's clock."""
    return Clock()


@pytest.fixture
def inner() -> ScriptedProvider:
    """The provider behind the breaker; it allows any reuse."""
    return ScriptedProvider(ALICE, max_reuse=1000)


@pytest.fixture
def breaker(inner: ScriptedProvider, clock: Clock) -> Breaker:
    """The breaker under test."""
    return Breaker(inner, lambda _: None, clock)


def refresh(breaker: Breaker, token: RefreshToken = TOKEN) -> str:
    """One refresh."""
    return breaker.refresh(token, None, 0.0).access_token


@pytest.mark.parametrize("error", [NotSentError("busy", 7.0), VaultClientRefusedError("invalid_client", 7.0)])
def test_a_provider_is_paused_for_as_long_as_it_says(
    breaker: Breaker, inner: ScriptedProvider, clock: Clock, error: ProviderError
) -> None:
    """No refresh reaches it during the pause; afterwards it is used as before."""
    inner.script.append(error)
    with pytest.raises(NotSentError):
        refresh(breaker)
    clock.now += 3
    for _ in range(5):
        with pytest.raises(NotSentError) as paused:
            refresh(breaker)
        assert paused.value.retry_after == 4.0
    assert inner.refreshes == 0
    clock.now += 4.1
    assert refresh(breaker)
    assert refresh(breaker)


def test_a_request_that_would_leave_late_causes_no_pause(breaker: Breaker, inner: ScriptedProvider) -> None:
    """This process was frozen, not the provider: it is not paused."""
    inner.script.append(LateError("it would have left too late"))
    with pytest.raises(LateError):
        refresh(breaker)
    assert breaker.paused_for() == 0
    assert refresh(breaker)


def test_three_uncertain_outcomes_of_several_grants_pause_it(
    breaker: Breaker, inner: ScriptedProvider, clock: Clock
) -> None:
    """Two do not; a success in between resets the count."""
    for _ in range(2):
        inner.script.append(UncertainError("timeout"))
        with pytest.raises(UncertainError):
            refresh(breaker)
    assert refresh(breaker)
    inner.script.extend([UncertainError("timeout")] * 3)
    for number in range(3):
        with pytest.raises(UncertainError):
            refresh(breaker, RefreshToken(f"of grant {number}"))
    with pytest.raises(NotSentError):
        refresh(breaker)
    clock.now += 5.1
    inner.script.append(UncertainError("still"))
    with pytest.raises(UncertainError):
        refresh(breaker)
    with pytest.raises(NotSentError):
        refresh(breaker)


@pytest.mark.parametrize("error", [UncertainError("timeout"), BusyError("429", 60.0)])
def test_one_grants_trouble_pauses_nobody_else(breaker: Breaker, inner: ScriptedProvider, error: ProviderError) -> None:
    """However often it comes: only another grant's word makes it the server's trouble."""
    inner.script.extend([error] * 10)
    for _ in range(10):
        with pytest.raises(type(error)):
            refresh(breaker)
    assert breaker.paused_for() == 0
    inner.script.extend([error] * 3)
    for number in range(3):
        with pytest.raises(ProviderError):
            refresh(breaker, RefreshToken(f"of grant {number}"))
    assert breaker.paused_for() > 0


@pytest.mark.parametrize(("is_refused", "kind"), [(False, RefusedForNowError), (None, BusyError)])
def test_a_client_that_is_refused_for_one_grant_only_is_the_grants_trouble(
    breaker: Breaker, inner: ScriptedProvider, is_refused: bool | None, kind: type[ProviderError]
) -> None:
    """The client is probed with a token that cannot exist."""
    inner.is_client_refused = is_refused
    inner.script.append(VaultClientRefusedError("unauthorized_client", 30.0))
    with pytest.raises(kind):
        refresh(breaker)
    assert breaker.paused_for() == 0


@pytest.mark.parametrize("error", [GrantRefusedError(Failure.TOKEN_REVOKED), ScopeRefusedError()])
def test_refusals_are_healthy_answers(breaker: Breaker, inner: ScriptedProvider, error: ProviderError) -> None:
    """Any number of them causes no pause."""
    inner.script.extend([error] * 10)
    for _ in range(10):
        with pytest.raises(type(error)):
            refresh(breaker)
    assert refresh(breaker)


def test_after_a_pause_one_caller_probes(breaker: Breaker, inner: ScriptedProvider, clock: Clock) -> None:
    """The others are told to retry; the outcome of the probe decides for all."""
    inner.script.append(NotSentError("busy", 5.0))
    with pytest.raises(NotSentError):
        refresh(breaker)
    clock.now += 5.1
    probing, verdict = threading.Event(), threading.Event()

    def slow() -> None:
        probing.set()
        verdict.wait()

    inner.script.append(slow)
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(refresh, breaker)
        probing.wait()
        for _ in range(3):
            with pytest.raises(NotSentError) as told:
                refresh(breaker)
            assert told.value.retry_after == 1.0
        verdict.set()
        assert probe.result()
    assert refresh(breaker)


@pytest.mark.parametrize(
    "act",
    [lambda breaker: breaker.redeem("code", "v", "n"), lambda breaker: breaker.revoke(TOKEN)],
    ids=["redeem", "revoke"],
)
def test_codes_and_revocations_are_sent_during_a_pause(
    breaker: Breaker, inner: ScriptedProvider, act: Callable[[Breaker], object]
) -> None:
    """Codes and revocations are sent during a pause."""
    inner.script.append(NotSentError("busy", 5.0))
    with pytest.raises(NotSentError):
        refresh(breaker)
    act(breaker)
