"""Writes docs/settings.md from the services' declarations: `make docs`. `--check` only says whether it is current."""

import dataclasses
import sys
from pathlib import Path

import task_service.config
import vault_service.config

PAGE = Path(__file__).with_suffix(".md")

HEAD = """# Settings

Written by `make docs` from the code; `make lint` refuses a page that is behind. Any `NAME` may be given as `NAME_FILE`
instead, the path of a file whose content is the value: that is how secrets should come. A service that cannot use its
settings names every faulty one in one line and ends with status 78."""

SERVER = (
    ("BIND", "`127.0.0.1:8000`", "host:port of the API."),
    ("METRICS_BIND", "", "host:port of the metrics; none without it. A worker has it too. Never to be routed."),
    ("WEB_WORKERS", "`2`", "Processes."),
    ("WEB_THREADS", "`8`", "Threads of each process; sizes the connection pools."),
)
MIGRATIONS = {"VAULT_MIGRATION_DATABASE_URL": "vault-service", "TASK_MIGRATION_DATABASE_URL": "task-service"}


def page() -> str:
    """The whole page."""
    parts = [HEAD, "\n## Both APIs' gunicorn\n", _table(SERVER)]
    for title, settings in (
        ("The vault", vault_service.config.Settings),
        ("The task service, API and workers", task_service.config.Settings),
    ):
        parts += [f"\n## {title}\n", _table(tuple(_row(field) for field in dataclasses.fields(settings)))]
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


_SERVER_NAMES = {name for name, _, _ in SERVER}


def main() -> int:
    """Write the page, or compare it; the exit status."""
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        sys.stderr.write("docs/settings.md is behind the code: make docs\n")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
