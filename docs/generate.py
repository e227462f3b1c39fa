"""Writes the pages that are made from something else: `make docs`. `--check` only says whether they are current.

docs/settings.md comes from the services' declarations, docs/alerts.md from the rules that Prometheus gets.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import yaml

import task_service.config
import vault_service.config

DOCS = Path(__file__).parent
ALERTS = DOCS.parent / "deploy" / "observability" / "alerts.yml"

SETTINGS_HEAD = """# Settings

Written by `make docs` from the code; `make lint` refuses a page that is behind. Any `NAME` may be given as `NAME_FILE`
instead, the path of a file whose content is the value: that is how secrets should come. A service that cannot use its
settings names every faulty one in one line and ends with status 78."""

ALERTS_HEAD = """# Alerts

Written by `make docs` from `deploy/observability/alerts.yml`, which Prometheus reads as it is (with Kubernetes'
operator: as a `PrometheusRule`). What else deserves an alert depends on what runs beside the vault: that PostgreSQL
archives its WAL (`pg_stat_archiver.failed_count` grows), that its disk is not full, that the certificate before the
gateway is not about to expire.

| alert | it means | do |
|---|---|---|"""

SERVER = (
    ("BIND", "`127.0.0.1:8000`", "host:port of the API."),
    ("METRICS_BIND", "", "host:port of the metrics; none without it. A worker has it too. Never to be routed."),
    ("WEB_WORKERS", "`2`", "Processes."),
    ("WEB_THREADS", "`8`", "Threads of each process; sizes the connection pools."),
)
MIGRATIONS = {"VAULT_MIGRATION_DATABASE_URL": "vault-service", "TASK_MIGRATION_DATABASE_URL": "task-service"}


def settings() -> str:
    """docs/settings.md."""
    parts = [SETTINGS_HEAD, "\n## Both APIs' gunicorn\n", _table(SERVER)]
    for title, declared in (
        ("The vault", vault_service.config.Settings),
        ("The task service, API and workers", task_service.config.TaskSettings),
    ):
        parts += [f"\n## {title}\n", _table(tuple(_row(field) for field in dataclasses.fields(declared)))]
    parts.append("\n## Migrations\n")
    parts.append(
        _table(
            tuple(
                (name, "**needed**", f"PostgreSQL URL of the schema's owner, for `{service} migrate`.")
                for name, service in MIGRATIONS.items()
            )
        )
    )
    return "\n".join(parts)


def _row(field: "dataclasses.Field[object]") -> tuple[str, str, str]:
    default = field.metadata["default"]
    shown = "**needed**" if default is None else f"`{default}`" if default else ""
    return field.metadata["name"], shown, field.metadata["doc"]


def _table(rows: tuple[tuple[str, str, str], ...]) -> str:
    lines = [
        f"| `{name}` | {default} | {doc} |"
        for name, default, doc in rows
        if name not in _SERVER_NAMES or rows is SERVER
    ]
    return "\n".join(["| name | default | |", "|---|---|---|", *lines, ""])


def alerts() -> str:
    """docs/alerts.md."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    return "\n".join([ALERTS_HEAD, *map(_alert, rules), ""])


def _alert(rule: dict[str, Any]) -> str:
    meaning, action = (" ".join(rule["annotations"][name].split()) for name in ("summary", "action"))
    after = f" for {rule['for']}" if "for" in rule else ""
    name = f"**{rule['alert']}** ({rule['labels']['severity']})"
    expression = rule["expr"].replace("|", "\\|")
    return f"| {name}<br>`{expression}`{after} | {meaning} | {action} |"


_SERVER_NAMES = {name for name, _, _ in SERVER}


def main() -> int:
    """Write the pages, or compare them; the exit status."""
    pages = {DOCS / "settings.md": settings(), DOCS / "alerts.md": alerts()}
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    behind = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    if behind:
        sys.stderr.write(f"{' and '.join(behind)} in docs/: behind what they are made from: make docs\n")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
