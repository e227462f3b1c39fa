"""The task service's PostgreSQL pool and its migrations."""

from functools import partial
from importlib.resources import files

from service_kit.postgres.database import BY_INDEX, Database
from service_kit.postgres.migrations import Migrations
from task_service.application.errors import TaskStorageUnavailableError

tasks_database = partial(Database, unavailable=TaskStorageUnavailableError, options=BY_INDEX)
"""Makes a pool that raises TaskStorageUnavailableError. Every statement of the service finds its rows by a key."""


def _engine_schema() -> bytes:
    return (files("procrastinate.sql") / "schema.sql").read_bytes()


MIGRATIONS = Migrations(
    "task_service.migrations",
    "tasks",
    command="task-service migrate",
    libraries={"0001_procrastinate.pre.sql": _engine_schema},  # this file grants the service the engine's tables
)
