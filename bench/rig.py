"""The system under test: its own stack, reduced to the vault's needs, with a vault and a hello route on gunicorn.

The stack is that of `dev/stack`. After the consents, its gateway, task side and vault are stopped, and a vault with the
requested processes and threads takes their place. Metrics, access log, audit and checkpoints are on, as in production;
PostgreSQL confirms a commit when it is on the disk.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from api import MANAGER, Api, command_line_token, service_token
from person import Person
from stack import ROOT, Stack, free_port

from bench.callers import claims, offline_token
from bench.load import Get
from local_stack import http
from local_stack.process import Part, Processes

WHO = "alice"
SCOPES = ("address", "email", "offline_access", "openid", "phone", "profile")
"""The scopes of the grants."""
MEASURED = ("bench-hello", "bench-vault", "postgres", "redis", "idp")
NOT_NEEDED = ("gateway", "worker", "tasks", "vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """gunicorn's processes and the threads of each; grants: their number in the vault, and as many outside it."""

    workers: int
    threads: int
    grants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A running vault, hello and authorization server.

    parts: the first process of each part, by name; grants: ids of active grants; refresh_tokens: offline tokens of the
    vault's client that are not in the vault, replaced when they are used; subject: their owner; lifetime: of an access
    token, in seconds.
    """

    stack: Stack
    vault_url: str
    hello_url: str
    parts: Mapping[str, int]
    grants: Sequence[str]
    refresh_tokens: list[str]
    subject: str
    lifetime: int

    def hello(self) -> Get:
        """The bare Flask route."""
        return Get(f"{self.hello_url}/hello", {})

    def access_token(self) -> Get:
        """An access token of the first grant, for the task service on behalf of its owner."""
        url = f"{self.vault_url}{MANAGER}/access-token?id={self.grants[0]}&subject={self.subject}"
        return Get(url, {"Authorization": f"Bearer {service_token(self.stack)}"})

    def refreshes(self) -> int:
        """The number of refreshes that the vault has recorded."""
        with psycopg.connect(self.stack["VAULT_MIGRATION_DATABASE_URL"]) as connection:
            row = connection.execute("select count(*) from audit where event = 'grant.refreshed'").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def running(idp: str, shape: Shape) -> Iterator[Rig]:
    """A rig on its own ports; it is removed afterwards."""
    folder = ROOT / "artifacts"
    folder.mkdir(exist_ok=True)
    state_dir = Path(
        tempfile.mkdtemp(prefix="bench-", dir=folder)
    )  # on the checkout's disk: a commit must cost its fsync
    state_dir.chmod(0o755)  # if root runs this, PostgreSQL runs as another user
    stack = Stack.create(state_dir, idp)
    processes = Processes(state_dir / "run", state_dir / "log")
    try:
        stack.start()
        grants = _grants(stack, shape.grants)
        tokens = [offline_token(stack, Person(WHO), SCOPES) for _ in range(shape.grants)]
        token = claims(command_line_token(stack, WHO))
        for part in NOT_NEEDED:
            processes.stop(part)
        vault = _gunicorn(processes, "bench-vault", "vault_service.wsgi:app", "/readyz", shape, stack.values)
        hello = _gunicorn(processes, "bench-hello", "bench.hello:app", "/hello", shape, {})
        yield Rig(
            stack=stack,
            vault_url=vault,
            hello_url=hello,
            parts={name: pid for name in MEASURED if (pid := processes.pid(name)) is not None},
            grants=grants,
            refresh_tokens=tokens,
            subject=str(token["sub"]),
            lifetime=int(token["exp"]) - int(token["iat"]),
        )
    finally:
        for name in ("bench-vault", "bench-hello"):
            processes.stop(name)
        stack.command("clean")
        shutil.rmtree(state_dir, ignore_errors=True)


def _grants(stack: Stack, number: int) -> list[str]:
    """Grants of the vault, each with a consent in its own browser, so that no two share a session."""
    api = Api(stack, command_line_token(stack, WHO))
    return [api.grant(Person(WHO), scopes=["address", "phone"]) for _ in range(number)]


def _gunicorn(processes: Processes, name: str, app: str, probe: str, shape: Shape, environ: dict[str, str]) -> str:
    """Start gunicorn with the services' settings; returns its address."""
    port, metrics = free_port(), free_port()
    part = Part(
        name=name,
        command=[str(Path(sys.executable).parent / "gunicorn"), "-c", "python:service_kit.server.gunicorn_config", app],
        environ={
            **environ,
            "BIND": f"127.0.0.1:{port}",
            "METRICS_BIND": f"127.0.0.1:{metrics}" if environ else "",
            "WEB_WORKERS": str(shape.workers),
            "WEB_THREADS": str(shape.threads),
        },
        cwd=ROOT,
        ready=lambda: http.answers(f"http://127.0.0.1:{port}{probe}"),
    )
    processes.start(part)
    processes.wait_ready(part)
    return f"http://127.0.0.1:{port}"
