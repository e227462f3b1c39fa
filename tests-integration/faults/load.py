"""Callers that keep asking, and what each of them was answered."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

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
