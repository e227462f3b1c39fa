"""`vault-service doctor`: look at everything the vault depends on and say what to do about what is wrong."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis

from service_kit.outbound.session import Session
from service_kit.postgres.database import Database
from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from vault_service import config
from vault_service.adapters.cache.access_tokens import connect_redis
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import WrongRootKeyError
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.provider_errors import ClientRefusedError, GrantRefusedError, ProviderError
from vault_service.config import Settings
from vault_service.provider_file import ProviderSettings

CLOCK_SECONDS = 5.0
SEAL_LAG_SECONDS = 60.0
OUTBOX_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. state: ok, warn (it works, but) or fail; advice: what to do."""

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
    """Print what was found; 1 when something fails. Raises SettingsError."""
    settings = config.read()
    failed = False
    for finding in examine(settings):
        print(finding)
        failed = failed or finding.state == "fail"
    return int(failed)


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything, in the order in which to mend it."""
    yield Finding("ok", "settings", "all can be read")
    database = vault_database(settings.database_url.reveal(), name="vault-doctor", size=1)
    try:
        yield from _database(database, settings)
    except StorageUnavailableError as error:
        yield Finding(
            "fail", "database", f"it does not answer ({error.__cause__ or error})", "check VAULT_DATABASE_URL"
        )
    finally:
        database.close()
    yield _spool(settings)
    yield _redis(settings)
    for name, provider in settings.providers.by_name.items():
        yield from _provider(f"provider {name}", provider)


def _database(database: Database, settings: Settings) -> Iterator[Finding]:
    try:
        MIGRATIONS.check(database)
        yield Finding("ok", "schema", "fits this version")
    except SchemaMismatchError as error:
        yield Finding("fail", "schema", str(error), "run the `migrate` of the version that is to serve")
        return
    try:
        keyring = Keyring(database, settings.root_key)
        keyring.load()
        yield Finding(
            "ok", "root key", f"opens the data keys; new values are sealed by key {keyring.active('data')[0]}"
        )
    except WrongRootKeyError as error:
        advice = "put the right key into VAULT_ROOT_KEY_FILE; docs/operations.md says what to do when it is lost"
        yield Finding("fail", "root key", str(error), advice)
    yield _privileges(database)
    yield _durability(database)
    yield _clock(database)
    yield _outbox(database)
    yield _chain(database)


def _privileges(database: Database) -> Finding:
    query = (
        b"select coalesce(string_agg(p, ', '), '') from unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) p"
        b" where has_table_privilege('audit', p)"
    )
    may = _value(database, query)
    if may:
        advice = "let the service connect as a role that `vault-service migrate` grants its rights to, not as the owner"
        return Finding("fail", "audit", f"the service's role may {may} it", advice)
    return Finding("ok", "audit", "the service's role can only add to it")


def _durability(database: Database) -> Finding:
    query = b"select current_setting('fsync') = 'on' and current_setting('synchronous_commit') <> 'off'"
    if _value(database, query):
        return Finding("ok", "durability", "what is committed is on disk")
    advice = "set fsync = on and synchronous_commit = on: a rotated token or a line of the audit could be lost"
    return Finding("fail", "durability", "PostgreSQL may lose what it has committed", advice)


def _clock(database: Database) -> Finding:
    offset = float(_value(database, b"select extract(epoch from clock_timestamp())::float8")) - time.time()
    if abs(offset) < CLOCK_SECONDS:
        return Finding("ok", "clock", f"the database's is {offset:+.1f} s off this machine's")
    advice = "let both follow a time server; the vault goes by the database's clock, identity tokens by this machine's"
    return Finding("warn", "clock", f"the database's is {offset:+.1f} s off this machine's", advice)


def _outbox(database: Database) -> Finding:
    query = (
        b"select coalesce(extract(epoch from now() - min(created_at)), 0)::float8"
        b" from revocations where done_at is null"
    )
    oldest = float(_value(database, query))
    if oldest < OUTBOX_SECONDS:
        return Finding("ok", "outbox", "no revocation has waited for long")
    return Finding("warn", "outbox", f"a revocation has waited for {oldest / 3600:.0f} h", "is the provider reachable?")


def _chain(database: Database) -> Finding:
    query = (
        b"select coalesce(extract(epoch from now() - min(at)), 0)::float8 from audit"
        b" where id > coalesce((select max(high) from audit_seals), 0)"
    )
    lag = float(_value(database, query))
    if lag < SEAL_LAG_SECONDS:
        return Finding("ok", "audit chain", "its end is sealed")
    return Finding(
        "warn", "audit chain", f"not sealed for {lag:.0f} s", "is a vault running? see its log: background.failed"
    )


def _spool(settings: Settings) -> Finding:
    folder = settings.spool_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        advice = "VAULT_SPOOL_DIR must be writable, on a disk that outlives the process"
        return Finding("fail", "spool", f"{existing} is not writable", advice)
    pending = Spool(folder).pending()
    if pending:
        return Finding(
            "warn", "spool", f"{pending} refreshed tokens wait for the database", "start a vault with this folder"
        )
    return Finding("ok", "spool", "empty and writable")


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("ok", "redis", "none is configured: replicas share no access tokens")
    try:
        connect_redis(settings.redis_url.reveal()).ping()
    except (redis.RedisError, OSError) as error:
        advice = "the vault works without; each process then refreshes for itself"
        return Finding("warn", "redis", f"it does not answer ({type(error).__name__})", advice)
    return Finding("ok", "redis", "answers")


def _provider(name: str, provider: ProviderSettings) -> Iterator[Finding]:
    issuer = Issuer(provider.terms.issuer, provider.internal_url)
    try:
        metadata = issuer.metadata()
    except IssuerMismatchError as error:
        yield Finding("fail", name, str(error), "the issuer must be the `iss` of its tokens, to the letter")
        return
    except IssuerUnavailableError as error:
        yield Finding("fail", name, f"no discovery document ({error})", "check its issuer and its internal URL")
        return
    yield Finding("ok", name, f"its discovery document names {issuer.url}")
    if metadata.revocation_endpoint is None:
        yield Finding("warn", name, "it has no revocation endpoint", "deleted tokens live on there until they expire")
    endpoint = TokenEndpoint(Session(), provider.client_id, provider.client_secret.reveal())
    url = issuer.backchannel(metadata.token_endpoint)
    yield _client(name, lambda: endpoint.tokens(url, {"grant_type": "refresh_token", "refresh_token": "doctor"}))
    advice = "an administrator can look: Refresh Token Max Reuse 1; without it a crash in mid-refresh ends a grant"
    yield Finding("warn", name, "whether it allows one reuse of a refresh token cannot be seen from here", advice)


def _client(name: str, ask: Callable[[], object]) -> Finding:
    """A refresh token that is none: a server that knows the client says `invalid_grant`."""
    try:
        ask()
    except GrantRefusedError:
        return Finding("ok", name, "accepts the vault's client and secret")
    except ClientRefusedError as error:
        return Finding("fail", name, f"refuses the vault's client ({error})", "check the client's id and secret")
    except ProviderError as error:
        return Finding("fail", name, f"its token endpoint is in trouble ({error})", "try again; look at its log")
    return Finding("fail", name, "gives tokens for a refresh token that is none", "do not trust this server")


def _value(database: Database, query: bytes) -> Any:
    row = database.one(query, {})
    return row and row[0]
