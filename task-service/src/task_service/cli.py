"""`task-service`: what operators do beside serving requests."""

import argparse
import sys

import psycopg

from service_kit import logs
from service_kit.settings import SettingsError
from task_service import config, preflight, worker
from task_service.adapters.migrate import SchemaMismatchError, migrate


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="task-service", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database's schema up to date, as its owner")
    commands.add_parser("worker", help="run tasks, under a supervisor that restarts what dies")
    command = parser.parse_args(arguments).command
    try:
        return _migrate() if command == "migrate" else _work()
    except (SettingsError, SchemaMismatchError) as error:
        return _fail(str(error), 78)


def _migrate() -> int:
    try:
        applied = migrate(config.migration_database_url().reveal())
    except psycopg.Error as error:
        return _fail(f"the database refuses: {error}".strip(), 75)
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0


def _work() -> int:
    preflight.check()
    settings = config.read()
    logs.configure("worker", settings.log_level)
    return worker.supervise(settings)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"task-service: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
