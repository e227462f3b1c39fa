"""`vault-service audit`: verify the audit, print its last checkpoint, and remove lines that are old enough."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import Database, session
from vault_service import config
from vault_service.adapters.audit.checkpoints import CheckpointWriter, last_checkpoint
from vault_service.adapters.audit.kept import KeptFile, read_lines
from vault_service.adapters.audit.partitions import extend
from vault_service.adapters.audit.pruning import prune
from vault_service.adapters.audit.trail import PostgresAuditTrail
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.postgres.database import vault_database
from vault_service.application.verify_audit import Kept, VerifyAudit
from vault_service.config import VaultSettings

EX_TAMPERED = 3


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = commands.add_parser("audit", help="verify the audit, or remove old lines")
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="find lines that were removed, changed, moved or inserted afterwards")
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        help="one that `audit checkpoint` printed before: the chain must contain it, as it must contain that of"
        " VAULT_CHECKPOINT_FILE",
    )
    verify.add_argument(
        "--log",
        action="append",
        default=[],
        type=Path,
        help="log of a vault, or what its webhook has received: the audit must contain what it tells",
    )
    verify.set_defaults(run=_verify)
    checkpoint = actions.add_parser("checkpoint", help="cover all lines by checkpoints and print the last one")
    checkpoint.add_argument(
        "--accept",
        action="store_true",
        help="after you have restored the database: forget what VAULT_CHECKPOINT_FILE has kept",
    )
    checkpoint.set_defaults(run=_checkpoint)
    pruning = actions.add_parser("prune", help="remove lines that are old enough, as the owner of the schema")
    pruning.add_argument("--days", type=int, help="their least age (default: VAULT_AUDIT_RETENTION_DAYS)")
    pruning.set_defaults(run=_prune)


@contextmanager
def _opened(settings: VaultSettings) -> Iterator[tuple[Database, Keyring]]:
    database = vault_database(settings.database_url.reveal(), name="vault-audit", size=2, statement_timeout=None)
    try:
        yield database, Keyring(database, settings.root_key)
    finally:
        database.close()


def _verify(options: argparse.Namespace) -> int:
    settings = config.read()
    findings = 0
    kept = _kept(settings, options)  # before the snapshot: what was kept is in it
    with _opened(settings) as (_, keyring), psycopg.connect(settings.database_url.reveal()) as connection:
        connection.execute("set transaction isolation level repeatable read")
        verification = VerifyAudit(PostgresAuditTrail(connection), keyring.audit_key)
        for finding in verification.verify(kept):
            findings += 1
            print(finding)
        end, _ = last_checkpoint(connection, keyring)
    seen = verification.seen
    pruned = f", lines up to checkpoint {seen.pruned_through} pruned" if seen.pruned_through else ""
    print(
        f"{seen.lines} lines under {seen.checkpoints} checkpoints, {seen.uncovered} not covered yet{pruned}: ", end=""
    )
    print(f"{findings} findings" if findings else "all as written")
    print(f"checkpoint: {end.reference}")
    return EX_TAMPERED if findings else 0


def _kept(settings: VaultSettings, options: argparse.Namespace) -> Kept:
    """Everything that was kept outside of the database. Raises OSError."""
    file = KeptFile(settings.checkpoint_file).kept()
    references, marks = {*file.references, *options.checkpoint}, dict(file.marks)
    for path in options.log:
        with path.open("rb") as lines:
            told = read_lines(lines)
        references |= told.references
        marks |= {writer: max(mark, marks.get(writer, 0)) for writer, mark in told.marks.items()}
    return Kept(frozenset(references), marks)


def _checkpoint(options: argparse.Namespace) -> int:
    settings = config.read()
    with _opened(settings) as (database, keyring):
        writer = CheckpointWriter(database, keyring, DatabaseClock(database))
        while writer.write_next(wait=True) is not None:
            pass
        with database.connection() as connection:
            end, _ = last_checkpoint(connection, keyring)
    if options.accept:
        KeptFile(settings.checkpoint_file).accept(end.reference)
    print(end.reference)
    return 0


def _prune(options: argparse.Namespace) -> int:
    settings = config.read()
    days = settings.audit_retention_days if options.days is None else options.days
    if days <= 0:
        print("nothing is removed: VAULT_AUDIT_RETENTION_DAYS is 0, which keeps lines for ever")
        return 0
    owner_url = config.migration_database_url().reveal()
    with _opened(settings) as (database, keyring), psycopg.connect(owner_url, **session("vault-prune")) as connection:
        now = DatabaseClock(database).now()
        pruned = prune(connection, keyring, now - timedelta(days=days), now)
        with connection.transaction():
            made = extend(connection)
    print(
        f"removed: {pruned.lines} lines of {pruned.checkpoints} checkpoints older than {days} days;"
        f" partitions: {pruned.partitions} dropped, {made} made"
    )
    return 0
