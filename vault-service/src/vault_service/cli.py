"""`vault-service`: what operators do beside serving requests."""

import argparse
import sys

import psycopg

from service_kit.settings import SettingsError
from vault_service import config
from vault_service.adapters.migrate import migrate


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="vault-service", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database's schema up to date, as its owner")
    parser.parse_args(arguments)
    return _migrate()


def _migrate() -> int:
    try:
        applied = migrate(config.migration_database_url().reveal())
    except SettingsError as error:
        return _fail(str(error), 78)
    except psycopg.Error as error:
        return _fail(f"the database refuses: {error}".strip(), 75)
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"vault-service: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
