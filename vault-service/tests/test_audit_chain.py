"""The audit's chain: what was done to a line is found, and what was done lawfully is not held against anybody."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from replica import ALICE, Replica

from vault_service.adapters.audit import chain as audit_chain
from vault_service.adapters.audit import verify as audit_verify
from vault_service.adapters.audit.chain import AuditSealer, Seal
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.audit.verify import AuditVerifier, Finding, Verified, prune
from vault_service.adapters.postgres.clock import DatabaseClock
from vault_service.domain.audit import Entry, Event

LINES = 20


class Chain:
    """A sealed audit, and somebody who may do anything with the database."""

    def __init__(self, vault: Replica, superuser: psycopg.Connection) -> None:
        self.database, _ = vault.databases
        self.keyring = vault.keyring
        self.audit = AuditLog(self.database, self.keyring)
        self.sealer = AuditSealer(self.database, self.keyring, DatabaseClock(self.database))
        self.superuser = superuser
        self.grant_id = uuid4()

    def write(self, lines: int = LINES) -> None:
        """Add lines."""
        for number in range(lines):
            self.audit.append(self.entry(f"request-{number}"))

    def entry(self, request_id: str) -> Entry:
        """A line."""
        return Entry(Event.TOKEN_ISSUED, self.grant_id, ALICE, "task-service", request_id, datetime.now(UTC))

    def seal(self) -> list[Seal]:
        """Seal all there is."""
        seals = []
        while (seal := self.sealer.seal()) is not None:
            seals.append(seal)
        return seals

    def verify(self, checkpoint: str | None = None) -> tuple[list[Finding], Verified]:
        """Look at everything."""
        with self.database.connection() as connection:
            verifier = AuditVerifier(connection, self.audit, self.keyring)
            return list(verifier.verify(checkpoint)), verifier.seen

    def end(self) -> str:
        """The checkpoint of the last seal."""
        with self.database.connection() as connection:
            return audit_chain.last_seal(connection).checkpoint

    def tamper(self, statement: str) -> None:
        """Do something that no role of the vault's may."""
        self.superuser.execute(statement.encode())


@pytest.fixture
def chain(vault: Replica, database_url: str, postgres_url: str) -> Iterator[Chain]:
    """Three seals over 20 lines each."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, dbname=name, autocommit=True) as superuser:
        made = Chain(vault, superuser)
        for _ in range(3):
            made.write()
            made.seal()
        yield made


def test_what_nobody_touched_is_as_written(chain: Chain) -> None:
    """All lines are under a seal; new ones are looked at too."""
    chain.write(5)
    assert chain.verify() == ([], Verified(seals=3, lines=60, unsealed=5))


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
        ("delete from audit_seals where number = 2", "seals removed: 2 to 2; lines put in afterwards: 21 to 40"),
        ("update audit_seals set lines = lines + 1 where number = 2", "seal changed: 2"),
        ("update audit_seals set chain = sha256('x') where number = 2", "seal changed: 2"),
        ("update audit_seals set key_id = 99 where number = 2", "seal changed: 2"),
        ("update audit_seals set key_id = 1 where number = 2", "seal changed: 2"),
    ],
)
def test_what_was_done_to_a_line_or_seal_is_found(chain: Chain, statement: str, found: str) -> None:
    """And which one it was."""
    if "set id" in statement:
        chain.tamper("alter table audit alter column id drop identity")
    chain.tamper(statement)
    assert "; ".join(str(finding) for finding in chain.verify()[0]).startswith(found)


def test_lines_that_changed_places_are_found(chain: Chain) -> None:
    """Each MAC is right, the order is not."""
    columns = "at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac"
    chain.tamper(
        f"update audit a set ({columns}) = (select {columns} from audit b where b.id = 25 - a.id)"
        " where a.id in (12, 13)"
    )
    assert [str(finding) for finding in chain.verify()[0]] == ["lines reordered or exchanged: among 1 to 20 (seal 1)"]


def test_a_line_put_in_afterwards_is_found(chain: Chain) -> None:
    """Even with a right MAC, under a number that a seal has passed."""
    chain.tamper("delete from audit where id = 10")
    chain.tamper("delete from audit_seals")
    chain.seal()
    for _ in range(audit_chain.MISSING_KEPT + 1):
        with pytest.raises(psycopg.errors.DivisionByZero):
            chain.tamper("with x as (select nextval('audit_id_seq')) select 1 / 0 from x")
    chain.tamper("select setval('audit_id_seq', 1000)")
    chain.write(1)
    chain.seal()
    row = chain.audit.row(chain.entry("forged"))
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    statement = f"insert into audit (id, {names}) overriding system value values (10, {values})"
    chain.superuser.execute(statement.encode(), row)
    assert chain.verify()[0] == [Finding("lines put in afterwards", "10")]


def test_a_cut_end_is_found_by_a_checkpoint(chain: Chain) -> None:
    """Lines and seals are gone together; what was kept elsewhere tells."""
    checkpoint = chain.end()
    assert chain.verify(checkpoint)[0] == []
    chain.tamper("delete from audit where id > 40")
    chain.tamper("delete from audit_seals where number = 3")
    assert chain.verify()[0] == []
    assert [finding.what for finding in chain.verify(checkpoint)[0]] == ["chain cut off or replaced"]


def test_a_transaction_that_commits_late_is_sealed_later(chain: Chain, database_url: str) -> None:
    """Its number is lower than those that were sealed; it is not taken for a forgery."""
    with psycopg.connect(database_url) as late:
        chain.audit.append_within(late, chain.entry("late"))
        chain.write(3)
        (first,) = chain.seal()
        assert (first.missing, first.lines) == ((61,), 3)
        assert chain.verify()[0] == []
        late.commit()
    assert chain.verify()[0] == []
    (second,) = chain.seal()
    assert (second.ids, second.missing) == (((61, 61),), ())
    assert chain.verify() == ([], Verified(seals=5, lines=64))


def test_one_process_seals_at_a_time(chain: Chain) -> None:
    """Others find nothing to do; no line is sealed twice or left out."""
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            chain.write(4)
            list(pool.map(lambda _: chain.sealer.seal(), range(8)))
    chain.seal()
    assert chain.verify() == ([], Verified(seals=chain.verify()[1].seals, lines=80))


def test_old_lines_go_and_their_seals_stay(chain: Chain) -> None:
    """What was pruned is not missed, and nothing else may be."""
    now = datetime.now(UTC)
    assert prune(chain.superuser, chain.keyring, now - timedelta(days=1), now) == (0, 0)
    assert prune(chain.superuser, chain.keyring, now + timedelta(seconds=5), now) == (2, 40)
    chain.write(2)
    chain.seal()
    assert chain.verify() == ([], Verified(seals=4, lines=22, pruned_through=2))
    assert prune(chain.superuser, chain.keyring, now + timedelta(minutes=1), now) == (1, 20)
    chain.tamper("update audit_prunings set through = 4 where through = 3")
    assert "note of a pruning changed" in {finding.what for finding in chain.verify()[0]}


@pytest.mark.parametrize("key_id", [1, 99])
def test_what_is_signed_by_no_audit_key_excuses_nothing(chain: Chain, key_id: int) -> None:
    """A note of a pruning, or a seal, by an empty key under a number that no audit key has."""
    checkpoint = chain.end()
    now = datetime.now(UTC)
    mac = audit_verify._pruning_mac(b"", 3, now)
    chain.superuser.execute("insert into audit_prunings values (3, %s, %s, %s)", [now, key_id, mac])
    chain.tamper("delete from audit")
    assert {finding.what for finding in chain.verify(checkpoint)[0]} == {"note of a pruning changed", "lines removed"}

    chain.tamper("delete from audit_prunings")
    chain.write(1)
    (seal,) = chain.seal()
    forged = audit_chain.signed(replace(seal, number=1, key_id=key_id), b"")
    chain.tamper("delete from audit_seals")
    with chain.superuser.transaction():
        chain.superuser.execute(audit_chain._QUERIES["add_seal"], audit_chain._row(forged))
    assert "seal changed" in {finding.what for finding in chain.verify()[0]}


def test_the_service_can_neither_prune_nor_touch_seals(chain: Chain, database_url: str) -> None:
    """Its role adds and reads."""
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


def test_uses_are_counted_once_sealed_or_not(vault: Replica, chain: Chain) -> None:
    """The seals' counts and the lines since add up."""
    grant_id = vault.grant()
    for expected in range(1, 6):
        vault.issue(grant_id)
        if expected % 2:
            chain.seal()
        grant = vault.manage.find(grant_id, ALICE)
        assert grant.uses == expected
        assert grant.last_used_at is not None


def test_a_backlog_is_sealed_in_parts(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the sealer was away."""
    monkeypatch.setattr(audit_chain, "BATCH_LINES", 7)
    chain.write(20)
    assert [seal.lines for seal in chain.seal()] == [7, 7, 6]
    assert chain.sealer.lag() == 0.0
    assert chain.verify() == ([], Verified(seals=6, lines=80))


def test_fields_of_uses(chain: Chain, rows: Callable[..., list[tuple[object, ...]]]) -> None:
    """One row for each grant, with its last use."""
    (row,) = rows("select grant_id, uses, last_used_at = (select max(at) from audit) from grant_uses")
    assert row == (chain.grant_id, 60, True)
