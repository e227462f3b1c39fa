"""Callers that keep asking, and what each of them was answered."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle
from urllib.parse import urlencode, urlsplit

import msgspec
import requests

from faults.vault_process import ACCESS_TOKEN, VaultProcess
from faults.world import Granted, World, outcome

ANSWER_SECONDS = 40


@dataclass
class Tally:
    """Answers by outcome, and the request ids of those that were a token. `broken`: no answer at all."""

    outcomes: Counter[str] = field(default_factory=Counter)
    given: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> int:
        """The number of requests."""
        return self.outcomes.total()

    def note(self, answer: requests.Response | None) -> None:
        """Count an answer."""
        with self.lock:
            self.outcomes["broken" if answer is None else outcome(answer)] += 1
            if answer is not None and answer.ok:
                self.given.add(answer.headers["X-Request-ID"])

    def unrecorded(self, world: World) -> int:
        """The number of tokens that are not in the audit."""
        with world.connect() as connection:
            rows = connection.execute("select request_id from audit where event = 'token.issued'")
            return len(self.given - {row[0] for row in rows})


@contextmanager
def under_load(
    world: World, vaults: Sequence[VaultProcess], grants: Sequence[Granted], *, callers: int, pause: float = 0.0
) -> Iterator[Tally]:
    """For the length of the block callers ask any of the vaults for tokens of any of the grants.

    pause: seconds that each waits between two requests. The list of grants may change meanwhile.
    """
    tally, over = Tally(), threading.Event()

    def caller() -> None:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {world.bearer}"
        while not over.is_set():
            try:
                url = random.choice(vaults).url + ACCESS_TOKEN
                answer = session.get(url, params={"id": random.choice(grants).id}, timeout=ANSWER_SECONDS)
            except requests.RequestException:
                tally.note(None)
                time.sleep(0.05)  # the process has just been killed
            else:
                tally.note(answer)
            over.wait(pause)

    with ThreadPoolExecutor(callers) as pool:
        threads = [pool.submit(caller) for _ in range(callers)]
        try:
            yield tally
        finally:
            over.set()
            for thread in threads:
                thread.result()


@dataclass
class SteadyLoad:
    """Answers to requests that come at a fixed rate. latencies: seconds from when each request was due."""

    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str, latency: float) -> None:
        """Count an answer."""
        with self.lock:
            self.asked += 1
            self.outcomes[outcome] += 1
            self.latencies.append(latency)

    def forget(self) -> None:
        """Measure latencies from now on."""
        with self.lock:
            self.latencies.clear()

    def p99(self) -> float:
        """The 99th percentile of the latencies since the last `forget`."""
        with self.lock:
            return sorted(self.latencies)[int(0.99 * len(self.latencies))]

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass. Fails when a caller has ended."""
        assert not self.over.wait(max(seconds, 0.0)), "a caller has ended"


@contextmanager
def steady_load(
    vault: VaultProcess, bearer: str, ids: Sequence[str], *, rate: float, callers: int
) -> Iterator[SteadyLoad]:
    """For the length of the block ask for tokens of the grants, each in its turn, `rate` times a second in all.

    A caller that is late catches up. It costs this machine a fifth of what `under_load` does, and each caller keeps
    one connection and its own grants.
    """
    load = SteadyLoad()

    def caller(number: int) -> None:
        turns, due = cycle(ids[number::callers] or ids), time.perf_counter() + number / rate
        address, headers = urlsplit(vault.url), {"Authorization": f"Bearer {bearer}"}
        connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_SECONDS)
        try:
            while not load.over.wait(max(due - time.perf_counter(), 0.0)):
                connection.request("GET", f"{ACCESS_TOKEN}?{urlencode({'id': next(turns)})}", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                outcome = "ok" if answer.status == requests.codes.ok else str(msgspec.json.decode(body)["code"])
                load.note(outcome, time.perf_counter() - due)
                due += callers / rate
        finally:
            connection.close()
            load.over.set()

    with ThreadPoolExecutor(callers) as pool:
        threads = [pool.submit(caller, number) for number in range(callers)]
        try:
            yield load
        finally:
            load.over.set()
            for thread in threads:
                thread.result()
