"""The one place that wires adapters to use cases. Nothing connects here: pools and clients open when first used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points

from service_kit.outbound.session import Session
from service_kit.process import logs
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError, demand_no_mismatch
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.identity.userinfo import UserinfoEndpoint
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.dependencies import PostgresDependencies
from task_service.adapters.postgres.history import PostgresHistory
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.receipts import PostgresReceipts
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.adapters.postgres.token_statuses import PostgresTokenStatuses
from task_service.adapters.vault.client import TicketsOverHttp, VaultOverHttp
from task_service.adapters.vault.credentials import own_credentials
from task_service.application.access import AttemptAccess
from task_service.application.batch import BatchTasks
from task_service.application.cursors import Cursors
from task_service.application.dependencies import CarryOn, ManageDependencies
from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import Handler, Tools
from task_service.application.history import CleanHistory, ReadHistory
from task_service.application.journal import GroupedJournal
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks
from task_service.application.ports import RetryStore
from task_service.application.progress import GroupedProgress
from task_service.application.recover import Recover, SilentWorkers
from task_service.application.run_attempt import RunAttempt
from task_service.application.schedules import ManageSchedules, Tick
from task_service.application.token_status import RefreshTokenStatuses
from task_service.config import TaskSettings
from task_service.domain.attempt import AttemptKey
from task_service.http.service import TaskService
from token_vault_client import Credentials, Ticket, TokenVaultClient

log = logs.get(__name__)

HANDLERS = "task_service.handlers"
WORKER_ANSWER_SECONDS = 20.0
"""How long a worker waits for the vault, which may refresh a token meanwhile."""
REQUEST_LOCK_SECONDS = 1.5
"""How long a request waits for a locked row: less than others wait for a connection, so that one owner's rows that a
forgotten transaction has locked refuse that owner only."""
STATUS_ANSWER_SECONDS = 5.0
"""How long a request of a person's waits for the vault."""


@dataclass(frozen=True)
class Work:
    """What a worker needs. close: ends its connections."""

    run: RunAttempt
    progress: GroupedProgress
    journal: GroupedJournal
    access: AttemptAccess
    history: CleanHistory
    recover: Recover
    schedules: Tick
    dependencies: CarryOn
    retries: RetryStore
    close: Callable[[], None]


def check(settings: TaskSettings) -> None:
    """Check schema and issuer before anything is served. Raises SchemaMismatchError, IssuerMismatchError.

    An unreachable database or authorization server is logged; it is checked when it is used.
    """
    database = tasks_database(settings.database_url.reveal(), name="tasks-preflight", size=1)
    try:
        MIGRATIONS.check(database)
    except TaskStorageUnavailableError as error:
        log.warning("tasks.database_unavailable", reason=str(error))
    finally:
        database.close()
    try:
        Issuer(settings.issuer, settings.issuer_internal_url).metadata()
    except IssuerUnavailableError as error:
        log.warning("tasks.issuer_unavailable", reason=str(error))


def build_service(settings: TaskSettings) -> TaskService:
    """Wire the HTTP side."""
    database = tasks_database(
        settings.database_url.reveal(), name="tasks", size=settings.threads + 2, lock_timeout=REQUEST_LOCK_SECONDS
    )
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    credentials = own_credentials(issuer, settings.client_id, settings.client_secret)
    vault = VaultOverHttp(_vault_client(settings, credentials, Session(), STATUS_ANSWER_SECONDS))
    tasks, runs, listed = PostgresTasks(database), PostgresRuns(database), PostgresTaskList(database)
    token_statuses = RefreshTokenStatuses(PostgresTokenStatuses(database), vault)
    manage, cursors = ManageTasks(tasks, token_statuses, vault), Cursors(settings.client_secret.reveal())
    return TaskService(
        verifier=Verifier(issuer, settings.audience),
        tasks=manage,
        listing=ListTasks(listed, token_statuses, cursors),
        execution=ExecuteTasks(tasks, runs, vault),
        schedules=ManageSchedules(tasks, PostgresSchedules(database), vault),
        dependencies=ManageDependencies(PostgresDependencies(database)),
        history=ReadHistory(PostgresHistory(database)),
        batch=BatchTasks(manage, partial(ExecuteTasks, tasks, runs), vault, listed, cursors),
        receipts=PostgresReceipts(database),
        pings={
            "database": database.ping,
            "schema": partial(MIGRATIONS.check, database),
            "issuer": partial(demand_no_mismatch, issuer.metadata),
        },
        useful={"worker": ProcrastinateWatch(database).demand_worker},
        close=database.close,
    )


def build_work(settings: TaskSettings) -> Work:
    """Wire the worker's side, with every handler that is installed."""
    database = tasks_database(settings.database_url.reveal(), name="worker", size=settings.concurrency + 2)
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    attempts = PostgresAttempts(database)
    progress = GroupedProgress(attempts)
    past = PostgresHistory(database)
    journal = GroupedJournal(past)
    session = Session()
    vault = _vault_client(settings, own_credentials(issuer, settings.client_id, settings.client_secret), session)
    access = AttemptAccess(TicketsOverHttp(vault, lambda text: _vault_client(settings, Ticket(text), session)))
    handlers = installed_handlers(Tools(UserinfoEndpoint(issuer, session), settings.demo_step_seconds))
    recover = Recover(ProcrastinateWatch(database), attempts, SilentWorkers(), _log_takeover, access.end_soon)
    return Work(
        run=RunAttempt(attempts, progress, journal, access, handlers),
        progress=progress,
        journal=journal,
        access=access,
        history=CleanHistory(past, PostgresReceipts(database), settings.history_days),
        recover=recover,
        schedules=Tick(PostgresSchedules(database)),
        dependencies=CarryOn(PostgresDependencies(database)),
        retries=attempts,
        close=database.close,
    )


def installed_handlers(tools: Tools) -> Mapping[str, Handler]:
    """A handler for each entry point of the group `task_service.handlers`, by its name: the kind."""
    return {entry.name: entry.load()(tools) for entry in entry_points(group=HANDLERS)}


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
