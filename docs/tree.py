"""The map in docs/architecture.md: the folders three levels deep, and which room imports which.

A package's purpose is the first sentence of its docstring; PURPOSES has the folders that are no packages.
"""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DEPTH = 3
UNLISTED = ("tests", "templates", "__pycache__", "*.egg-info", ".*")
"""Folders that the map leaves out."""

PURPOSES = {
    "bench": "Benchmarks: how fast the vault and the task service are.",
    "deploy": "Production: everything that runs on servers.",
    "deploy/compose": "Files that docker-compose.yml needs beside the images: secrets, upgrades.",
    "deploy/compose/secrets": "The one-shot service that makes the secrets.",
    "deploy/images": "The entry point of the service images.",
    "deploy/keycloak": "The realm: clients, roles, audiences.",
    "deploy/kubernetes": "Manifests: a base, components, overlays.",
    "deploy/kubernetes/attempts": "The namespace in which attempts are Jobs.",
    "deploy/kubernetes/base": "Objects that every cluster needs.",
    "deploy/kubernetes/components": "Optional parts of an overlay.",
    "deploy/kubernetes/migrations": "The jobs that migrate the databases.",
    "deploy/kubernetes/overlays": "Two complete examples.",
    "deploy/nginx": "The gateway's configuration.",
    "deploy/observability": "Prometheus, alerts, the Grafana dashboard.",
    "deploy/observability/grafana": "Provisioning of Grafana: the dashboard and its data source.",
    "dev": "Tools for a developer's machine only.",
    "dev/idp": "The development authorization server.",
    "dev/mutants": "Small changes of the code that a test has to notice.",
    "dev/release": "Versions in one place, and the bills of materials.",
    "dev/stack": "The whole stack on one machine, without containers.",
    "docs": "These pages.",
    "docs/adr": "Decisions, one page each.",
    "docs/images": "Pictures of these pages.",
    "docs/images/command-line": "Screens of `token-vault`, generated.",
    "docs/figures": "Figures that the site plots.",
    "docs/site": "The site that `make docs-site` builds from these pages.",
    "docs/site/extra": "Pages of the site that are no Markdown.",
    "docs/site/static": "The site's own style.",
    "docs/openapi": "The services' OpenAPI documents, generated.",
    "frontend": "The page: TypeScript, Preact, plain CSS.",
    "frontend/scripts": "Checks of the built page.",
    "frontend/src/access": "The access that a person has granted: its page and its revocation.",
    "frontend/src/api": "The services' APIs, typed from their OpenAPI documents.",
    "frontend/src/consent": "Decisions about a consent: whose account it is, and who may act.",
    "frontend/src/data": "Data that the pages share: the lists, polled and stored.",
    "frontend/src/lanes": "Lanes on a time axis.",
    "frontend/src/shell": "Around the pages: bar, dialogs, keys, themes.",
    "frontend/src/styles": "The style sheets.",
    "frontend/src/tasks": "The tasks: their page, their actions, the form.",
    "frontend/src/texts": "Every text of the page, in English and German.",
    "frontend/src/ui": "Small parts that several pages use.",
    "integrations": "Clients of the vault in other systems.",
    "integrations/recipes": "Recipes, each run by a test.",
    "integrations/recipes/airflow": "A secrets backend: connections whose password is a fresh token.",
    "integrations/recipes/cron": "A cron line with its owner's ticket.",
    "integrations/recipes/flask": "A web application that acts for absent people.",
    "integrations/recipes/git": "A credential helper for https.",
    "integrations/recipes/htcondor": "The files of its credential monitor.",
    "integrations/recipes/kubernetes": "A sidecar that keeps a token fresh.",
    "integrations/recipes/mcp": "An agent's tool that asks for consent.",
    "integrations/jupyterhub": "JupyterHub: fresh access tokens in notebooks.",
    "integrations/jupyterhub/example": "A hub that one command starts.",
    "requirements": "Pinned Python packages, with hashes.",
    "service-kit": "The platform under every service.",
    "task-service": "Tasks, their execution, and the worker.",
    "tests-integration/chromium": "A Chromium from the npm registry.",
    "tests-integration/openapi": "The settings of schemathesis.",
    "tests-integration/servers": "Authorization servers of other projects.",
    "tests-integration": "Black-box tests against a running stack.",
    "vault-service": "The vault.",
    "vault-service/command-line": "token-vault, the command line for people, cron lines and sidecars.",
    "vault-service/client": "token_vault_client, for any service that holds a persistent_token_id.",
}
ROOMS = {"service_kit": "The kit", "vault_service.adapters": "The vault's adapters"}


def folders() -> str:
    """The folders as text, one a line, each with its purpose."""
    lines = [line for top in _children(ROOT) for line in _lines(top, top.name, 0)]
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:<{width}}{purpose}".rstrip() for name, purpose in lines)


def arrows() -> str:
    """Which room imports which, as Markdown."""
    graph = grimp.build_graph(*sorted({package.partition(".")[0] for package in ROOMS}))
    parts = []
    for package, title in ROOMS.items():
        rooms = sorted(graph.find_children(package))
        parts += [f"{title} (`{package}`):", ""]
        for room in rooms:
            targets = [
                other
                for other in rooms
                if other != room and graph.direct_import_exists(importer=room, imported=other, as_packages=True)
            ]
            shown = ", ".join(f"`{_last(target)}`" for target in targets) or "none of the others"
            parts.append(f"- `{_last(room)}` → {shown}")
        parts.append("")
    return "\n".join(parts).rstrip()


def _last(module: str) -> str:
    return module.rpartition(".")[2]


def _lines(folder: Path, shown: str, level: int) -> list[tuple[str, str]]:
    line = (f"{'  ' * level}{shown}/", _purpose(folder))
    if level == DEPTH - 1:
        return [line]
    return [line, *(below for child in _inside(folder) for below in _lines(child, child.name, level + 1))]


def _inside(folder: Path) -> list[Path]:
    """The folders below one; `src/PACKAGE` is no level of its own."""
    package = _package(folder)
    inside = [] if package is None else _children(package)
    return [*inside, *(child for child in _children(folder) if child.name != "src" or package is None)]


def _package(folder: Path) -> Path | None:
    """The Python package that a distribution's folder holds."""
    found = sorted((folder / "src").glob("*/__init__.py"))
    return found[0].parent if found else None


def _children(folder: Path) -> list[Path]:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]

    def listed(path: Path) -> bool:
        relative = str(path.relative_to(ROOT))
        if any(fnmatch(path.name, pattern) for pattern in UNLISTED):
            return False
        return not any(fnmatch(path.name, pattern) or relative == pattern for pattern in ignored)

    return sorted(path for path in folder.iterdir() if path.is_dir() and listed(path) and _has_files(path))


def _has_files(folder: Path) -> bool:
    """False for a folder that a rename has left behind."""
    return any(path.is_file() and "__pycache__" not in path.parts for path in folder.rglob("*"))


def _purpose(folder: Path) -> str:
    known = PURPOSES.get(str(folder.relative_to(ROOT)))
    module = folder / "__init__.py"
    if known is not None or not module.is_file():
        return known or ""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=\.)\s", text.replace("\n", " "), maxsplit=1)[0]
