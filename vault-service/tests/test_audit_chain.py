"""Verification of the audit finds whatever was done to a line or checkpoint, and nothing that was done lawfully."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from chained_audit import Chain
from replica import ALICE, Replica

from vault_service.adapters.audit import checkpoints
from vault_service.adapters.audit.pruning import prune
from vault_service.application.verify_audit import AuditFinding, Verified
from vault_service.domain.audit import AuditedWork, Entry, Event, Via, mac
from vault_service.domain.checkpoints import MISSING_KEPT, Pruning

Rows = Callable[..., list[tuple[object, ...]]]


def test_an_untouched_audit_has_no_findings(chain: Chain) -> None:
    """Lines that no checkpoint covers yet are verified as well."""
    chain.write(5)
    assert chain.verify() == ([], Verified(checkpoints=3, lines=60, uncovered=5))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("delete from audit where id = 7", "lines removed: 7"),
        ("delete from audit where id between 5 and 9 or id = 30", "lines removed: 5 to 9; lines removed: 30"),
        ("update audit set actor = 'somebody' where id = 41", "lines changed: 41"),
        ("update audit set at = at - interval '1 microsecond' where id = 60", "lines changed: 60"),
        ("update audit set event = 'nonsense', mac = mac where id = 3", "lines changed: 3"),
        ("update audit set key_id = 99 where id = 3", "lines changed: 3"),
        ("update audit set id = id + 1000 where id = 60", "lines removed: 60"),
        ("truncate audit", "lines removed: 1 to 20; lines removed: 21 to 40; lines removed: 41 to 60"),
        ("delete from audit where id > 50", "lines removed: 51 to 60"),
        (
            "delete from audit_seals where number = 2",
            "checkpoints removed: 2 to 2; lines inserted afterwards: 21 to 40",
        ),
        ("update audit_seals set lines = lines + 1 where number = 2", "checkpoint changed: 2"),
        ("update audit_seals set chain = sha256('x') where number = 2", "checkpoint changed: 2"),
        ("update audit_seals set key_id = 99 where number = 2", "checkpoint changed: 2"),
        ("update audit_seals set key_id = 1 where number = 2", "checkpoint changed: 2"),
    ],
)
def test_a_change_to_a_line_or_checkpoint_is_found(chain: Chain, statement: str, found: str) -> None:
    """The finding names the line or checkpoint."""
    chain.tamper(statement)
    assert "; ".join(str(finding) for finding in chain.verify()[0]).startswith(found)


@pytest.mark.parametrize(
    "change",
    [
        "via_name = 'another ticket'",
        "via_id = gen_random_uuid()",
        "via_id = null, via_name = null",
        "reason = 'another reason'",
        "reason = null",
        "reason = null, via_name = 'reason'",
    ],
)
def test_a_change_to_ticket_or_reason_is_found(chain: Chain, change: str) -> None:
    """Ticket and reason are a part of the MAC of lines that have them."""
    line = replace(chain.entry("request-x"), via=Via(uuid4(), "attempt 7"), reason="left")
    chain.audit.append(line)
    assert chain.verify()[0] == []
    chain.tamper("alter table audit drop constraint audit_check")
    chain.tamper(f"update audit set {change} where id = 61")
    assert [str(finding) for finding in chain.verify()[0]] == ["lines changed: 61"]


@pytest.mark.parametrize(
    "change",
    [
        "task_id = 'task-2'",
        "attempt = 8",
        "task_id = null, attempt = null",
        "task_id = null",
        "via_id = null, via_name = null",
    ],
)
def test_a_change_to_what_a_ticket_was_made_for_is_found(chain: Chain, change: str) -> None:
    """The purpose is a part of the MAC of lines that have one."""
    chain.audit.append(replace(chain.entry("request-x"), via=Via(uuid4(), "attempt 7", AuditedWork("task-1", 7))))
    assert chain.verify()[0] == []
    chain.tamper("alter table audit drop constraint audit_check, drop constraint audit_check1")
    chain.tamper(f"update audit set {change} where id = 61")
    assert [str(finding) for finding in chain.verify()[0]] == ["lines changed: 61"]


def test_what_a_ticket_was_made_for_is_found_when_it_is_added(chain: Chain) -> None:
    """To a line with a ticket, and to one without."""
    chain.audit.append(replace(chain.entry("request-x"), via=Via(uuid4(), "attempt 7")))
    chain.tamper("update audit set task_id = 'task-1', attempt = 1 where id in (60, 61)")
    assert [str(finding) for finding in chain.verify()[0]] == ["lines changed: 60", "lines changed: 61"]


@pytest.mark.parametrize("change", ["via_id = gen_random_uuid(), via_name = ''", "reason = ''", "via_name = 'x'"])
def test_a_ticket_or_reason_that_is_added_is_found(chain: Chain, change: str) -> None:
    """To a line that had none; half a ticket too."""
    chain.tamper("alter table audit drop constraint audit_check")
    chain.tamper(f"update audit set {change} where id = 60")
    assert [str(finding) for finding in chain.verify()[0]] == ["lines changed: 60"]


def test_a_line_without_ticket_and_reason_has_the_mac_that_it_always_had() -> None:
    """Computed by the version before tickets."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    line = Entry(Event.TOKEN_ISSUED, UUID(int=7), ALICE, "task-service", "request-1", at)
    assert mac(bytes(range(32)), line).hex() == "4f2dd0af6627cb3d8b6334492bd6a237ccc61c9f9725a9a328ce1950cb0299e8"


def test_lines_that_were_exchanged_are_found(chain: Chain) -> None:
    """Each MAC is right, but the order is not."""
    columns = "at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac, writer_seq, writer_mark"
    chain.tamper(
        f"update audit a set ({columns}) = (select {columns} from audit b where b.id = 25 - a.id)"
        " where a.id in (12, 13)"
    )
    assert [str(finding) for finding in chain.verify()[0]] == [
        "lines reordered or exchanged: among 1 to 20 (checkpoint 1)"
    ]


def test_a_line_inserted_afterwards_is_found(chain: Chain) -> None:
    """The line's MAC is right, but a checkpoint has passed its number."""
    chain.tamper("delete from audit where id = 10")
    chain.tamper("delete from audit_seals")
    chain.cover()
    for _ in range(MISSING_KEPT + 1):
        with pytest.raises(psycopg.errors.DivisionByZero):
            chain.tamper("with x as (select nextval('audit_id_seq')) select 1 / 0 from x")
    chain.tamper("select setval('audit_id_seq', 1000)")
    chain.write(1)
    chain.cover()
    row = chain.audit.row(chain.entry("forged"), chain.audit.writer.take())
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    statement = f"insert into audit (id, {names}) overriding system value values (10, {values})"
    chain.superuser.execute(statement.encode(), row)
    assert AuditFinding("lines inserted afterwards", "10") in chain.verify()[0]


def test_a_cut_end_is_found_with_a_reference(chain: Chain) -> None:
    """Lines and checkpoint are gone together; only the reference that was kept elsewhere shows it."""
    reference = chain.end()
    assert chain.verify(reference)[0] == []
    chain.tamper("delete from audit where id > 40")
    chain.tamper("delete from audit_seals where number = 3")
    assert chain.verify()[0] == []
    assert [finding.what for finding in chain.verify(reference)[0]] == ["chain cut off or replaced"]


def test_a_line_that_commits_late_goes_into_a_later_checkpoint(chain: Chain) -> None:
    """The line's number is lower than covered ones, and it does not count as forged."""
    with chain.database.transaction() as late:
        chain.audit.append_within(late, chain.entry("late"))
        chain.write(3)
        (first,) = chain.cover()
        assert (first.missing, first.lines) == ((61,), 3)
        assert chain.verify()[0] == []
    assert chain.verify()[0] == []
    (second,) = chain.cover()
    assert (second.ids, second.missing) == (((61, 61),), ())
    assert chain.verify() == ([], Verified(checkpoints=5, lines=64))


def test_one_process_writes_checkpoints_at_a_time(chain: Chain) -> None:
    """The others skip their turn; no line is covered twice or left out."""
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            chain.write(4)
            list(pool.map(lambda _: chain.writer.write_next(), range(8)))
    chain.cover()
    assert chain.verify() == ([], Verified(checkpoints=chain.verify()[1].checkpoints, lines=80))


def test_who_waits_covers_what_another_process_was_covering(chain: Chain) -> None:
    """`audit checkpoint` promises to cover all lines; a reference that leaves some out would notice no loss of them."""
    chain.write(4)
    with ThreadPoolExecutor(1) as pool:
        with chain.superuser.transaction():
            chain.superuser.execute("select pg_advisory_xact_lock(-4230011)")
            assert chain.writer.write_next() is None
            waiting = pool.submit(chain.writer.write_next, wait=True)
        assert waiting.result(timeout=30) is not None
    assert chain.verify() == ([], Verified(checkpoints=chain.verify()[1].checkpoints, lines=64))


def test_old_lines_go_and_their_checkpoints_stay(chain: Chain) -> None:
    """Pruned lines are no finding; other missing lines are."""
    now = datetime.now(UTC)
    assert prune(chain.superuser, chain.keyring, now - timedelta(days=1), now) == (0, 0, 0)
    assert prune(chain.superuser, chain.keyring, now + timedelta(seconds=5), now) == (2, 40, 0)
    chain.write(2)
    chain.cover()
    assert chain.verify() == ([], Verified(checkpoints=4, lines=22, pruned_through=2))
    assert prune(chain.superuser, chain.keyring, now + timedelta(minutes=1), now) == (1, 20, 0)
    chain.tamper("update audit_prunings set through = 4 where through = 3")
    assert "note of a pruning changed" in {finding.what for finding in chain.verify()[0]}


@pytest.mark.parametrize("key_id", [1, 99])
def test_a_signature_by_no_audit_key_is_found(chain: Chain, key_id: int) -> None:
    """A note of a pruning, or a checkpoint, signed by an empty key under an id that no audit key has."""
    reference = chain.end()
    now = datetime.now(UTC)
    mac = Pruning(3, now, key_id).signed(b"").mac
    chain.superuser.execute("insert into audit_prunings values (3, %s, %s, %s)", [now, key_id, mac])
    chain.tamper("delete from audit")
    assert {finding.what for finding in chain.verify(reference)[0]} == {"note of a pruning changed", "lines removed"}

    chain.tamper("delete from audit_prunings")
    chain.write(1)
    (checkpoint,) = chain.cover()
    forged = replace(checkpoint, number=1, key_id=key_id).signed(b"")
    chain.tamper("delete from audit_seals")
    with chain.superuser.transaction():
        chain.superuser.execute(checkpoints._QUERIES["add_checkpoint"], checkpoints.row_of(forged))
    assert "checkpoint changed" in {finding.what for finding in chain.verify()[0]}


def test_the_service_can_neither_prune_nor_change_checkpoints(chain: Chain, database_url: str) -> None:
    """The service's role may add and read, nothing else."""
    for statement in (
        b"delete from audit",
        b"update audit_seals set lines = 0",
        b"delete from audit_seals",
        b"insert into audit_prunings values (1, now(), 2, '')",
    ):
        with (
            psycopg.connect(database_url, autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_uses_are_counted_once_whether_covered_or_not(vault: Replica, chain: Chain) -> None:
    """The counts of the checkpoints and the lines since add up."""
    grant_id = vault.grant()
    for expected in range(1, 6):
        vault.issue(grant_id)
        if expected % 2:
            chain.cover()
        grant = vault.manage.find(grant_id, ALICE)
        assert grant.uses == expected
        assert grant.last_used_at is not None


def test_a_backlog_is_covered_in_parts(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint has a bounded number of lines."""
    monkeypatch.setattr(checkpoints, "BATCH_LINES", 7)
    chain.write(20)
    assert [checkpoint.lines for checkpoint in chain.cover()] == [7, 7, 6]
    assert chain.writer.lag() == 0.0
    assert chain.verify() == ([], Verified(checkpoints=6, lines=80))


def test_a_checkpoint_counts_the_uses_of_each_grant(chain: Chain, rows: Rows) -> None:
    """`grant_uses` has one row for each grant, with its last use."""
    (row,) = rows("select grant_id, uses, last_used_at = (select max(at) from audit) from grant_uses")
    assert row == (chain.grant_id, 60, True)
