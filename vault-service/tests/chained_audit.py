"""An audit with checkpoints, and changes that an attacker makes to it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
from replica import ALICE, Replica

from service_kit.postgres.clock import DatabaseClock
from vault_service.adapters.audit import checkpoints
from vault_service.adapters.audit.checkpoints import CheckpointWriter
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.audit.trail import PostgresAuditTrail
from vault_service.application.verify_audit import AuditFinding, Kept, Verified, VerifyAudit
from vault_service.domain.audit import Entry, Event
from vault_service.domain.checkpoints import Checkpoint
from vault_service.domain.writer import Writer

LINES = 20


@dataclass(frozen=True)
class Written:
    """Lines that are there. database: its name; grant_id, writer_id: of the lines; lines: how many."""

    database: str
    grant_id: UUID
    writer_id: UUID
    lines: int

    def writer(self) -> Writer:
        """The process that has written them, to go on."""
        ids = iter([self.writer_id])
        writer = Writer(lambda: next(ids, None) or uuid4())
        for _ in range(self.lines):
            writer.settle(writer.take(), is_recorded=True)
        return writer


class Chain:
    """An audit with checkpoints, and a superuser who can tamper with it. written: the lines that are there already."""

    def __init__(self, vault: Replica, superuser: psycopg.Connection, written: Written | None = None) -> None:
        self.database, _ = vault.databases
        self.keyring = vault.keyring
        self.audit = AuditLog(self.database, self.keyring)
        self.writer = CheckpointWriter(self.database, self.keyring, DatabaseClock(self.database))
        self.superuser = superuser
        self.grant_id = uuid4()
        if written is not None:
            self.grant_id, self.audit.writer = written.grant_id, written.writer()

    def write(self, lines: int = LINES) -> None:
        """Add lines."""
        for number in range(lines):
            self.audit.append(self.entry(f"request-{number}"))

    def entry(self, request_id: str) -> Entry:
        """A line."""
        return Entry(Event.TOKEN_ISSUED, self.grant_id, ALICE, "task-service", request_id, datetime.now(UTC))

    def cover(self) -> list[Checkpoint]:
        """Write checkpoints until all lines are covered."""
        return list(iter(self.writer.write_next, None))

    def verify(
        self, reference: str | None = None, marks: dict[str, int] | None = None
    ) -> tuple[list[AuditFinding], Verified]:
        """Verify the whole audit. reference, marks: what was kept elsewhere."""
        with self.database.connection() as connection:
            verification = VerifyAudit(PostgresAuditTrail(connection), self.keyring.audit_key)
            kept = Kept(frozenset({reference} if reference else ()), marks or {})
            return list(verification.verify(kept)), verification.seen

    def found(self) -> list[str]:
        """The findings of the verification, as text."""
        return [str(finding) for finding in self.verify()[0]]

    def end(self) -> str:
        """The reference of the last checkpoint."""
        with self.database.connection() as connection:
            return checkpoints.last_checkpoint(connection, self.keyring)[0].reference

    def seem_large(self) -> None:
        """Have PostgreSQL plan as for an audit of millions of lines."""
        self.superuser.execute(
            "update pg_class set reltuples = 1000000, relpages = 1 where oid = 'audit_first'::regclass"
            " or oid in (select indexrelid from pg_index where indrelid = 'audit_first'::regclass)"
        )

    def lines_read(self) -> int:
        """How many lines of the audit the superuser's transaction has read so far, by PostgreSQL's own count."""
        row = self.superuser.execute(
            "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables"
            " where relid in (select inhrelid from pg_inherits where inhparent = 'audit'::regclass)"
        ).fetchone()
        return int(row[0]) if row else 0

    def tamper(self, statement: str) -> None:
        """Do something that no role of the vault may do."""
        self.superuser.execute(statement.encode())
