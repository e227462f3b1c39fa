"""The audit's partitions: they are made ahead of the lines, and pruning drops whole ones."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from uuid import uuid4

import psycopg
import pytest
from chained_audit import Chain

from vault_service.adapters.audit import partitions
from vault_service.adapters.audit.partitions import AHEAD, LEAST_LINES, Partition, extend
from vault_service.adapters.audit.pruning import prune

THIS = "0040_audit_partitions.pre.sql"


def names(chain: Chain) -> list[str]:
    """The names of all partitions, the oldest first."""
    return [each.name for each in partitions.partitions(chain.superuser)]


def extended(chain: Chain) -> int:
    """The number of partitions that are made now."""
    with chain.superuser.transaction():
        return extend(chain.superuser)


def test_partitions_are_made_ahead_and_once(chain: Chain) -> None:
    """The lines of the next days have theirs; all partitions together take every number."""
    assert extended(chain) == AHEAD
    assert extended(chain) == 0
    found = partitions.partitions(chain.superuser)
    assert [each.first for each in found[1:]] == [each.end for each in found[:-1]]
    assert found[0] == Partition("audit_first", None, LEAST_LINES)
    assert found[-1] == Partition("audit_rest", (AHEAD + 1) * LEAST_LINES, None)
    chain.write()
    assert chain.found() == []


def test_a_busy_day_makes_larger_partitions(chain: Chain) -> None:
    """A partition is for the lines of a day."""
    chain.tamper("update audit_seals set lines = 5000000 where number = 2")
    extended(chain)
    assert {each.end - each.first for each in partitions.partitions(chain.superuser)[1:-1]} == {5_000_040}


def test_pruning_drops_a_partition_whose_lines_are_all_old(chain: Chain) -> None:
    """The lines of the others are deleted; the rest of the audit is as written."""
    chain.tamper(f"select setval('audit_id_seq', {LEAST_LINES - 10})")
    chain.write(20)
    chain.cover()
    extended(chain)
    chain.write(20)
    chain.cover()
    now = datetime.now(UTC)
    assert "audit_first" in names(chain)
    assert prune(chain.superuser, chain.keyring, now + timedelta(minutes=1), now) == (4, 80, 1)
    assert "audit_first" not in names(chain)
    assert chain.superuser.execute("select count(*), min(id) from audit").fetchone() == (20, LEAST_LINES + 11)
    chain.write(5)
    assert chain.found() == []


def test_a_partition_with_a_line_that_stays_is_not_dropped(chain: Chain) -> None:
    """The partition's old lines are deleted."""
    now = datetime.now(UTC)
    assert prune(chain.superuser, chain.keyring, now + timedelta(minutes=1), now) == (2, 40, 0)
    assert names(chain)[0] == "audit_first"
    assert chain.superuser.execute("select count(*) from audit").fetchone() == (20,)


def test_pruning_reads_no_line_that_stays(chain: Chain) -> None:
    """However many checkpoints it prunes."""
    before = datetime.now(UTC)
    chain.seem_large()
    with chain.superuser.transaction():
        pruned = prune(chain.superuser, chain.keyring, before, before)
        assert pruned == (2, 40, 0)
        assert chain.lines_read() <= pruned.lines


def test_lines_that_nobody_made_a_partition_for_are_kept(chain: Chain) -> None:
    """The last partition takes them; when the table is extended at last, it becomes one with an end."""
    chain.tamper(f"select setval('audit_id_seq', {LEAST_LINES - 1})")
    chain.write(20)
    assert chain.superuser.execute("select count(*) from audit_rest").fetchone() == (20,)
    assert extended(chain) > 0
    assert chain.superuser.execute("select count(*) from audit_rest").fetchone() == (0,)
    assert chain.superuser.execute("select count(*) from audit").fetchone() == (80,)
    chain.write(20)
    chain.cover()
    assert chain.found() == []


def test_the_service_reaches_no_partition_by_itself(chain: Chain, database_url: str) -> None:
    """Not the first one, which was a table with privileges, nor those that are made later."""
    extended(chain)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in names(chain):
            for statement in (f"insert into {name} (at) values (now())", f"select * from {name}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


@pytest.fixture
def older(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A database as the version before the partitions has left it."""
    name = f"older_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as superuser:
        superuser.execute(f"create database {name}".encode())
        try:
            with psycopg.connect(postgres_url, dbname=name, autocommit=True) as connection:
                connection.execute("create table schema_migrations (name text, applied_at timestamptz default now())")
                migrations = files("vault_service.migrations")
                earlier = (each for each in migrations.iterdir() if each.name.endswith(".sql") and each.name < THIS)
                for each in sorted(earlier, key=lambda each: each.name):
                    connection.execute(each.read_bytes())
                yield connection
        finally:
            superuser.execute(f"drop database {name} with (force)".encode())


def test_the_lines_that_there_are_keep_their_numbers(older: psycopg.Connection) -> None:
    """And the next line has the next number, in a table that had lines and in one that had none."""
    line = (
        b"insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)"
        b" values (now(), 'token.issued', gen_random_uuid(), 'i', 's', 'a', 'r', 'ok', 2, '') returning id"
    )
    ids = [older.execute(line).fetchone() for _ in range(3)]
    older.execute((files("vault_service.migrations") / THIS).read_bytes())
    ids += [older.execute(line).fetchone() for _ in range(2)]
    assert ids == [(1,), (2,), (3,), (4,), (5,)]
    assert older.execute("select id from audit order by id").fetchall() == ids
    assert older.execute("select count(*) from pg_indexes where tablename = 'audit_first'").fetchone() == (2,)
