"""What a process remembers has a bound, and says when it forgets."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from replica import ALICE, Replica

from vault_service import bootstrap
from vault_service.adapters.cache.access_tokens import NoSharedAccessTokens
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.application.bounded import Bounded
from vault_service.application.errors import GrantNotFoundError
from vault_service.application.refusals import MOST_CLIENTS, RecordRefusals
from vault_service.application.tickets import PresentedTickets
from vault_service.bootstrap.access import AccessParts
from vault_service.bootstrap.foundation import Foundation
from vault_service.domain.ticket import TicketSecret


def evictions(kind: str) -> float:
    """How often this process has forgotten."""
    return REGISTRY.get_sample_value("vault_remembered_entry_evictions_total", {"kind": kind}) or 0.0


def test_the_first_gives_way_when_it_is_full() -> None:
    """A known key takes the place of its old value, and nothing gives way."""
    forgotten = Mock()
    memory: Bounded[str, int] = Bounded(2, forgotten)
    for number, key in enumerate("abab"):
        memory.put(key, number)
    assert (memory.get("a"), memory.get("b"), len(memory), forgotten.call_count) == (2, 3, 2, 0)
    memory.put("c", 4)
    assert (memory.get("a"), memory.get("c"), len(memory), forgotten.call_count) == (None, 4, 2, 1)


def test_threads_share_it() -> None:
    """None sees more than there may be, and none fails because another one has changed it."""
    memory: Bounded[int, int] = Bounded(10, lambda: None)
    barrier = threading.Barrier(8)

    def put(start: int) -> int:
        barrier.wait()
        for number in range(start, start + 2000):
            memory.put(number, number)
            memory.get(number - 5)
        return len(memory)

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(put, range(0, 16000, 2000))) <= 10


def test_the_terms_of_grants_are_bounded_and_asked_for_again(vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant whose terms were forgotten is read again, and its token is served from memory all the same."""
    forgot = Mock()
    monkeypatch.setattr(vault.issuing, "_terms", Bounded(2, forgot))
    grants = [vault.grant() for _ in range(3)]
    tokens = [vault.issue(grant) for grant in grants]
    assert (len(vault.issuing._terms), forgot.call_count) == (2, 1)
    refreshes = vault.provider.refreshes
    assert [vault.issue(grant) for grant in grants] == tokens
    assert vault.provider.refreshes == refreshes


def test_tickets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was forgotten is looked up again."""
    usable = SimpleNamespace(fault_at=lambda _: None, max_uses=None)
    stored = Mock(presented=Mock(return_value=usable))
    clock = Mock(now=Mock(return_value=datetime.now(UTC)))
    before = evictions("tickets")
    tickets = PresentedTickets(stored, clock, PrometheusTelemetry(), remembered=2)
    secrets = iter([SimpleNamespace(id=uuid4(), hash=bytes([number])) for number in range(3)])
    monkeypatch.setattr(TicketSecret, "parse", lambda _: next(secrets))
    for _ in range(3):
        tickets.open("a ticket")
    assert (len(tickets), evictions("tickets") - before) == (2, 1)


def test_clients_whose_refusals_are_counted_are_bounded() -> None:
    """Callers of many names take no memory."""
    before = evictions("clients")
    owners, clock = Mock(owner_of=Mock(return_value=ALICE)), Mock(now=Mock(return_value=datetime.now(UTC)))
    refusals = RecordRefusals(owners, Mock(), clock, PrometheusTelemetry())
    for number in range(MOST_CLIENTS + 5):
        refusals.note(f"client-{number}", uuid4(), ALICE, "r", GrantNotFoundError())
    assert len(refusals._minutes) == MOST_CLIENTS
    assert evictions("clients") - before == 5


def test_the_sizes_are_measured(vault: Replica) -> None:
    """By the process's own account."""
    vault.issue(vault.grant())
    parts = {"memory": vault.issuing._memory, "terms": vault.issuing._terms, "presented": vault.presented}
    access = SimpleNamespace(**parts, shared=NoSharedAccessTokens())
    bootstrap._measure_caches(
        cast(AccessParts, access), cast(Foundation, SimpleNamespace(telemetry=PrometheusTelemetry()))
    )
    assert REGISTRY.get_sample_value("vault_remembered_entries", {"kind": "terms"}) == 1
    assert REGISTRY.get_sample_value("vault_remembered_entries", {"kind": "tickets"}) == 0
