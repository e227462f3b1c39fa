"""The task service's settings, each with its documentation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from service_kit.process.logs import LEVELS
from service_kit.process.secret import Secret
from service_kit.process.settings import (
    issuer,
    load,
    number,
    one_of,
    optional_url,
    secret,
    setting,
    text,
    url,
    whole,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskSettings:
    """What `task-service` reads from its environment."""

    database_url: Secret = setting("TASK_DATABASE_URL", secret, "PostgreSQL URL of the runtime role.")
    issuer: str = setting("ISSUER", issuer, "The authorization server's issuer, as its tokens name it.")
    issuer_internal_url: str | None = setting(
        "ISSUER_INTERNAL_URL", optional_url, "URL at which the service reaches the issuer, if it differs.", default=""
    )
    audience: str = setting("TASK_AUDIENCE", text, "The `aud` of tokens that callers send.", default="task-service")
    vault_url: str = setting("VAULT_URL", url, "URL at which the service reaches the token vault.")
    client_id: str = setting("TASK_SERVICE_CLIENT_ID", text, "The service's own client.", default="task-service")
    client_secret: Secret = setting("TASK_SERVICE_CLIENT_SECRET", secret, "That client's secret.")
    demo_step_seconds: float = setting(
        "TASK_DEMO_STEP_SECONDS",
        number(0, 3600),
        "Duration in seconds of each of the ten steps of a demonstration task.",
        default="1",
    )
    history_days: int = setting(
        "TASK_HISTORY_DAYS",
        whole(1, 3650),
        "Days for which a run is remembered after it has ended. The latest run of a task is kept.",
        default="90",
    )
    concurrency: int = setting(
        "TASK_CONCURRENCY", whole(1, 256), "Number of attempts that a worker runs at the same time.", default="16"
    )
    threads: int = setting(
        "WEB_THREADS", whole(1, 256), "Threads of each process; also the size of the connection pool.", default="8"
    )
    metrics_bind: str = setting("METRICS_BIND", str, "host:port of a worker's metrics; empty: none.", default="")
    log_level: str = setting("LOG_LEVEL", one_of(*LEVELS), f"One of {', '.join(LEVELS)}.", default="info")


def read(environ: Mapping[str, str] = os.environ) -> TaskSettings:
    """The settings. Raises SettingsError."""
    return load(TaskSettings, environ)


def migration_database_url(environ: Mapping[str, str] = os.environ) -> Secret:
    """PostgreSQL URL of the role that owns the schema. Raises SettingsError."""

    @dataclass(frozen=True)
    class Migration:
        url: Secret = setting("TASK_MIGRATION_DATABASE_URL", secret, "PostgreSQL URL of the schema's owner.")

    return load(Migration, environ).url
