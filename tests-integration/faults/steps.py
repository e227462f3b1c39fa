"""A vault that is held at each step of the refresh protocol, from outside: by a lock in PostgreSQL that the test has
taken, or by a slow authorization server. Production code has no hook for it.

The steps are those of docs/faults.md. They are taken in this order, each by a grant of its own, so that one process
stands at all of them at once.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import requests
from stack import eventually

from faults.vault_process import VaultProcess
from faults.world import Granted, Lock, World, outcome

SLOW = 3.0
"""Seconds that the authorization server takes at the two steps at which it is asked: longer than a test needs to break
something, shorter than the vault waits for an answer."""

ROW = "select from grants where id = %s for update"
ADVISORY = "select pg_advisory_xact_lock(%s)"


@dataclass
class Held:
    """One grant whose refresh stands at one step. answer: what its caller will get."""

    granted: Granted
    answer: "Future[requests.Response]"
    lock: Lock | None = None
    backends: list[int] = field(default_factory=list)


@dataclass
class Scene:
    """A vault with a refresh at each step."""

    world: World
    vault: VaultProcess
    scope: ExitStack
    callers: ThreadPoolExecutor
    patience: float
    held: dict[str, Held] = field(default_factory=dict)

    def ask(self, granted: Granted) -> "Future[requests.Response]":
        """A caller that waits for a token that does not exist yet."""
        return self.callers.submit(
            self.vault.ask, self.world.bearer, granted.id, scope="openid", patience=self.patience
        )

    def lock(self, statement: str, *parameters: object) -> Lock:
        """Take a lock until it is released or the scene ends."""
        return self.scope.enter_context(self.world.locked(statement, *parameters))

    def asked_of_server(self, granted: Granted, **fault: float) -> "Future[requests.Response]":
        """A caller whose refresh has reached the authorization server."""
        self.world.plan({"times": 1, **fault})
        answer = self.ask(granted)
        eventually(lambda: self.world.requests() == 1, "the authorization server is asked")
        return answer

    def release(self, *steps: str) -> None:
        """Let go of the locks, all if none is named, and wait until those who waited have done what they were at."""
        freed = [self.held[step] for step in steps or self.held]
        for held in freed:
            if held.lock is not None:
                held.lock.release()
        waiting = [backend for held in freed for backend in held.backends]
        busy = "select count(*) from pg_stat_activity where pid = any (%s) and state = 'active'"
        eventually(lambda: self.world.one(busy, waiting) == (0,), "nobody waits any more")

    def served(self) -> bool:
        """True when the authorization server has answered all requests."""
        return all(self.world.server_refreshes(self.held[step].granted) == 1 for step in ASKED)


def _at_the_issue(scene: Scene, granted: Granted) -> Held:
    scene.world.plan()
    assert outcome(scene.ask(granted).result()) == "ok"  # it is cached from now on
    return _blocked(scene, granted, scene.lock(ROW, granted.id))


def _at_the_lock(scene: Scene, granted: Granted) -> Held:
    number = int.from_bytes(UUID(granted.id).bytes[:8], "big", signed=True)
    return _blocked(scene, granted, scene.lock(ADVISORY, number))


def _at_the_intent(scene: Scene, granted: Granted) -> Held:
    return _blocked(scene, granted, scene.lock(ROW, granted.id))


def _at_the_store(scene: Scene, granted: Granted) -> Held:
    answer = scene.asked_of_server(granted, hold=0.5)  # the intent is written by now
    lock = scene.lock(ROW, granted.id)
    return Held(granted, answer, lock, eventually(lock.waiting, "the outcome is being stored"))


def _before_the_rotation(scene: Scene, granted: Granted) -> Held:
    return Held(granted, scene.asked_of_server(granted, delay=SLOW))


def _after_the_rotation(scene: Scene, granted: Granted) -> Held:
    answer = scene.asked_of_server(granted, hold=SLOW)
    eventually(lambda: scene.world.server_refreshes(granted) == 1, "the server has rotated the token")
    return Held(granted, answer)


def _blocked(scene: Scene, granted: Granted, lock: Lock) -> Held:
    answer = scene.ask(granted)
    waiting = eventually(lambda: lock.waiting() or answer.done(), "the vault waits for the lock")
    assert isinstance(waiting, list), outcome(answer.result())
    return Held(granted, answer, lock, waiting)


RECORD = "1 records a cached token"
ASKED = ("4 asked, not rotated yet", "4 asked, rotated")
LOST_WRITE, ARRIVED_WRITE = "5 stores, the write not arrived", "5 stores, the write arrived"
SENT = frozenset({*ASKED, LOST_WRITE})
"""The steps between the request's leaving and the outcome's being stored."""
BEGUN = SENT | {"3 writes the intent"}
"""Where an intent is left behind. PostgreSQL writes it for the dead as well, when the statement has reached it."""

STEPS: dict[str, Callable[[Scene, Granted], Held]] = {
    RECORD: _at_the_issue,
    "2 waits for the lock": _at_the_lock,
    "3 writes the intent": _at_the_intent,
    LOST_WRITE: _at_the_store,
    ARRIVED_WRITE: _at_the_store,
    "4 asked, not rotated yet": _before_the_rotation,
    "4 asked, rotated": _after_the_rotation,
}


@contextmanager
def at_every_step(world: World, vault: VaultProcess, patience: float = 60.0) -> Iterator[Scene]:
    """A vault that stands at every step; nothing is held any more when the block ends. patience: of its callers."""
    with ThreadPoolExecutor(32) as callers, ExitStack() as scope:
        scene = Scene(world, vault, scope, callers, patience)
        # A use that is counted waits for the grant's row.
        grants = {step: world.grant(**({"maxUses": 1000} if step == RECORD else {})) for step in STEPS}
        for step, hold in STEPS.items():
            scene.held[step] = hold(scene, grants[step])
        yield scene
