"""The kit's PostgreSQL pool with the task service's error, and the task service's migrations."""

from functools import partial
from importlib.resources import files

from service_kit.postgres.database import Database
from service_kit.postgres.migrations import Migrations
from task_service.application.errors import StorageUnavailableError

tasks_database = partial(Database, unavailable=StorageUnavailableError)
"""Makes a pool that raises StorageUnavailableError."""


def _engine_schema() -> bytes:
    return (files("procrastinate.sql") / "schema.sql").read_bytes()


MIGRATIONS = Migrations(
    "task_service.migrations",
    "tasks",
    command="task-service migrate",
    libraries={"0001_procrastinate.pre.sql": _engine_schema},  # our file settles who may use the engine's tables
)
