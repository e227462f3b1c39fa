"""`vault-service migrate`: bring the schema up to date."""

import argparse
from typing import Any

from vault_service import config
from vault_service.adapters.postgres.database import MIGRATIONS


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = commands.add_parser("migrate", help="bring the schema of the database up to date, as its owner")
    parser.add_argument("--pre-only", action="store_true", help="only what the running version can live with")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Apply the missing migrations. Raises SettingsError, SchemaMismatchError, psycopg.Error."""
    applied = MIGRATIONS.apply(config.migration_database_url().reveal(), pre_only=options.pre_only)
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0
