"""The environment of each part: what it reads, and nothing of the shell that would change it."""

import os
import re
import subprocess
import sys

import pytest

from local_stack import environments, http, postgres
from local_stack.options import ROOT

STACK = (ROOT / "dev" / "stack" / "src" / "local_stack" / "stack.py").read_text(encoding="utf-8")
SHELL = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/root",
    "PGSSLMODE": "require",
    "PGOPTIONS": "-c statement_timeout=1",
    "PGSERVICE": "none",
    "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1",
    "WEB_CONCURRENCY": "9",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "PYTHONPATH": "/nowhere",
    "PYTHONHOME": "/nowhere",
    "NODE_ENV": "production",
    "LD_LIBRARY_PATH": "/nowhere",
    "TASK_DEMO_STEP_SECONDS": "0.1",
    "VAULT_GRANT_DAYS": "3",
    "VAULT_DATABASE_URL": "postgresql://elsewhere/vault",
}
VALUES = {
    "ISSUER": "http://localhost:8080/realms/demo",
    "VAULT_DATABASE_URL": "postgresql://vault@127.0.0.1/vault",
    "VAULT_CLIENT_SECRET": "v",
    "VAULT_ROOT_KEY_FILE": "/key",
    "VAULT_MIGRATION_DATABASE_URL": "postgresql://vault_owner@127.0.0.1/vault",
    "POSTGRES_SUPERUSER_URL": "postgresql://postgres@127.0.0.1/postgres",
    "REDIS_URL": "redis://:r@127.0.0.1",
    "TASK_DATABASE_URL": "postgresql://tasks@127.0.0.1/tasks",
    "TASK_SERVICE_CLIENT_SECRET": "t",
    "TASK_MIGRATION_DATABASE_URL": "postgresql://tasks_owner@127.0.0.1/tasks",
}
MACHINE = {"PATH": "/usr/bin:/bin", "HOME": "/root"}


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("postgres", {}),
        ("idp", {}),
        ("gateway", {}),
        (
            "vault",
            {
                **{name: VALUES[name] for name in ("ISSUER", "VAULT_DATABASE_URL", "VAULT_CLIENT_SECRET", "REDIS_URL")},
                "VAULT_ROOT_KEY_FILE": "/key",
                "VAULT_GRANT_DAYS": "3",
            },
        ),
        *(
            (
                part,
                {
                    **{name: VALUES[name] for name in ("ISSUER", "TASK_DATABASE_URL", "TASK_SERVICE_CLIENT_SECRET")},
                    "TASK_DEMO_STEP_SECONDS": "0.1",
                },
            )
            for part in ("tasks", "worker")
        ),
        ("tasks-migrations", {"TASK_MIGRATION_DATABASE_URL": VALUES["TASK_MIGRATION_DATABASE_URL"]}),
    ],
)
def test_a_part_gets_what_it_reads_and_no_secret_of_another(part, told):
    assert environments.of_part(part, VALUES, SHELL) == MACHINE | told


def test_the_vault_gets_proxies_and_authorities_if_it_is_told_to_use_them():
    told = environments.of_part("vault", {}, {**SHELL, "VAULT_NETWORK_VARIABLES": "usual"})
    assert (told["HTTPS_PROXY"], told["REQUESTS_CA_BUNDLE"]) == ("http://127.0.0.1:1", "/nowhere")


def test_each_value_of_a_stack_that_a_service_reads_reaches_it():
    """A new setting of a service must be listed, or the service would run with its default."""
    wanted = set(re.findall(r'"((?:VAULT|TASK|ISSUER|PUBLIC|REDIS)[A-Z_]*)": ', STACK)) | set(
        re.findall(r'environ\["(VAULT_\w+)"\]', STACK)
    )
    told = {
        name
        for part in ("vault", "tasks", "worker", "vault-migrations", "tasks-migrations")
        for name in environments.of_part(part, dict.fromkeys(wanted, "x"), {})
    }
    assert wanted - told == {"TASK_URL", "ISSUER_ORIGIN", "VAULT_UPSTREAM", "TASK_UPSTREAM"}  # tests, gateway


def test_a_started_part_has_no_variable_of_the_shell(processes, sleeper, monkeypatch):
    for name, value in SHELL.items():
        if name != "PYTHONHOME":
            monkeypatch.setenv(name, value)
    part = sleeper("env; exec sleep 60")
    processes.start(part)
    while not (text := processes.log("sleeper").read_text()).count("\nPWD="):
        assert processes.pid("sleeper") or text
    assert {line.partition("=")[0] for line in text.splitlines()} <= {*environments.MACHINE, "PWD", "SHLVL", "_"}


def test_the_stacks_own_connections_ignore_libpqs_variables(monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "require")
    environments.forget_libpq()
    assert not [name for name in os.environ if name.startswith("PG")]


def test_readiness_is_asked_without_a_proxy(monkeypatch):
    """A proxy that does not exist would make every part look dead."""
    seen = []
    monkeypatch.setattr(http.requests.Session, "get", lambda self, *_, **__: seen.append(self.trust_env) or _Ok())
    assert http.answers("http://127.0.0.1:1/")
    assert seen == [False]


class _Ok:
    ok = True


def make(tmp_path, *lines, **environ):
    """Run a makefile that includes the project's first lines, as `make` reads them."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (tmp_path / "Makefile").write_text("\n".join((text, *lines)) + "\n", encoding="utf-8")
    done = subprocess.run(
        ["make", "--no-print-directory", "shown"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_takes_out_what_would_change_python_pip_npm_or_libpq(tmp_path):
    hostile = {
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere",
        "PYTHONWARNINGS": "error",
        "PYTHONSTARTUP": "/nowhere",
        "NODE_OPTIONS": "--require /nowhere",
        "npm_config_global": "true",
        "NPM_CONFIG_PACKAGE_LOCK": "false",
        "UV_SYSTEM_PYTHON": "1",
        "PGSERVICE": "elsewhere",
        "NODE_ENV": "production",
        "npm_config_omit": "dev",
        "PIP_USER": "1",
        "PIP_TARGET": "/nowhere",
        "PGSSLMODE": "require",
        "GUNICORN_CMD_ARGS": "--workers 9",
        "CDPATH": "/tmp",
    }
    told = make(
        tmp_path, "shown:", "\t@env", **hostile, PIP_INDEX_URL="https://mirror.example/simple", PYTHON="python3"
    )
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert not names & hostile.keys()
    assert {"PIP_INDEX_URL", "PYTHON"} <= names  # what somebody has asked for


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_moved_checkout_makes_its_virtual_environment_anew(tmp_path, is_moved):
    folder = tmp_path / "a chéckout"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "place").write_text(f"{'/elsewhere' if is_moved else folder.resolve()}\n")
    told = make(folder, "shown:", "\t@:")
    assert (folder / ".venv").exists() != is_moved
    assert ("has moved" in told) == is_moved


def test_a_closed_umask_leaves_the_data_reachable_for_the_unprivileged_user(open_folder):
    """umask 077 as root: the folder was closed, and initdb could not enter it."""
    program = (
        "import os, sys, pathlib; os.umask(0o077); from local_stack import postgres;"
        "folder = pathlib.Path(sys.argv[1]); server = postgres.PostgresServer(folder, 1, 'x'); server._initialize();"
        "print((folder / 'data' / 'PG_VERSION').exists())"
    )
    folder = open_folder / "postgres"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    try:
        assert done.stderr == ""
        assert (folder / "data").exists() or (postgres.fallback_folder(folder) / "data").exists()
    finally:
        postgres.forget(folder)
