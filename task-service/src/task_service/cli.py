"""`task-service`: what operators do beside serving requests."""

import argparse
import sys

import psycopg

from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.process import logs
from service_kit.process.settings import SettingsError
from task_service import config, doctor, preflight
from task_service.adapters.postgres.database import MIGRATIONS
from task_service.worker.supervisor import supervise


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="task-service", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    migration = commands.add_parser("migrate", help="bring the database's schema up to date, as its owner")
    migration.add_argument("--pre-only", action="store_true", help="only what the running version can live with")
    commands.add_parser("worker", help="run tasks, under a supervisor that restarts what dies")
    commands.add_parser("workers", help="list the workers; 1 when none is alive")
    commands.add_parser("doctor", help="check database, schema, issuer, vault and workers, and say what to do")
    options = parser.parse_args(arguments)
    try:
        if options.command == "migrate":
            return _migrate(pre_only=options.pre_only)
        return {"worker": _work, "workers": doctor.list_workers, "doctor": doctor.run}[options.command]()
    except (SettingsError, SchemaMismatchError) as error:
        return _fail(str(error), 78)


def _migrate(*, pre_only: bool) -> int:
    try:
        applied = MIGRATIONS.apply(config.migration_database_url().reveal(), pre_only=pre_only)
    except psycopg.Error as error:
        return _fail(f"the database refuses: {error}".strip(), 75)
    print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    return 0


def _work() -> int:
    preflight.check()
    settings = config.read()
    logs.configure("worker", settings.log_level)
    return supervise(settings)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"task-service: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
