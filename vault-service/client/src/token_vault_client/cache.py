"""Access tokens that this process has: kept until shortly before they expire, renewed early, fetched by one caller.

`PROCESS_CACHE` is shared by all clients of a process, blocking and asynchronous. Entries are kept apart by credentials:
no client is given a token that another client's credentials have fetched. Nothing is written anywhere.
"""

import os
import random
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from token_vault_client.errors import VaultError, VaultUnavailable
from token_vault_client.flow import Flow, Join, clock
from token_vault_client.model import FreshAccessToken

LEEWAY_SECONDS = 10.0
FLIGHT_SECONDS = 60.0
"""A follower waits so long for the caller that fetches; then it fetches itself."""
MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token and when it expires, by `flow.clock`; asked_at: when it was asked for.

    longest: True when the authorization server gives none that lives as long as was preferred.
    """

    token: FreshAccessToken
    asked_at: float
    expires_at: float
    longest: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """A caller's demand on a token. refused: a token that an API has refused, or empty.

    min_valid: seconds of life that the token must have left; prefer_valid: that it should have, where that can be had.
    """

    min_valid: float = 0.0
    prefer_valid: float = 0.0
    refused: str = ""


@dataclass(slots=True)
class _Entry:
    fetched: Fetched | None = None
    renew_at: float = 0.0
    flight: "Future[None] | None" = None

    def usable(self, demand: Demand, now: float) -> bool:
        """True while the token may be given to that caller."""
        if self.fetched is None or self.fetched.token.value == demand.refused:
            return False
        left, life = self.fetched.expires_at - now, self.fetched.expires_at - self.fetched.asked_at
        long_enough = left >= demand.min_valid and (left >= demand.prefer_valid or self.fetched.longest)
        return long_enough and left > min(LEEWAY_SECONDS, life / 5)


Fetch = Callable[[bool], Flow[Fetched]]
"""Fetches a token; called with True when the caller has no other, False when it only renews early."""


class TokenCache:
    """Access tokens by key, in memory; safe to share by threads and event loops."""

    def __init__(self, now: Callable[[], float] = clock, chance: Callable[[], float] = random.random) -> None:
        """now: seconds, for durations; chance: 0 to 1, spreads renewals of many processes."""
        self._now = now
        self._chance = chance
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def obtain(self, key: Hashable, fetch: Fetch, demand: Demand = Demand()) -> Flow[FreshAccessToken]:
        """The cached token, or the one that `fetch` brings, for which other callers of the same key wait.

        After two thirds of a token's life one caller renews it. The others keep the old one, and so does that caller
        when the vault is unavailable.
        """
        while True:
            token, flight, leads = self._look(key, demand)
            if flight is None:
                assert token is not None  # noqa: S101 - `_look` gives one or the other
                return token
            if leads:
                return (yield from self._lead(key, flight, fetch, token))
            yield Join(flight, FLIGHT_SECONDS)
            if not flight.done():
                self._give_up(key, flight)
            elif isinstance(error := flight.exception(), VaultUnavailable):
                raise error

    def peek(self, key: Hashable, demand: Demand) -> FreshAccessToken | None:
        """The cached token if it needs no renewal."""
        with self._lock:
            entry, now = self._entries.get(key), self._now()
            fresh = entry is not None and entry.usable(demand, now) and now < entry.renew_at
            return entry.fetched.token if entry is not None and entry.fetched is not None and fresh else None

    def keep(self, key: Hashable, fetched: Fetched) -> None:
        """Remember a token, to be renewed after about two thirds of its life."""
        with self._lock:
            now, entry = self._now(), self._entry(key)
            entry.fetched = fetched
            entry.renew_at = now + (fetched.expires_at - now) * (0.6 + 0.13 * self._chance())

    def forget(self, key: Hashable) -> None:
        """Drop a token."""
        with self._lock:
            self._entry(key).fetched = None

    def clear(self) -> None:
        """Drop all tokens."""
        with self._lock:
            self._entries.clear()

    def reset_after_fork(self) -> None:
        """In the child of a fork: tokens stay, what other threads of the parent were doing does not."""
        self._lock = threading.Lock()
        for entry in self._entries.values():
            entry.flight = None

    def _look(self, key: Hashable, demand: Demand) -> "tuple[FreshAccessToken | None, Future[None] | None, bool]":
        """The usable token if there is one; the fetch to wait for, or to lead when the third is True."""
        with self._lock:
            now, entry = self._now(), self._entry(key)
            usable = entry.fetched.token if entry.fetched is not None and entry.usable(demand, now) else None
            if usable is not None and (now < entry.renew_at or entry.flight is not None):
                return usable, None, False
            if entry.flight is not None:
                return usable, entry.flight, False
            entry.flight = Future()
            return usable, entry.flight, True

    def _lead(
        self, key: Hashable, flight: "Future[None]", fetch: Fetch, usable: FreshAccessToken | None
    ) -> Flow[FreshAccessToken]:
        failure: VaultError | None = None
        try:
            fetched = yield from fetch(usable is None)
        except VaultUnavailable as error:
            failure = error
            if usable is None:
                raise
            self._postpone(key, error.retry_after)
            return usable
        except VaultError as error:
            failure = error
            self.forget(key)
            raise
        else:
            self.keep(key, fetched)
            return fetched.token
        finally:  # also when the caller was cancelled: then a follower fetches
            self._land(key, flight, failure)

    def _land(self, key: Hashable, flight: "Future[None]", failure: VaultError | None) -> None:
        self._give_up(key, flight)
        if failure is None:
            flight.set_result(None)
        else:
            flight.set_exception(failure)

    def _give_up(self, key: Hashable, flight: "Future[None]") -> None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.flight is flight:
                entry.flight = None

    def _postpone(self, key: Hashable, seconds: float) -> None:
        with self._lock:
            self._entry(key).renew_at = self._now() + max(seconds, 1.0)

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= MAX_ENTRIES:
                self._sweep()
            entry = self._entries[key] = _Entry()
        return entry

    def _sweep(self) -> None:
        """Drop tokens that cannot be used; when there are none, every token that no caller is fetching."""
        now, nothing = self._now(), Demand()
        dead = [k for k, entry in self._entries.items() if not entry.flight and not entry.usable(nothing, now)]
        for key in dead or [k for k, entry in self._entries.items() if not entry.flight]:
            del self._entries[key]


PROCESS_CACHE = TokenCache()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS_CACHE.reset_after_fork)
