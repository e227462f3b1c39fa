"""`vault-service audit`: verify the chain, print its end, and remove lines that are old enough."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from vault_service import config
from vault_service.adapters.audit.chain import AuditSealer, last_seal
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.audit.verify import AuditVerifier, prune
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.postgres.clock import DatabaseClock
from vault_service.adapters.postgres.database import vault_database

EX_TAMPERED = 3


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = commands.add_parser("audit", help="verify the audit's chain, or remove old lines")
    actions = parser.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="find lines that were removed, changed, moved or put in afterwards")
    verify.add_argument("--checkpoint", help="one that `audit checkpoint` printed before: the chain must contain it")
    verify.set_defaults(run=_verify)
    checkpoint = actions.add_parser("checkpoint", help="seal what is there and print the end of the chain")
    checkpoint.set_defaults(run=_checkpoint)
    pruning = actions.add_parser("prune", help="remove lines that are old enough, as the schema's owner")
    pruning.add_argument("--days", type=int, help="their least age (default: VAULT_AUDIT_RETENTION_DAYS)")
    pruning.set_defaults(run=_prune)


def _verify(options: argparse.Namespace) -> int:
    settings = config.read()
    database = vault_database(settings.database_url.reveal(), name="vault-audit", size=2, statement_timeout=None)
    keyring = Keyring(database, settings.root_key)
    findings = 0
    with psycopg.connect(settings.database_url.reveal()) as connection:
        connection.execute("set transaction isolation level repeatable read")
        verifier = AuditVerifier(connection, AuditLog(database, keyring), keyring)
        for finding in verifier.verify(options.checkpoint):
            findings += 1
            print(finding)
        end = last_seal(connection)
    seen = verifier.seen
    pruned = f", lines of the seals up to {seen.pruned_through} pruned" if seen.pruned_through else ""
    print(f"{seen.lines} lines under {seen.seals} seals, {seen.unsealed} not sealed yet{pruned}: ", end="")
    print(f"{findings} findings" if findings else "all as written")
    print(f"checkpoint: {end.checkpoint}")
    database.close()
    return EX_TAMPERED if findings else 0


def _checkpoint(_: argparse.Namespace) -> int:
    settings = config.read()
    database = vault_database(settings.database_url.reveal(), name="vault-audit", size=2, statement_timeout=None)
    sealer = AuditSealer(database, Keyring(database, settings.root_key), DatabaseClock(database))
    while sealer.seal() is not None:
        pass
    with database.connection() as connection:
        print(last_seal(connection).checkpoint)
    database.close()
    return 0


def _prune(options: argparse.Namespace) -> int:
    settings = config.read()
    days = settings.audit_retention_days if options.days is None else options.days
    if days <= 0:
        print("nothing is removed: VAULT_AUDIT_RETENTION_DAYS is 0, which means for ever")
        return 0
    database = vault_database(settings.database_url.reveal(), name="vault-audit", size=2, statement_timeout=None)
    keyring = Keyring(database, settings.root_key)
    now = datetime.now(UTC)
    with psycopg.connect(config.migration_database_url().reveal(), autocommit=True) as connection:
        seals, lines = prune(connection, keyring, now - timedelta(days=days), now)
    database.close()
    print(f"removed: {lines} lines of {seals} seals older than {days} days; the seals stay")
    return 0
