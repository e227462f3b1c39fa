"""Workers for the benchmark of tasks: `python -m bench.task_worker KIND URL` runs jobs until SIGTERM.

`service` is the task service's worker with a handler that reports ten steps at once, and a vault that answers at once;
`steps` is the same with slow steps. `plain` is the same engine with the same settings, whose jobs write what the
service's attempts write, with nothing around it.
"""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import procrastinate

from service_kit.postgres.database import Database
from service_kit.process import logs
from task_service import config
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import tasks_database
from task_service.adapters.postgres.history import PostgresHistory
from task_service.application.access import AttemptAccess
from task_service.application.handler import Handler, HandlerContext
from task_service.application.journal import GroupedJournal
from task_service.application.ports.vault import AttemptTicket, OwnerToken
from task_service.application.progress import GROUP_SECONDS, GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.config import TaskSettings
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.worker import engine
from task_service.worker.process import Repeated

PLACES = 16
"""Jobs that a worker runs at the same time."""
BEGIN = (
    b"with begun as (update plain_runs set status = 'running', progress = 0, started_at = now() where id = %(id)s"
    b" returning id) update plain_attempts set started_at = now() where id in (select id from begun)"
)
COMPLETE = (
    b"with ended as (update plain_runs set status = 'completed', result = %(result)s, progress = 100,"
    b" completed_at = now() where id = %(id)s returning id)"
    b" update plain_attempts set ended_at = now(), outcome = 'completed' where id in (select id from ended)"
)


class Nothing:
    """`application.handler.Handler`: done at once."""

    def run(self, context: HandlerContext) -> str:
        """The result."""
        for percent in range(10, 101, 10):
            context.progress(percent)
        return "done"


class TenSteps:
    """`application.handler.Handler`: ten steps of progress, each of which is written, since they are slow enough."""

    def run(self, context: HandlerContext) -> str:
        """The result."""
        for percent in range(10, 101, 10):
            context.wait(0.6)
            context.progress(percent)
        return "done"


class VaultAtOnce:
    """`application.ports.TicketVault`, without a network."""

    def open(self, _: Attempt, __: int) -> AttemptTicket:
        """A ticket."""
        return AttemptTicket(uuid4(), "ticket")

    def access_token(self, _: AttemptTicket) -> OwnerToken:
        """A token."""
        return OwnerToken("token", datetime.now(UTC) + timedelta(minutes=5), frozenset())

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """Nothing to do."""

    def end(self, ticket_id: UUID) -> None:
        """Nothing to do."""


def main() -> None:
    """Run one worker."""
    kind, url = sys.argv[1:]
    logs.configure("worker", "error")
    database = tasks_database(url, name="bench-worker", size=PLACES + 2)
    if kind == "plain":
        asyncio.run(_until_told(_plain(url, database)))
    else:
        _service(url, database, Nothing() if kind == "service" else TenSteps())
    database.close()


def _service(url: str, database: Database, handler: Handler) -> None:
    attempts, past = PostgresAttempts(database), PostgresHistory(database)
    progress, journal = GroupedProgress(attempts), GroupedJournal(past)
    run = RunAttempt(attempts, progress, journal, AttemptAccess(VaultAtOnce()), {"demo": handler})
    with Repeated("progress", GROUP_SECONDS, progress.flush), Repeated("journal", GROUP_SECONDS, journal.flush):
        asyncio.run(_until_told(engine.create_app(_settings(url), run)))


def _plain(url: str, database: Database) -> procrastinate.App:
    return engine.create_app(_settings(url), _PlainRun(database))  # type: ignore[arg-type]


class _PlainRun:
    """Called by the engine for each job, in the place of the service's use case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self, key: AttemptKey, _: object) -> str:
        """Write what an attempt writes."""
        for statement in (BEGIN, COMPLETE):
            with self._database.connection() as connection:
                connection.execute(statement, {"id": key.task_id, "result": "done"})
        return "written"  # its job is the engine's to remove


async def _until_told(app: procrastinate.App) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(PLACES + 4))
    async with app.open_async():
        working = asyncio.create_task(engine.work(app, PLACES))
        loop.add_signal_handler(signal.SIGTERM, working.cancel)
        await asyncio.wait([working])


def _settings(url: str) -> TaskSettings:
    return config.read(
        {
            "TASK_DATABASE_URL": url,
            "ISSUER": "https://issuer.example",
            "VAULT_URL": "http://127.0.0.1:9",
            "TASK_SERVICE_CLIENT_SECRET": "secret",
            "TASK_CONCURRENCY": str(PLACES),
        }
    )


if __name__ == "__main__":
    main()
