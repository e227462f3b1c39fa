"""`vault-service keys`: list, rotate, rewrap and retire keys. docs/keys.md says when to do what."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from service_kit.postgres.database import Database
from vault_service import config
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.rewrap import BATCH_ROWS, LOAD, KeyInUseError, Rewrapper, RewrapProgress
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.postgres.database import vault_database
from vault_service.domain.keys import PURPOSES

EX_UNAVAILABLE = 69  # sysexits.h


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = commands.add_parser("keys", help="list, rotate, rewrap and retire the keys that seal tokens")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="all versions and their states").set_defaults(run=_list)
    rotate = actions.add_parser("rotate", help="create a version and make it the active one")
    rotate.add_argument("--purpose", choices=sorted(PURPOSES), default="data", help="default: %(default)s")
    rotate.set_defaults(run=_rotate)
    rewrap = actions.add_parser("rewrap", help="seal all stored values by the active version while the vault serves")
    rewrap.add_argument("--load", type=_share, default=LOAD, help="share of the time to work for; default: %(default)s")
    rewrap.set_defaults(run=_rewrap)
    retire = actions.add_parser("retire", help="destroy a version that seals nothing any more")
    retire.add_argument("id", type=int)
    retire.set_defaults(run=_retire)
    root = actions.add_parser("rewrap-root", help="wrap all keys by a new root key")
    root.add_argument("--new-root-key-file", required=True, help="32 random bytes in base64url, mode 0400")
    root.set_defaults(run=_rewrap_root)


@contextmanager
def _opened(*, as_owner: bool = False) -> Iterator[tuple[Database, Keyring]]:
    """as_owner: with the role that owns the schema, which alone may change keys."""
    settings = config.read()
    url = config.migration_database_url() if as_owner else settings.database_url
    database = vault_database(url.reveal(), name="vault-keys", size=2, statement_timeout=None)
    try:
        yield database, Keyring(database, settings.root_key)
    finally:
        database.close()


def _list(_options: argparse.Namespace) -> int:
    with _opened() as (_, keyring):
        keyring.load()
        versions = keyring.versions()
    for version in versions:
        print(
            f"{version.id:>5}  {version.purpose:<5}  {version.state:<8}  since {version.created_at:%Y-%m-%d %H:%M} UTC"
        )
    return 0


def _rotate(options: argparse.Namespace) -> int:
    with _opened(as_owner=True) as (_, keyring):
        key_id = keyring.rotate(options.purpose)
    print(f"{options.purpose} key {key_id} is active; running processes take it up within a minute")
    return 0


def _share(value: str) -> float:
    share = float(value)
    if not 0.01 <= share <= 1:
        raise argparse.ArgumentTypeError("from 0.01 to 1")
    return share


def _rewrap(options: argparse.Namespace) -> int:
    last: dict[str, RewrapProgress] = {}
    with _opened() as (database, keyring):
        for progress in Rewrapper(database, keyring).run(load=options.load):
            last[progress.table] = progress
            if progress.done % 10_000 < BATCH_ROWS:
                sys.stderr.write(f"  … {progress.table}: {progress.done}\n")
    for progress in last.values():
        print(
            f"{progress.table}: {progress.done} sealed again, {progress.overtaken} changed meanwhile,"
            f" {progress.unreadable} cannot be opened"
        )
    if not last:
        print("everything is sealed by the active key")
    return int(any(progress.unreadable for progress in last.values()))


def _retire(options: argparse.Namespace) -> int:
    if waiting := Spool(config.read().spool_dir).pending():
        sys.stderr.write(
            f"vault-service: {waiting} outcomes wait in VAULT_SPOOL_DIR: start a vault, which stores them\n"
        )
        return EX_UNAVAILABLE
    try:
        with _opened(as_owner=True) as (database, keyring):
            Rewrapper(database, keyring).retire(options.id)
    except KeyInUseError as error:
        sys.stderr.write(f"vault-service: {error}\n")
        return EX_UNAVAILABLE
    print(f"key {options.id} is destroyed")
    return 0


def _rewrap_root(options: argparse.Namespace) -> int:
    try:
        new = LocalRootKey.read(options.new_root_key_file)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"vault-service: --new-root-key-file: {error}\n")
        return EX_UNAVAILABLE
    with _opened(as_owner=True) as (_, keyring):
        count = keyring.rewrap(new)
    print(f"{count} keys are wrapped by the new root key: put it into VAULT_ROOT_KEY_FILE and restart every process")
    return 0
