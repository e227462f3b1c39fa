"""Writes the generated pages of docs/: `make docs`. With `--check` it only compares them with their sources.

| page | source |
|---|---|
| docs/settings.md | the services' `config.py` |
| docs/alerts.md | deploy/observability/alerts.yml |
| docs/openapi/*.json | the services' routes |
| docs/images/overview-*.svg | `picture.py` |
| docs/images/command-line/*.svg | what `token-vault` prints (`screens.py`) |
| docs/architecture.md, between its `generated` comments | the folders, and the imports between packages (`tree.py`) |
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, cast

import picture
import screens
import tree
import yaml

import task_service.config
import task_service.http.routes
import vault_service.config
import vault_service.http.routes
from service_kit.http.openapi import Api
from task_service.http.service import TaskService
from vault_service.http.vault import Vault

DOCS = Path(__file__).parent
ALERTS = DOCS.parent / "deploy" / "observability" / "alerts.yml"

SETTINGS_HEAD = """# Settings

This page is generated from the code by `make docs`; `make lint` compares the two. You can set `NAME_FILE` instead of
any `NAME`: the path of a file that contains the value. Pass secrets this way. A service with invalid settings prints
all of them in one line and exits with status 78."""

ALERTS_HEAD = """# Alerts

This page is generated from `deploy/observability/alerts.yml` by `make docs`. Prometheus reads that file as it is; for
the Prometheus operator of Kubernetes, convert it to a `PrometheusRule` ([how](../deploy/kubernetes/README.md)).

Add alerts for the systems around the vault:

- PostgreSQL fails to archive its WAL: `pg_stat_archiver.failed_count` grows.
- The disk of PostgreSQL is nearly full.
- The gateway's TLS certificate is about to expire.

| alert | meaning | what to do |
|---|---|---|"""

SERVER = (
    ("BIND", "`127.0.0.1:8000`", "host:port of the API."),
    (
        "METRICS_BIND",
        "",
        "host:port of the metrics; none by default. A worker has this setting too. Do not expose it.",
    ),
    ("WEB_WORKERS", "`2`", "Number of processes."),
    ("WEB_THREADS", "`8`", "Threads in each process. The connection pools have the same size."),
)
MIGRATIONS = {"VAULT_MIGRATION_DATABASE_URL": "vault-service", "TASK_MIGRATION_DATABASE_URL": "task-service"}


def settings() -> str:
    """docs/settings.md."""
    parts = [SETTINGS_HEAD, "\n## gunicorn, of both APIs\n", _table(SERVER)]
    for title, declared in (
        ("The vault", vault_service.config.VaultSettings),
        ("The task service, API and workers", task_service.config.TaskSettings),
    ):
        parts += [f"\n## {title}\n", _table(tuple(_row(field) for field in dataclasses.fields(declared)))]
    parts.append("\n## Migrations\n")
    parts.append(
        _table(
            tuple(
                (name, "**required**", f"PostgreSQL URL of the schema's owner, for `{service} migrate`.")
                for name, service in MIGRATIONS.items()
            )
        )
    )
    return "\n".join(parts)


def _row(field: "dataclasses.Field[object]") -> tuple[str, str, str]:
    default = field.metadata["default"]
    shown = "**required**" if default is None else f"`{default}`" if default else ""
    return field.metadata["name"], shown, field.metadata["doc"]


def _table(rows: tuple[tuple[str, str, str], ...]) -> str:
    lines = [
        f"| `{name}` | {default} | {doc} |"
        for name, default, doc in rows
        if name not in _SERVER_NAMES or rows is SERVER
    ]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *lines, ""])


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


def openapi(api: Api) -> str:
    """docs/openapi/*.json: an API's OpenAPI document without the words of one installation."""
    return json.dumps(api.document(), indent=2, ensure_ascii=False) + "\n"


_NOT_WIRED = object()
"""Stands for a wired service: declaring routes needs none, and no view is called here."""
_SERVER_NAMES = {name for name, _, _ in SERVER}


def architecture() -> str:
    """docs/architecture.md with its generated parts replaced."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for name, part in (("folders", f"```\n{tree.folders()}\n```"), ("imports", tree.arrows())):
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{part}\n\n{end}{rest.split(end)[1]}"
    return text


def main() -> int:
    """Write the pages, or compare them; returns the exit status."""
    pages = {
        DOCS / "settings.md": settings(),
        DOCS / "alerts.md": alerts(),
        DOCS / "openapi" / "vault.json": openapi(vault_service.http.routes.create_api(cast(Vault, _NOT_WIRED))),
        DOCS / "openapi" / "tasks.json": openapi(task_service.http.routes.create_api(cast(TaskService, _NOT_WIRED))),
        DOCS / "images" / "overview-light.svg": picture.draw(picture.LIGHT),
        DOCS / "images" / "overview-dark.svg": picture.draw(picture.DARK),
        DOCS / "architecture.md": architecture(),
        **{DOCS / "images" / "command-line" / f"{name}.svg": screens.draw(name) for name in screens.SCREENS},
    }
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    behind = [
        str(path.relative_to(DOCS))
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if behind:
        sys.stderr.write(f"out of date in docs/: {', '.join(behind)}. Run `make docs`.\n")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
