"""Uses are recorded in groups: each caller gets its own outcome, with few commits."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
from replica import SERVICE, Replica

from service_kit.process.grouped import Grouped
from vault_service.application.errors import GrantUnusableError, StorageUnavailableError
from vault_service.domain.audit import Entry, Event

Rows = Callable[..., list[tuple[object, ...]]]


class ScriptedWriter:
    """Writes when the test allows it, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.began.release()
        self.go.acquire()
        if -1 in items:
            raise StorageUnavailableError
        return [item * 10 for item in items]


def test_those_who_come_meanwhile_are_written_together() -> None:
    """The first alone, all others in one batch, each with its own outcomes, in their order."""
    writer = ScriptedWriter()
    group: Grouped[int, int] = Grouped(writer, "test")
    first = group.submit([0])
    writer.began.acquire()
    others = [group.submit([number, number + 1]) for number in range(1, 9)]
    writer.go.release(2)
    assert list(first.result(30)) == [0]
    assert [list(other.result(30)) for other in others] == [[10 * n, 10 * n + 10] for n in range(1, 9)]
    assert writer.batches == [[0], [item for number in range(1, 9) for item in (number, number + 1)]]


def test_submitting_does_not_wait() -> None:
    """Nothing is written yet when the future is there; it cannot be cancelled, for it may be written already."""
    writer = ScriptedWriter()
    outcomes = Grouped(writer, "test").submit([1])
    assert not outcomes.done()
    assert not outcomes.cancel()
    writer.go.release()
    assert list(outcomes.result(30)) == [10]


def test_a_failure_is_that_of_its_batch_only() -> None:
    """Later items are written."""
    writer = ScriptedWriter()
    group: Grouped[int, int] = Grouped(writer, "test")
    before = group.submit([1])
    writer.began.acquire()
    failed = [group.submit([-1, 6]), group.submit([7])]
    writer.go.release(3)
    assert {type(each.exception(30)) for each in failed} == {StorageUnavailableError}
    assert [list(each.result(30)) for each in (before, group.submit([3]))] == [[10], [30]]


def test_many_callers_for_long() -> None:
    """No caller is forgotten, and no two outcomes are mixed up."""
    writer = ScriptedWriter()
    writer.go.release(100_000)
    group: Grouped[int, int] = Grouped(writer, "test")

    def call(caller: int) -> bool:
        numbers = range(caller * 500, caller * 500 + 500)
        return all(list(group.submit([number]).result(30)) == [number * 10] for number in numbers)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(8)))
    assert sorted(item for batch in writer.batches for item in batch) == list(range(4000))


def test_a_group_of_uses_records_exactly_those_that_may(vault: Replica, rows: Rows) -> None:
    """Of active, limited and ended grants; each caller gets its own outcome."""
    alive, limited, over = vault.grant(), vault.grant(max_uses=5), vault.grant()
    for grant_id in (alive, limited, over):
        vault.issue(grant_id)
    vault.manage.revoke(over, SERVICE.owner, "task-ui", "request-7")
    barrier = threading.Barrier(48)

    def call(number: int) -> str:
        barrier.wait()
        try:
            vault.issue((alive, limited, over)[number % 3])
        except GrantUnusableError as error:
            return error.reason.value
        return "ok"

    with ThreadPoolExecutor(48) as pool:
        outcomes = list(pool.map(call, range(48)))
    assert outcomes[0::3] == ["ok"] * 16
    assert sorted(outcomes[1::3]) == ["ok"] * 4 + ["token_expired"] * 12
    assert outcomes[2::3] == ["token_revoked"] * 16
    used = dict(rows("select grant_id, count(*) from audit where event = 'token.issued' group by 1"))  # type: ignore[arg-type]
    assert used == {alive: 17, limited: 5, over: 1}


def test_one_use_that_cannot_be_written_does_not_spoil_the_others(vault: Replica, rows: Rows) -> None:
    """PostgreSQL stores no NUL; the other uses of the batch are written one by one."""
    grant_id = vault.grant()

    def record(request_id: str) -> bool:
        entry = Entry(Event.TOKEN_ISSUED, grant_id, SERVICE.owner, SERVICE.client, request_id, datetime.now(UTC))
        return vault.uses.record(SERVICE, entry)

    with ThreadPoolExecutor(8) as pool:
        bad = [pool.submit(record, "request-\x00") for _ in range(4)]
        good = [pool.submit(record, f"request-{number}") for number in range(20)]
        assert all(each.result(30) for each in good)
        assert {type(each.exception(30)) for each in bad} == {psycopg.DataError}
    assert rows("select count(*) from audit where event = 'token.issued'") == [(20,)]


def test_a_connection_that_died_is_replaced(vault: Replica, rows: Rows, postgres_url: str) -> None:
    """No caller notices, and the use is recorded once."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    with psycopg.connect(postgres_url, autocommit=True) as superuser:
        superuser.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vault-uses'"
        )
    vault.issue(grant_id)
    assert rows("select count(*) from audit where event = 'token.issued'") == [(2,)]


def test_a_cut_network_is_detected_in_seconds(vault: Replica) -> None:
    """By the writer as by all others: while it waits for an answer that cannot come, no token leaves this process."""
    grant_id = vault.grant()
    for _ in range(2):  # a refresh records its caller's use with its outcome; the second use is written by itself
        vault.issue(grant_id)
    connection = vault.uses._connection
    assert connection is not None
    options = connection.info.get_parameters()
    assert int(options["tcp_user_timeout"]) <= 6000  # milliseconds
    probes = ("keepalives_idle", "keepalives_interval", "keepalives_count")
    idle, interval, count = (int(options[name]) for name in probes)
    assert idle + interval * count <= 10
