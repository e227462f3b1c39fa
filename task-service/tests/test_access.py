"""A ticket for each attempt: made at its beginning, kept alive, used for its tokens, and ended with it."""

from dataclasses import replace
from uuid import uuid4

import pytest
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from task_service.application.access import TICKET_SECONDS, AttemptAccess
from task_service.application.errors import TicketExpiredError, TokenRefusedError, VaultUnavailableError
from task_service.application.handler import HandlerContext, Stop, Stopped
from task_service.application.progress import GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.owner import Owner

ATTEMPT = Attempt(
    key=AttemptKey(uuid4(), 1),
    run=1,
    owner=Owner("i", "alice-sub"),
    task_name="a",
    kind="demo",
    parameters={},
    persistent_token_id=uuid4(),
)


class Clock:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class OneAttempt:
    """`AttemptStore` of that attempt, which notes how it ended. kept: progress that was written."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def begin(self, key: AttemptKey) -> Attempt | None:
        """That attempt."""
        return replace(ATTEMPT, key=key)

    def complete(self, *_: object) -> bool:
        """Note it."""
        self.ended.append("completed")
        return True

    def fail(self, *_: object, token_failed: bool = False) -> bool:
        """Note it."""
        self.ended.append("token_failed" if token_failed else "failed")
        return True

    def retry(self, *_: object) -> bool:
        """Note it."""
        self.ended.append("retry")
        return True

    def give_back(self, *_: object) -> bool:
        """Note it."""
        self.ended.append("given back")
        return True

    def write_progress(self, *_: object) -> dict[AttemptKey, bool]:
        """No progress is reported."""
        return {}


class RefusedHandler:
    """A handler that raises, or says that it is done."""

    def __init__(self, vault: ScriptedVault, error: Exception | None) -> None:
        self.vault, self.error = vault, error
        self.usable = -1

    def run(self, context: HandlerContext) -> str:
        """Notes how many tickets are usable meanwhile."""
        self.usable = len(self.vault.tickets)
        if self.error is not None:
            raise self.error
        context.token()
        return "done"


@pytest.fixture
def vault() -> ScriptedVault:
    """The vault."""
    return ScriptedVault()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "completed"),
        (TokenRefusedError(), "token_failed"),
        (Stopped(Stop.SHUTDOWN), "given back"),
        (Stopped(Stop.CANCELLED), ""),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_an_attempt_has_one_ticket_and_it_ends_with_the_attempt(
    vault: ScriptedVault, error: Exception | None, outcome: str
) -> None:
    """However the attempt ends; the journal has the ticket's id."""
    store, access, journal = OneAttempt(), AttemptAccess(vault), MemoryJournal()
    handler = RefusedHandler(vault, error)
    run = RunAttempt(store, GroupedProgress(store), journal, access, {"demo": handler})
    try:
        run.run(ATTEMPT.key, lambda: None)
    except ZeroDivisionError:
        assert outcome == "failed"
    assert "".join(store.ended) == outcome
    assert handler.usable == 1
    (ticket_id,) = vault.tickets
    access.extend()
    assert vault.extended == []
    access.end()
    assert vault.tickets == {}
    assert vault.made == [(ATTEMPT.key, TICKET_SECONDS)]
    journal.flush()
    assert journal.notes[ATTEMPT.key].ticket_id == ticket_id
    assert (journal.notes[ATTEMPT.key].token is not None) == (outcome == "completed")


def test_nothing_is_done_without_a_ticket(vault: ScriptedVault) -> None:
    """The vault refuses the grant: the handler does not start."""

    class Refusing(ScriptedVault):
        def open(self, *_: object) -> object:  # type: ignore[override]
            """Refuse."""
            raise TokenRefusedError

    store, handler = OneAttempt(), RefusedHandler(vault, None)
    run = RunAttempt(store, GroupedProgress(store), MemoryJournal(), AttemptAccess(Refusing()), {"demo": handler})
    assert run.run(ATTEMPT.key, lambda: None) == "token_failed"
    assert handler.usable == -1


def test_running_attempts_keep_their_tickets(vault: ScriptedVault) -> None:
    """Each is extended, for as long as it runs."""
    access = AttemptAccess(vault)
    other = replace(ATTEMPT, key=AttemptKey(uuid4(), 1))
    first, second = access.open(ATTEMPT), access.open(other)
    access.extend()
    access.close(other.key)
    access.extend()
    assert vault.extended == [(ticket.id, TICKET_SECONDS) for ticket in (first, second, first)]


def test_a_ticket_that_expired_is_replaced_once(vault: ScriptedVault) -> None:
    """As after a worker was frozen; a second time it counts as refused."""
    access = AttemptAccess(vault)
    first = access.open(ATTEMPT)
    vault.script.append(TicketExpiredError())
    token, ticket_id = access.token(ATTEMPT)
    assert token.value == "access of alice-sub"
    assert ticket_id != first.id
    vault.script.extend([TicketExpiredError(), TicketExpiredError()])
    with pytest.raises(TokenRefusedError):
        access.token(ATTEMPT)


def test_an_unavailable_vault_is_asked_again_to_end_a_ticket_until_it_has_ended_by_itself(vault: ScriptedVault) -> None:
    """In the order in which the attempts ended; nothing is asked for a ticket that has expired."""
    clock = Clock()
    access = AttemptAccess(vault, clock)
    access.open(ATTEMPT)
    access.close(ATTEMPT.key)
    vault.unavailable = True
    for _ in range(2):
        with pytest.raises(VaultUnavailableError):
            access.end()
    vault.unavailable = False
    access.end()
    assert vault.tickets == {}
    vault.unavailable = True
    access.end_soon(uuid4())
    clock.now += TICKET_SECONDS
    access.end()
