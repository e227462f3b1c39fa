"""`vault-service doctor`: check everything that the vault depends on, and say how to repair what is wrong."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import redis

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.tokens.issuer import IssuerMismatchError, IssuerUnavailableError
from vault_service import config
from vault_service.adapters.cache.access_tokens import connect_redis
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import WrongRootKeyError
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.adapters.provider.authorization_server import AuthorizationServer
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.provider_errors import (
    GrantRefusedError,
    ProviderError,
    RefusedForNowError,
    VaultClientRefusedError,
)
from vault_service.bootstrap.providers import authorization_servers
from vault_service.config import VaultSettings
from vault_service.domain.grant import RefreshToken

CLOCK_SECONDS = 5.0
CHECKPOINT_LAG_SECONDS = 60.0
OUTBOX_SECONDS = 3600.0

_QUERIES = queries.load(__package__, "doctor.sql")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check. state: `ok`, `warn` (the vault works, but…) or `fail`; advice: what to do."""

    state: str
    subject: str
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"\n       → {self.advice}" if self.advice else ""
        return f"{self.state:<5}  {self.subject}: {self.detail}{advice}"


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="check keys, database, Redis and provider, and say what to do")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the result of each check; 1 when one fails. Raises SettingsError."""
    settings = config.read()
    failed = False
    for diagnosis in examine(settings):
        print(diagnosis)
        failed = failed or diagnosis.state == "fail"
    return int(failed)


def examine(settings: VaultSettings) -> Iterator[Diagnosis]:
    """All checks, in the order in which to repair what fails."""
    yield Diagnosis("ok", "settings", "all can be read")
    database = vault_database(settings.database_url.reveal(), name="vault-doctor", size=1)
    try:
        yield from _database(database, settings)
    except StorageUnavailableError as error:
        yield Diagnosis(
            "fail", "database", f"it does not answer ({error.__cause__ or error})", "check VAULT_DATABASE_URL"
        )
    finally:
        database.close()
    yield _spool(settings)
    yield _redis(settings)
    for name, server in authorization_servers(settings, time.time).items():
        yield from _provider(f"provider {name}", server)


def _database(database: Database, settings: VaultSettings) -> Iterator[Diagnosis]:
    try:
        MIGRATIONS.check(database)
        yield Diagnosis("ok", "schema", "fits this version")
    except SchemaMismatchError as error:
        yield Diagnosis("fail", "schema", str(error), "run the `migrate` of the version that is to serve")
        return
    try:
        keyring = Keyring(database, settings.root_key)
        keyring.load()
        yield Diagnosis(
            "ok", "root key", f"opens the data keys; new values are sealed by key {keyring.active('data')[0]}"
        )
    except WrongRootKeyError as error:
        advice = "put the right key into VAULT_ROOT_KEY_FILE; docs/operations.md says what to do when it is lost"
        yield Diagnosis("fail", "root key", str(error), advice)
    yield _privileges(database)
    yield _durability(database)
    yield _clock(database)
    yield _outbox(database)
    yield _checkpoints(database)


def _privileges(database: Database) -> Diagnosis:
    if may := _value(database, "excess_privileges"):
        advice = "let the service connect as a role that `vault-service migrate` grants its rights to, not as the owner"
        return Diagnosis("fail", "audit", f"the service's role may {may} it", advice)
    return Diagnosis("ok", "audit", "the service's role can only add to it")


def _durability(database: Database) -> Diagnosis:
    if _value(database, "is_durable"):
        return Diagnosis("ok", "durability", "what is committed is on disk")
    advice = "set fsync = on and synchronous_commit = on: a rotated token or a line of the audit could be lost"
    return Diagnosis("fail", "durability", "PostgreSQL can lose what it has committed", advice)


def _clock(database: Database) -> Diagnosis:
    offset = float(_value(database, "clock")) - time.time()
    detail = f"the database's clock is {offset:+.1f} s off this machine's"
    if abs(offset) < CLOCK_SECONDS:
        return Diagnosis("ok", "clock", detail)
    advice = "let the database follow a time server, as authorization servers do: all times are judged by its clock"
    return Diagnosis("warn", "clock", detail, advice)


def _outbox(database: Database) -> Diagnosis:
    oldest = float(_value(database, "oldest_revocation"))
    if oldest < OUTBOX_SECONDS:
        return Diagnosis("ok", "outbox", "no revocation has waited for long")
    detail = f"a revocation has waited for {oldest / 3600:.0f} h"
    return Diagnosis("warn", "outbox", detail, "check that the vault can reach the provider")


def _checkpoints(database: Database) -> Diagnosis:
    lag = float(_value(database, "checkpoint_lag"))
    if lag < CHECKPOINT_LAG_SECONDS:
        return Diagnosis("ok", "audit chain", "checkpoints cover its lines")
    advice = "check that a vault is running, and look for `background.failed` in its log"
    return Diagnosis("warn", "audit chain", f"no checkpoint was written for {lag:.0f} s", advice)


def _spool(settings: VaultSettings) -> Diagnosis:
    folder = settings.spool_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        advice = "VAULT_SPOOL_DIR must be writable, on a disk that outlives the process"
        return Diagnosis("fail", "spool", f"{existing} is not writable", advice)
    pending = Spool(folder).pending()
    if pending:
        return Diagnosis(
            "warn", "spool", f"{pending} refreshed tokens wait for the database", "start a vault with this folder"
        )
    return Diagnosis("ok", "spool", "empty and writable")


def _redis(settings: VaultSettings) -> Diagnosis:
    if settings.redis_url is None:
        return Diagnosis("ok", "redis", "not configured: replicas share no access tokens")
    try:
        connect_redis(settings.redis_url.reveal()).ping()
    except (redis.RedisError, OSError) as error:
        advice = "the vault works without it, but each process refreshes for itself"
        return Diagnosis("warn", "redis", f"it does not answer ({type(error).__name__})", advice)
    return Diagnosis("ok", "redis", "answers")


def _provider(name: str, server: AuthorizationServer) -> Iterator[Diagnosis]:
    try:
        server.ping()
    except IssuerMismatchError as error:
        yield Diagnosis("fail", name, str(error), "the issuer must equal the `iss` of its tokens exactly")
        return
    except IssuerUnavailableError as error:
        yield Diagnosis("fail", name, f"no discovery document ({error})", "check its issuer and its internal URL")
        return
    yield Diagnosis("ok", name, "its endpoints are known")
    if not server.can_revoke():
        yield Diagnosis("warn", name, "it has no revocation endpoint", "revoked tokens live on there until they expire")
    unknown = RefreshToken("doctor")
    yield _client(name, lambda: server.refresh(unknown, None, monotonic()))
    advice = "ask its administrator (Keycloak: Refresh Token Max Reuse 1): without it a crash can end a grant"
    yield Diagnosis("warn", name, "the vault cannot see whether it allows one reuse of a refresh token", advice)


def _client(name: str, ask: Callable[[], object]) -> Diagnosis:
    """ask: sends a refresh token that does not exist. A server that knows the client answers `invalid_grant`."""
    try:
        ask()
    except (GrantRefusedError, RefusedForNowError):
        return Diagnosis("ok", name, "accepts the vault's client and secret")
    except VaultClientRefusedError as error:
        return Diagnosis("fail", name, f"refuses the vault's client ({error})", "check the client's id and secret")
    except ProviderError as error:
        return Diagnosis("fail", name, f"its token endpoint fails ({error})", "try again, and look at its log")
    return Diagnosis("fail", name, "gives tokens for a refresh token that does not exist", "do not trust this server")


def _value(database: Database, query: str) -> Any:
    row = database.one(_QUERIES[query], {})
    return row and row[0]
