"""A verification of the audit streams: its memory does not grow with the audit, nor its time faster than the audit."""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from chained_audit import LINES, Chain
from replica import ALICE, Replica

from vault_service.adapters.audit import trail
from vault_service.adapters.audit.trail import PostgresAuditTrail
from vault_service.application.verify_audit import StoredLine, VerifyAudit
from vault_service.domain.audit import AuditPlace, Entry, Event, mac
from vault_service.domain.checkpoints import ORIGIN, ChainedLine, Checkpoint, Pruning
from vault_service.domain.number_set import Ranges

Rows = Callable[..., list[tuple[object, ...]]]
KEY = bytes(32)
AT = datetime(2026, 11, 29, 10, tzinfo=UTC)
UNDER_ONE = 50
"""Lines that a checkpoint covers."""


def line(number: int) -> StoredLine:
    """An authentic line, made when it is asked for."""
    place = AuditPlace(UUID(int=1), number, number - 1)
    entry = Entry(Event.TOKEN_ISSUED, UUID(int=number), ALICE, "task-service", f"request-{number}", AT)
    return StoredLine(number, entry, 1, mac(KEY, entry, place), place)


class MadeUp:
    """`AuditTrail` of so many checkpoints, of which nothing is kept."""

    def __init__(self, checkpoints: int) -> None:
        self._checkpoints = checkpoints

    def prunings(self) -> Sequence[Pruning]:
        """None."""
        return ()

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Each made from the one before."""
        last = ORIGIN
        for number in range(self._checkpoints):
            lines = [line(number * UNDER_ONE + each) for each in range(1, UNDER_ONE + 1)]
            last = last.next([ChainedLine(each.number, each.mac, each.place) for each in lines], AT, 1, KEY)
            yield last

    def lines_of(self, covered: Ranges) -> Sequence[StoredLine]:
        """In order."""
        return [line(number) for first, end in covered for number in range(first, end + 1)]

    def lines_after(self, last: Checkpoint) -> Iterable[StoredLine]:
        """As many again."""
        return (line(last.high + number) for number in range(1, last.high + 1))

    def last_number(self) -> int:
        """Enough."""
        return 2 * self._checkpoints * UNDER_ONE

    def numbers_up_to(self, high: int) -> Iterable[int]:
        """All of them."""
        return range(1, high + 1)


def peak(checkpoints: int) -> int:
    """The most bytes that a verification holds at once."""
    verification = VerifyAudit(MadeUp(checkpoints), lambda _: KEY)
    tracemalloc.start()
    try:
        assert list(verification.verify()) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert verification.seen.lines == verification.seen.uncovered == checkpoints * UNDER_ONE
    return most


def test_ten_times_as_many_lines_take_no_more_memory() -> None:
    """A verification that held its lines would take ten times as much."""
    peak(4)
    assert peak(60) < 1.3 * peak(6)


def test_the_database_is_read_page_by_page(
    vault: Replica, database_url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement but that of one checkpoint's lines returns more than a page."""
    monkeypatch.setattr(trail, "PAGE_ROWS", 7)
    grant_id = vault.grant()
    for _ in range(20):
        vault.issue(grant_id)
    sizes: list[int] = []

    class Counted(psycopg.Cursor[Any]):
        def fetchall(self) -> list[Any]:
            found = super().fetchall()
            sizes.append(len(found))
            return found

    with psycopg.connect(database_url, cursor_factory=Counted) as connection:
        verification = VerifyAudit(PostgresAuditTrail(connection), vault.keyring.audit_key)
        assert list(verification.verify()) == []
    [(there,)] = rows("select count(*) from audit")
    assert verification.seen.uncovered == there
    assert 20 < verification.seen.uncovered <= sum(sizes)
    assert max(sizes) <= 7


def test_a_verification_reads_each_line_three_times(chain: Chain) -> None:
    """Under its checkpoint, and twice to find lines that none covers; however many checkpoints there are."""
    chain.seem_large()
    with chain.superuser.transaction():
        verification = VerifyAudit(PostgresAuditTrail(chain.superuser), chain.keyring.audit_key)
        assert list(verification.verify()) == []
        read = chain.lines_read()
    assert verification.seen.lines == 3 * LINES
    assert read <= 3 * verification.seen.lines
