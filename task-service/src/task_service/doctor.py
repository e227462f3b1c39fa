"""`task-service doctor` and `task-service workers`: what operators look at first, and what to do about it."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from service_kit.outbound.session import Session
from service_kit.postgres import queries
from service_kit.postgres.database import Database
from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from task_service import config
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.results.stores import store_at
from task_service.adapters.vault.credentials import own_credentials
from task_service.application.errors import ResultStoreUnavailableError, TaskStorageUnavailableError
from task_service.application.recover import COUNT_AT_MOST, SILENT_SECONDS
from task_service.config import TaskSettings
from token_vault_client import TokenVaultClient, VaultError, VaultUnavailable

_SQL = queries.load(__package__, "doctor.sql")
CLOCK_SECONDS = 5.0
LATE_SECONDS = 60.0
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class TaskServiceDiagnosis:
    """The result of one check. state: `ok`, `warn` (the service works, but…) or `fail`; advice: what to do."""

    state: str
    subject: str
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"\n       → {self.advice}" if self.advice else ""
        return f"{self.state:<5}  {self.subject}: {self.detail}{advice}"


def run() -> int:
    """Print the result of each check; 1 when one fails. Raises SettingsError."""
    failed = False
    for diagnosis in examine(config.read()):
        print(diagnosis)
        failed = failed or diagnosis.state == "fail"
    return int(failed)


def list_workers() -> int:
    """Print a line for each worker; 1 when none is alive, 75 when the database does not answer."""
    database = tasks_database(config.read().database_url.reveal(), name="tasks-workers", size=1)
    try:
        workers = ProcrastinateWatch(database).workers()
    except TaskStorageUnavailableError as error:
        sys.stderr.write(f"task-service: {error}\n")
        return 75
    finally:
        database.close()
    for worker in workers:
        state = "alive" if worker.silent < SILENT_SECONDS else "silent"
        print(f"worker {worker.id}: {state}, last heartbeat {worker.silent:.0f} s ago, {worker.jobs} attempts")
    alive = [worker for worker in workers if worker.silent < SILENT_SECONDS]
    if not alive:
        print("no worker is alive: start `task-service worker`")
    return 0 if alive else 1


def examine(settings: TaskSettings) -> Iterator[TaskServiceDiagnosis]:
    """All checks, in the order in which to repair what fails."""
    yield TaskServiceDiagnosis("ok", "settings", "all can be read")
    database = tasks_database(settings.database_url.reveal(), name="tasks-doctor", size=1)
    try:
        yield from _database(database)
    except TaskStorageUnavailableError as error:
        yield TaskServiceDiagnosis(
            "fail", "database", f"it does not answer ({error.__cause__ or error})", "check TASK_DATABASE_URL"
        )
    finally:
        database.close()
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    yield _issuer(issuer)
    yield _vault(settings, issuer)
    if settings.results:
        yield _results(settings.results)


def _results(place: str) -> TaskServiceDiagnosis:
    """A file is written, read and removed, as a worker and the API would."""
    key, content = uuid4(), b"written by `task-service doctor`"
    try:
        store = store_at(place)
        store.put(key, content)
        is_same = store.get(key) == content
        store.remove(key)
    except (ValueError, ResultStoreUnavailableError) as error:
        advice = "workers must be able to write it, the API to read it: check TASK_RESULTS, its rights and credentials"
        return TaskServiceDiagnosis("warn", "results", f"{place}: {error.__cause__ or error}", advice)
    if is_same:
        return TaskServiceDiagnosis("ok", "results", f"{place} keeps files")
    return TaskServiceDiagnosis("warn", "results", f"{place} gives another content back", "check TASK_RESULTS")


def _database(database: Database) -> Iterator[TaskServiceDiagnosis]:
    try:
        MIGRATIONS.check(database)
        yield TaskServiceDiagnosis("ok", "schema", "fits this version")
    except SchemaMismatchError as error:
        yield TaskServiceDiagnosis(
            "fail", "schema", str(error), "run `task-service migrate` of the version that is to serve"
        )
        return
    yield _session(database)
    yield _clock(database)
    yield from _work(database)


def _session(database: Database) -> TaskServiceDiagnosis:
    """Behind a pooler in transaction mode, statements of one session meet another's, and notifications get lost."""
    row = database.one(_SQL["session"], {})
    if row and row[0] == "tasks-doctor":
        return TaskServiceDiagnosis("ok", "connection", "keeps its session")
    advice = "connect to PostgreSQL directly, or let the pooler pool sessions"
    return TaskServiceDiagnosis("fail", "connection", "loses its session's settings: a pooler is in between", advice)


def _clock(database: Database) -> TaskServiceDiagnosis:
    row = database.one(_SQL["clock"], {})
    offset = float(row[0] if row else 0.0) - time.time()
    detail = f"the database's clock is {offset:+.1f} s off this machine's"
    if abs(offset) < CLOCK_SECONDS:
        return TaskServiceDiagnosis("ok", "clock", detail)
    return TaskServiceDiagnosis(
        "warn",
        "clock",
        detail,
        "let the database follow a time server, as the issuer does: all times are judged by its clock",
    )


def _work(database: Database) -> Iterator[TaskServiceDiagnosis]:
    watch = ProcrastinateWatch(database)
    alive = sum(worker.silent < SILENT_SECONDS for worker in watch.workers())
    waiting = watch.waiting(COUNT_AT_MOST)
    queue = f"{waiting}{' or more' if waiting == COUNT_AT_MOST else ''} attempts wait"
    if alive:
        yield TaskServiceDiagnosis("ok", "workers", f"{alive} alive; {queue}")
    else:
        yield TaskServiceDiagnosis(
            "fail", "workers", f"none is alive; {queue}", "start `task-service worker` on some host"
        )
    row = database.one(_SQL["late"], {})
    late = float(row[0]) if row and row[0] is not None else 0.0
    if late < LATE_SECONDS:
        yield TaskServiceDiagnosis("ok", "schedules", "none is late")
    else:
        advice = "workers make their runs: see whether one is alive, and what its log says"
        yield TaskServiceDiagnosis("warn", "schedules", f"a run has been due for {late:.0f} s", advice)


def _issuer(issuer: Issuer) -> TaskServiceDiagnosis:
    try:
        issuer.metadata()
    except IssuerMismatchError as error:
        return TaskServiceDiagnosis("fail", "issuer", str(error), "set ISSUER to the name in its tokens")
    except IssuerUnavailableError as error:
        return TaskServiceDiagnosis("fail", "issuer", str(error), "check ISSUER and ISSUER_INTERNAL_URL")
    return TaskServiceDiagnosis("ok", "issuer", "answers")


def _vault(settings: TaskSettings, issuer: Issuer) -> TaskServiceDiagnosis:
    """Asks for a token that does not exist: a vault that accepts the service's credentials answers 404."""
    credentials = own_credentials(issuer, settings.client_id, settings.client_secret, dpop=settings.dpop)
    vault = TokenVaultClient(settings.vault_url, credentials, session=Session(), patience=0.0, cache=None)
    try:
        vault.access_token(NOBODY, "nobody")
    except VaultUnavailable as error:
        return TaskServiceDiagnosis("fail", "vault", f"it does not answer ({error})", "check VAULT_URL")
    except VaultError as error:
        if error.code == "token_not_found":
            return TaskServiceDiagnosis("ok", "vault", "answers, and lets this service get access tokens")
        advice = "give the client of TASK_SERVICE_CLIENT_ID the vault's role, and check its secret"
        return TaskServiceDiagnosis("fail", "vault", f"refuses this service ({error.code})", advice)
    return TaskServiceDiagnosis("ok", "vault", "answers")
