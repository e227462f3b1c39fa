"""The one place that wires adapters to use cases. Nothing connects here: pools and clients open when first used."""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points

from service_kit.outbound.session import Session
from service_kit.postgres.database import Database
from service_kit.process import logs
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError, demand_no_mismatch
from task_service.adapters.credentials import own_credentials
from task_service.adapters.database import MIGRATIONS, tasks_database
from task_service.adapters.identity import UserInfo
from task_service.adapters.tasks import PostgresAttempts, PostgresTasks
from task_service.adapters.vault import Vault
from task_service.application.errors import StorageUnavailableError
from task_service.application.run import Handler, RunAttempt, Tools
from task_service.application.tasks import ManageTasks
from task_service.config import Settings
from task_service.http.service import Service
from token_vault_client import TokenVaultClient

log = logs.get(__name__)

HANDLERS = "task_service.handlers"
VAULT_ANSWER_SECONDS = 20.0
STATUS_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Work:
    """What a worker needs."""

    run: RunAttempt
    attempts: PostgresAttempts
    database: Database


def check(settings: Settings) -> None:
    """Look at what must hold before anything is served.

    Raises SchemaMismatchError, IssuerMismatchError; what is away now is checked when it is used.
    """
    database = tasks_database(settings.database_url.reveal(), name="tasks-preflight", size=1)
    try:
        MIGRATIONS.check(database)
    except StorageUnavailableError as error:
        log.warning("tasks.database_away", reason=str(error))
    finally:
        database.close()
    try:
        Issuer(settings.issuer, settings.issuer_internal_url).metadata()
    except IssuerUnavailableError as error:
        log.warning("tasks.issuer_away", reason=str(error))


def build_service(settings: Settings) -> Service:
    """Wire the HTTP side."""
    database = tasks_database(settings.database_url.reveal(), name="tasks", size=settings.threads + 2)
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    vault = Vault(_vault_client(settings, issuer, STATUS_ANSWER_SECONDS))
    return Service(
        verifier=Verifier(issuer, settings.audience),
        tasks=ManageTasks(PostgresTasks(database), vault),
        pings={
            "database": database.ping,
            "schema": partial(MIGRATIONS.check, database),
            "issuer": partial(demand_no_mismatch, issuer.metadata),
        },
    )


def build_work(settings: Settings) -> Work:
    """Wire the worker's side, with every handler that is installed."""
    database = tasks_database(settings.database_url.reveal(), name="worker", size=settings.concurrency + 2)
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    tools = Tools(UserInfo(issuer, Session()), settings.demo_step_seconds)
    handlers: dict[str, Handler] = {entry.name: entry.load()(tools) for entry in entry_points(group=HANDLERS)}
    attempts = PostgresAttempts(database)
    tokens = Vault(_vault_client(settings, issuer, VAULT_ANSWER_SECONDS))
    return Work(RunAttempt(attempts, tokens, handlers), attempts, database)


def _vault_client(settings: Settings, issuer: Issuer, seconds: float) -> TokenVaultClient:
    return TokenVaultClient(
        settings.vault_url,
        own_credentials(issuer, settings.client_id, settings.client_secret),
        session=Session(),
        timeout=(2.0, seconds),
        patience=0.0,  # the engine repeats attempts, the page its requests
        cache=None,  # each attempt is a use that the vault records, and notices a revocation
        request_id=logs.request_id.get,
    )
