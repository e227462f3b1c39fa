"""The one place that wires adapters to use cases. Nothing connects here: pools and clients open when first used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from service_kit.outbound.session import Session
from service_kit.postgres.clock import DatabaseClock
from service_kit.process import logs
from service_kit.process.settings import SettingsError
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.dpop import ProofChecker, ProofsInMemory
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError, demand_no_mismatch
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.identity.userinfo import UserinfoEndpoint
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.dependencies import PostgresDependencies
from task_service.adapters.postgres.history import PostgresHistory
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.receipts import PostgresReceipts
from task_service.adapters.postgres.results import PostgresResultFiles
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.adapters.postgres.token_statuses import PostgresTokenStatuses
from task_service.adapters.results.stores import store_at
from task_service.adapters.vault.client import TicketsOverHttp, VaultOverHttp
from task_service.adapters.vault.credentials import own_credentials
from task_service.application.access import AttemptAccess
from task_service.application.batch import BatchTasks
from task_service.application.cursors import Cursors
from task_service.application.dependencies import CarryOn, ManageDependencies
from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import Handler
from task_service.application.history import CleanHistory, ReadHistory
from task_service.application.journal import GroupedJournal
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks
from task_service.application.ports.attempts import ResultStore
from task_service.application.ports.recovery import RetryStore
from task_service.application.progress import GroupedProgress
from task_service.application.recover import Recover, SilentWorkers
from task_service.application.results import CleanResults, ReadResults, StoreResults
from task_service.application.run_attempt import RunAttempt
from task_service.application.schedules import ManageSchedules, Tick
from task_service.application.token_status import RefreshTokenStatuses
from task_service.config import TaskSettings
from task_service.domain.attempt import AttemptKey
from task_service.domain.fairness import OwnerLimits
from task_service.executors.base import ElsewhereHandler, Executor
from task_service.executors.kubernetes_objects import PodSettings
from task_service.executors.order import Sandbox, Servers
from task_service.executors.registry import LOCAL, ExecutorSettings, executor_of, executors_by_kind
from task_service.http.service import TaskService
from task_service.kinds import registry
from task_service.kinds.base import Kind, KindSettings, Tools
from task_service.kinds.registry import HereHandler, Kinds
from token_vault_client import Credentials, TicketCredentials, TokenVaultClient

log = logs.get(__name__)

WORKER_ANSWER_SECONDS = 20.0
"""How long a worker waits for the vault, which may refresh a token meanwhile."""
REQUEST_LOCK_SECONDS = 1.5
"""How long a request waits for a locked row: less than others wait for a connection, so that one owner's rows that a
forgotten transaction has locked refuse that owner only."""
VAULT_ANSWER_BYTES = 4 << 20
"""A page of many tokens is larger than other answers."""
CLOCK_SECONDS = 10.0
"""How often a process reads the database's clock, by which it judges tokens."""
STATUS_ANSWER_SECONDS = 5.0
"""How long a request of a person's waits for the vault."""


@dataclass(frozen=True)
class WorkerParts:
    """The wired parts of a worker. close: ends their connections."""

    run: RunAttempt
    progress: GroupedProgress
    journal: GroupedJournal
    access: AttemptAccess
    history: CleanHistory
    clean_results: Callable[[], None] | None
    recover: Recover
    schedules: Tick
    dependencies: CarryOn
    retries: RetryStore
    close: Callable[[], None]


def check(settings: TaskSettings) -> None:
    """Check schema and issuer before anything is served. Raises SchemaMismatchError, IssuerMismatchError.

    So are kinds and executors: SettingsError when one cannot be used. An unreachable database or authorization server
    is logged; it is checked when it is used.
    """
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    kinds = _kinds(settings, issuer, Session())
    executors_of(settings, placed(settings, kinds))
    result_store(settings)
    database = tasks_database(settings.database_url.reveal(), name="tasks-preflight", size=1)
    try:
        MIGRATIONS.check(database)
    except TaskStorageUnavailableError as error:
        log.warning("tasks.database_unavailable", reason=str(error))
    finally:
        database.close()
    try:
        issuer.metadata()
    except IssuerUnavailableError as error:
        log.warning("tasks.issuer_unavailable", reason=str(error))


def build_service(settings: TaskSettings) -> TaskService:
    """Wire the HTTP side."""
    database = tasks_database(
        settings.database_url.reveal(), name="tasks", size=settings.threads + 2, lock_timeout=REQUEST_LOCK_SECONDS
    )
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    credentials = _own_credentials(issuer, settings)
    vault = VaultOverHttp(
        _vault_client(settings, credentials, Session(max_answer_bytes=VAULT_ANSWER_BYTES), STATUS_ANSWER_SECONDS)
    )
    limits = OwnerLimits(settings.owner_tasks, settings.owner_open_tasks)
    tasks, runs, listed = PostgresTasks(database, limits), PostgresRuns(database, limits), PostgresTaskList(database)
    token_statuses = RefreshTokenStatuses(PostgresTokenStatuses(database), vault)
    kinds = _kinds(settings, issuer, Session())
    catalogue = Kinds(kinds, placed(settings, kinds))
    manage, cursors = ManageTasks(tasks, token_statuses, vault, catalogue), Cursors(settings.client_secret.reveal())
    return TaskService(
        verifier=_verifier(settings, issuer, DatabaseClock(database, CLOCK_SECONDS)),
        tasks=manage,
        listing=ListTasks(listed, token_statuses, cursors),
        execution=ExecuteTasks(tasks, runs, vault),
        schedules=ManageSchedules(tasks, PostgresSchedules(database), vault),
        dependencies=ManageDependencies(PostgresDependencies(database)),
        history=ReadHistory(PostgresHistory(database)),
        batch=BatchTasks(manage, partial(ExecuteTasks, tasks, runs), vault, listed, cursors),
        receipts=PostgresReceipts(database),
        results=ReadResults(PostgresResultFiles(database), result_store(settings)),
        pings={
            "database": database.ping,
            "schema": partial(MIGRATIONS.check, database),
            "issuer": partial(demand_no_mismatch, issuer.metadata),
        },
        useful={"worker": ProcrastinateWatch(database).demand_worker},
        close=database.close,
    )


def build_work(settings: TaskSettings) -> WorkerParts:
    """Wire the worker's side, with every kind that is installed."""
    database = tasks_database(settings.database_url.reveal(), name="worker", size=settings.concurrency + 2)
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    attempts = PostgresAttempts(database)
    progress = GroupedProgress(attempts)
    past = PostgresHistory(database)
    journal = GroupedJournal(past)
    session = Session(max_answer_bytes=VAULT_ANSWER_BYTES)
    vault = _vault_client(settings, _own_credentials(issuer, settings), session)
    access = AttemptAccess(
        TicketsOverHttp(vault, lambda text: _vault_client(settings, TicketCredentials(text), session))
    )
    handlers = handlers_of(settings, _kinds(settings, issuer, session))
    recover = Recover(ProcrastinateWatch(database), attempts, SilentWorkers(), _log_takeover, access.end_soon)
    files, store = PostgresResultFiles(database), result_store(settings)
    return WorkerParts(
        run=RunAttempt(attempts, progress, journal, access, handlers, StoreResults(attempts, files, store)),
        progress=progress,
        journal=journal,
        access=access,
        clean_results=CleanResults(files, store).clean if store else None,
        history=CleanHistory(past, PostgresReceipts(database), settings.history_days),
        recover=recover,
        schedules=Tick(PostgresSchedules(database)),
        dependencies=CarryOn(PostgresDependencies(database)),
        retries=attempts,
        close=database.close,
    )


def result_store(settings: TaskSettings) -> ResultStore | None:
    """The store of results that are files; None without one. Raises SettingsError."""
    try:
        return store_at(settings.results) if settings.results else None
    except ValueError as fault:
        raise SettingsError(f"TASK_RESULTS: {fault}") from None


def kind_settings(settings: TaskSettings) -> KindSettings:
    """The settings of kinds, which travel to the place where a task runs."""
    return KindSettings(
        demo_step_seconds=settings.demo_step_seconds,
        http_origins=settings.http_origins,
        http_networks=settings.http_networks,
        http_seconds=settings.http_seconds,
        functions=settings.functions,
        notebooks=settings.notebooks,
    )


def handlers_of(settings: TaskSettings, kinds: Mapping[str, Kind[Any]]) -> Mapping[str, Handler]:
    """The handlers by kind: the kind itself in this process, or its executor."""
    places = placed(settings, kinds)
    executors = executors_of(settings, places)
    servers = Servers(
        vault_url=settings.elsewhere_vault_url or settings.vault_url,
        issuer=settings.issuer,
        issuer_internal_url=settings.issuer_internal_url,
    )
    closed = Sandbox(readable=(*settings.sandbox_readable, *settings.notebooks), writable=settings.sandbox_writable)

    def handler(name: str) -> Handler:
        place = places[name]
        if place == LOCAL:
            return HereHandler(kinds[name])
        sandbox = closed if place == "process" and settings.sandbox == "landlock" else None
        return ElsewhereHandler(executors[place], servers, kind_settings(settings), settings.elsewhere_seconds, sandbox)

    return {name: handler(name) for name in kinds}


def placed(settings: TaskSettings, kinds: Mapping[str, Kind[Any]]) -> Mapping[str, str]:
    """The executor of each kind. Raises SettingsError."""
    try:
        return executors_by_kind(kinds, settings.executors)
    except ValueError as fault:
        raise SettingsError(f"TASK_EXECUTORS: {fault}") from None


def executors_of(settings: TaskSettings, places: Mapping[str, str]) -> Mapping[str, Executor]:
    """The executors that some kind uses. Raises SettingsError."""
    used = sorted(set(places.values()) - {LOCAL})
    wanted = ExecutorSettings(
        sandboxed=settings.sandbox == "landlock",
        dask_address=settings.dask_address,
        slurm_folder=settings.slurm_folder,
        slurm_options={"timeout_min": ceil(settings.elsewhere_seconds / 60), **settings.slurm_options},
        kubernetes_url=settings.kubernetes_url,
        kubernetes_namespace=settings.kubernetes_namespace,
        pods=_pods(settings),
    )
    try:
        return {name: executor_of(name, wanted) for name in used}
    except ValueError as fault:
        raise SettingsError(f"TASK_EXECUTORS: {fault}") from None


def _pods(settings: TaskSettings) -> PodSettings | None:
    if settings.kubernetes_image is None:
        return None
    return PodSettings(image=settings.kubernetes_image, cpu=settings.kubernetes_cpu, memory=settings.kubernetes_memory)


def _kinds(settings: TaskSettings, issuer: Issuer, session: Session) -> Mapping[str, Kind[Any]]:
    return registry.installed(Tools(userinfo=UserinfoEndpoint(issuer, session), settings=kind_settings(settings)))


def _own_credentials(issuer: Issuer, settings: TaskSettings) -> Credentials:
    return own_credentials(issuer, settings.client_id, settings.client_secret, dpop=settings.dpop)


def _verifier(settings: TaskSettings, issuer: Issuer, clock: DatabaseClock) -> Verifier:
    """Verifies tokens and proofs. Processes share no proofs: a stolen one can be used once at each other process."""
    now = clock.seconds
    proofs = ProofChecker([settings.public_url], ProofsInMemory(), now) if settings.public_url else None
    return Verifier(issuer, settings.audience, clock=now, proofs=proofs)


def _log_takeover(reason: str, key: AttemptKey, replaced: bool) -> None:
    log.warning("attempt.taken_over", reason=reason, task=str(key.task_id), fence=key.fence, replaced=replaced)


def _vault_client(
    settings: TaskSettings, credentials: Credentials, session: Session, seconds: float = WORKER_ANSWER_SECONDS
) -> TokenVaultClient:
    return TokenVaultClient(
        settings.vault_url,
        credentials,
        session=session,
        timeout=(2.0, seconds),
        patience=0.0,  # the engine repeats attempts, the page its requests
        cache=None,  # each attempt is a use that the vault records, and notices a revocation
        request_id=logs.request_id.get,
    )
