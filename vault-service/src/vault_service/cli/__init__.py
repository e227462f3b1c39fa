"""`vault-service`: the commands for operators, one module for each."""

import argparse
import sys

import psycopg

from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.process.settings import SettingsError
from vault_service.adapters.encryption.root_key import WrongRootKeyError
from vault_service.application.errors import StorageUnavailableError
from vault_service.cli import audit, doctor, grants, keys, migrate

COMMANDS = (migrate, doctor, keys, audit, grants)

EX_TEMPFAIL = 75  # sysexits.h: try again later
EX_CONFIG = 78  # sysexits.h: the configuration is unusable


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="vault-service", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except (SettingsError, WrongRootKeyError, SchemaMismatchError) as error:
        return _fail(str(error), EX_CONFIG)
    except (psycopg.Error, StorageUnavailableError) as error:
        return _fail(f"the database refuses: {error}".strip(), EX_TEMPFAIL)
    return status


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"vault-service: {message}\n")
    return status
