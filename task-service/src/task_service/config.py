"""The task service's settings, each with its documentation."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from service_kit.process.logs import LEVELS
from service_kit.process.secret import Secret
from service_kit.process.settings import (
    flag,
    issuer,
    load,
    number,
    one_of,
    optional_text,
    optional_url,
    secret,
    setting,
    text,
    url,
    whole,
    words,
)
from task_service.kinds.http import origin_of


def origins(value: str) -> tuple[str, ...]:
    """Origins (RFC 6454), separated by spaces or commas; may be empty."""
    found = []
    for word in sorted(words(value)):
        origin = origin_of(word)
        if origin is None or word.rstrip("/").count("/") != 2:
            raise ValueError(f"has {word!r}, which is not an origin such as https://api.example")
        found.append(origin)
    return tuple(found)


def networks(value: str) -> tuple[str, ...]:
    """IP networks, separated by spaces or commas; may be empty."""
    try:
        return tuple(str(ip_network(word)) for word in sorted(words(value)))
    except ValueError as error:
        raise ValueError(f"is no list of networks such as 10.1.0.0/16: {error}") from None


def names(value: str) -> tuple[str, ...]:
    """Words in order, separated by spaces or commas; may be empty."""
    return tuple(sorted(words(value)))


def paths(value: str) -> tuple[str, ...]:
    """Absolute paths, separated by colons; may be empty."""
    found = tuple(each for each in value.split(":") if each)
    for each in found:
        if not Path(each).is_absolute():
            raise ValueError(f"has {each!r}, which is not an absolute path")
    return found


def optional_path(value: str) -> Path | None:
    """An absolute path; empty means absent."""
    if value and not Path(value).is_absolute():
        raise ValueError("is not an absolute path")
    return Path(value) if value else None


def options(value: str) -> Mapping[str, str | int]:
    """`name=value` several times, separated by spaces; digits are whole numbers."""
    found: dict[str, str | int] = {}
    for word in value.split():
        name, equals, text_of = word.partition("=")
        if not (name.isidentifier() and equals and text_of) or name in found:
            raise ValueError(f"has {word!r}; it lists name=value, each name once")
        found[name] = int(text_of) if text_of.isdigit() else text_of
    return found


def namespace(value: str) -> str | None:
    """The name of a Kubernetes namespace; empty means absent."""
    if value and not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise ValueError("is not the name of a Kubernetes namespace")
    return value or None


def quantity(value: str) -> str:
    """A positive quantity of Kubernetes, such as 500m, 2 or 512Mi."""
    if not re.fullmatch(r"[1-9]\d{0,11}(m|[kMGT]|[KMGT]i)?", value):
        raise ValueError("is not a quantity such as 500m, 2 or 512Mi")
    return value


def place(value: str) -> str | None:
    """The absolute path of a folder, or a URL; empty means absent."""
    if value and "://" not in value and not Path(value).is_absolute():
        raise ValueError("is neither an absolute path nor a URL")
    return value or None


def pairs(value: str) -> Mapping[str, str]:
    """`kind=executor` for several kinds, separated by spaces or commas; may be empty."""
    found = {}
    for word in sorted(words(value)):
        kind, equals, executor = word.partition("=")
        if not (kind and equals and executor) or kind in found:
            raise ValueError(f"has {word!r}; it lists kind=executor, each kind once")
        found[kind] = executor
    return found


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskSettings:
    """The settings that `task-service` reads from its environment."""

    database_url: Secret = setting("TASK_DATABASE_URL", secret, "PostgreSQL URL of the runtime role.")
    issuer: str = setting("ISSUER", issuer, "The authorization server's issuer, as its tokens name it.")
    issuer_internal_url: str | None = setting(
        "ISSUER_INTERNAL_URL", optional_url, "URL at which the service reaches the issuer, if it differs.", default=""
    )
    public_url: str | None = setting(
        "PUBLIC_URL",
        optional_url,
        "URL at which callers reach the gateway, which DPoP proofs must name; empty: bound access tokens are refused.",
        default="",
    )
    audience: str = setting("TASK_AUDIENCE", text, "The `aud` of tokens that callers send.", default="task-service")
    vault_url: str = setting("VAULT_URL", url, "URL at which the service reaches the token vault.")
    client_id: str = setting("TASK_SERVICE_CLIENT_ID", text, "The service's own client.", default="task-service")
    client_secret: Secret = setting("TASK_SERVICE_CLIENT_SECRET", secret, "That client's secret.")
    dpop: bool = setting(
        "TASK_SERVICE_DPOP",
        flag,
        "`true`: the service's own access tokens are bound to a key of each process (DPoP).",
        default="false",
    )
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
    queue_concurrency: int = setting(
        "TASK_QUEUE_CONCURRENCY",
        whole(0, 100_000),
        "Number of attempts that all workers together run at the same time. 0: no limit but that of each worker.",
        default="0",
    )
    owner_concurrency: int = setting(
        "TASK_OWNER_CONCURRENCY",
        whole(0, 100_000),
        "Number of attempts of one owner that all workers together run at the same time. 0: no limit.",
        default="0",
    )
    owner_tasks: int = setting(
        "TASK_OWNER_TASKS", whole(1, 100_000_000), "Number of tasks that one owner may have.", default="1000000"
    )
    owner_open_tasks: int = setting(
        "TASK_OWNER_OPEN_TASKS",
        whole(1, 100_000_000),
        "Number of one owner's tasks that may be waiting, queued or running when a person executes another.",
        default="100000",
    )
    executors: Mapping[str, str] = setting(
        "TASK_EXECUTORS",
        pairs,
        "kind=executor for kinds that do not run by their default: `local` for `demo` and `http`, else `process`.",
        default="",
    )
    elsewhere_vault_url: str | None = setting(
        "TASK_ELSEWHERE_VAULT_URL",
        optional_url,
        "URL at which attempts outside of the worker reach the vault, if it differs from VAULT_URL.",
        default="",
    )
    elsewhere_seconds: float = setting(
        "TASK_ELSEWHERE_SECONDS",
        number(1, 2592000),
        "How long an attempt outside of the worker may take; then it fails.",
        default="86400",
    )
    dask_address: str | None = setting(
        "TASK_DASK_ADDRESS",
        optional_text,
        "Address of the Dask scheduler for the executor `dask`, such as tls://scheduler.example:8786.",
        default="",
    )
    slurm_folder: Path | None = setting(
        "TASK_SLURM_FOLDER", optional_path, "Folder of the executor `slurm` that all nodes share.", default=""
    )
    slurm_options: Mapping[str, str | int] = setting(
        "TASK_SLURM_OPTIONS",
        options,
        "name=value for submitit's parameters, such as slurm_partition=batch mem_gb=4.",
        default="",
    )
    kubernetes_url: str = setting(
        "TASK_KUBERNETES_URL",
        url,
        "URL of the Kubernetes API for the executor `kubernetes`.",
        default="https://kubernetes.default.svc",
    )
    kubernetes_namespace: str | None = setting(
        "TASK_KUBERNETES_NAMESPACE",
        namespace,
        "Namespace of the Jobs. It must be one without other Secrets, because a role that makes Jobs can mount them.",
        default="",
    )
    kubernetes_image: str | None = setting(
        "TASK_KUBERNETES_IMAGE", optional_text, "Image of the Jobs, with the package and your kinds.", default=""
    )
    kubernetes_cpu: str = setting(
        "TASK_KUBERNETES_CPU", quantity, "Processors of a Job, such as 500m; requested, and the limit.", default="1"
    )
    kubernetes_memory: str = setting(
        "TASK_KUBERNETES_MEMORY", quantity, "Memory of a Job; requested, and the limit.", default="512Mi"
    )
    sandbox: str = setting(
        "TASK_SANDBOX",
        one_of("landlock", "off"),
        "`landlock`: programs of the executor `process` see only files that they need. `off`: they see the worker's.",
        default="landlock",
    )
    sandbox_readable: tuple[str, ...] = setting(
        "TASK_SANDBOX_READ", paths, "Further paths that these programs may read, separated by colons.", default=""
    )
    sandbox_writable: tuple[str, ...] = setting(
        "TASK_SANDBOX_WRITE", paths, "Further paths that these programs may write, separated by colons.", default=""
    )
    http_origins: tuple[str, ...] = setting(
        "TASK_HTTP_ORIGINS",
        origins,
        "Origins that tasks of kind `http` may call with their owner's access token. Empty: there is no such kind.",
        default="",
    )
    http_networks: tuple[str, ...] = setting(
        "TASK_HTTP_NETWORKS", networks, "Networks with private addresses in which these origins may be.", default=""
    )
    http_seconds: float = setting(
        "TASK_HTTP_SECONDS",
        number(0.1, 3600),
        "How long such a task may take in all.",
        default="60",
    )
    functions: tuple[str, ...] = setting(
        "TASK_FUNCTIONS",
        names,
        "Functions that tasks of kind `function` may call. Empty: there is no such kind.",
        default="",
    )
    notebooks: tuple[str, ...] = setting(
        "TASK_NOTEBOOKS",
        paths,
        "Folders of what tasks of kind `notebook` may run, separated by colons. Empty: there is no such kind.",
        default="",
    )
    results: str | None = setting(
        "TASK_RESULTS",
        place,
        "Folder, or URL for fsspec such as s3://bucket/tasks, for results that are files. Empty: they fail.",
        default="",
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
