"""The system under test: its own stack, reduced to the vault's needs, with a vault and two bare Flask routes.

One of the bare routes runs on gunicorn's own worker with threads (`gthread`): a reference that our server cannot
change. The other one runs on the vault's server.

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
import requests
from api import MANAGER, Api, command_line_token, service_token
from person import Person
from stack import ARTIFACTS, ROOT, TIMEOUT, Stack, free_port

from bench.callers import claims, offline_token
from bench.load import Get
from local_stack import http
from local_stack.process import Part, Processes

WHO = "alice"
SCOPES = ("address", "email", "offline_access", "openid", "phone", "profile")
"""The scopes of the grants."""
BENCHED = (
    "bench-flask",
    *(f"bench-{part}{suffix}" for suffix in ("", "-before") for part in ("hello", "vault", "shared")),
)
"""What the benchmark starts itself."""
MEASURED = (*BENCHED, "postgres", "redis", "idp")
SOURCES = ("service-kit/src", "vault-service/src", ".")
"""What of a checkout a measured server imports."""
REMEMBERS_NOTHING = {"VAULT_REMEMBERED_TOKENS": "0"}
"""Settings of a vault that finds every token in Redis."""
NOT_NEEDED = ("gateway", "worker", "tasks", "vault")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """gunicorn's processes and the threads of each; grants: their number in the vault, and as many outside it.

    before: another checkout of the product, measured in turns with this one; folder: where the database is kept.
    """

    workers: int
    threads: int
    grants: int
    before: Path | None = None
    folder: Path = ARTIFACTS


@dataclass(frozen=True, slots=True, kw_only=True)
class RigServers:
    """The addresses of a vault, of one that remembers no tokens, and of a bare Flask route on the same server."""

    vault_url: str
    shared_url: str
    hello_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A running vault, bare routes and authorization server.

    flask_url: of the bare route on `gthread`; before: of another checkout, if one is measured too.

    parts: the first process of each part, by name; grants: ids of active grants; refresh_tokens: offline tokens of the
    vault's client that are not in the vault, replaced when they are used; subject: their owner; ticket: for the first
    grant; lifetime: of an access token, in seconds.
    """

    stack: Stack
    flask_url: str
    servers: RigServers
    before: RigServers | None
    parts: Mapping[str, int]
    grants: Sequence[str]
    refresh_tokens: list[str]
    subject: str
    ticket: str
    lifetime: int

    def flask(self) -> Get:
        """The bare Flask route on `gthread`."""
        return Get(f"{self.flask_url}/hello", {})

    def hello(self, servers: RigServers | None = None) -> Get:
        """The bare Flask route on the vault's server."""
        return Get(f"{(servers or self.servers).hello_url}/hello", {})

    def access_token(self, servers: RigServers | None = None) -> Get:
        """An access token of the first grant, for the task service on behalf of its owner."""
        url = f"{(servers or self.servers).vault_url}{MANAGER}/access-token?id={self.grants[0]}&subject={self.subject}"
        return Get(url, {"Authorization": f"Bearer {service_token(self.stack)}"})

    def access_tokens(self, vault_url: str) -> list[Get]:
        """An access token of each grant."""
        bearer = {"Authorization": f"Bearer {service_token(self.stack)}"}
        path = f"{vault_url}{MANAGER}/access-token"
        return [Get(f"{path}?id={grant}&subject={self.subject}", bearer) for grant in self.grants]

    def by_ticket(self) -> Get:
        """The same with a ticket for that grant."""
        return Get(f"{self.servers.vault_url}{MANAGER}/access-token", {"Authorization": f"Bearer {self.ticket}"})

    def refreshes(self) -> int:
        """The number of refreshes that the vault has recorded."""
        with psycopg.connect(self.stack["VAULT_MIGRATION_DATABASE_URL"]) as connection:
            row = connection.execute("select count(*) from audit where event = 'grant.refreshed'").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def running(idp: str, shape: Shape) -> Iterator[Rig]:
    """A rig on its own ports; it is removed afterwards."""
    state_dir = Path(tempfile.mkdtemp(prefix="bench-", dir=shape.folder))
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
        servers = _servers(processes, "", shape, stack, ROOT)
        before = _servers(processes, "-before", shape, stack, shape.before) if shape.before else None
        yield Rig(
            stack=stack,
            flask_url=_flask(processes, shape),
            servers=servers,
            before=before,
            parts={name: pid for name in MEASURED if (pid := processes.pid(name)) is not None},
            grants=grants,
            refresh_tokens=tokens,
            subject=str(token["sub"]),
            ticket=_ticket(stack, servers, grants[0], str(token["sub"])),
            lifetime=int(token["exp"]) - int(token["iat"]),
        )
    finally:
        for name in BENCHED:
            processes.stop(name)
        stack.command("clean")
        shutil.rmtree(state_dir, ignore_errors=True)


def _ticket(stack: Stack, servers: RigServers, grant: str, subject: str) -> str:
    """A ticket whose uses are not limited, made by the task service."""
    answer = requests.post(
        f"{servers.vault_url}{MANAGER}/tickets",
        json={"id": grant, "subject": subject, "name": "benchmark", "expiresIn": 86_400},
        headers={"Authorization": f"Bearer {service_token(stack)}"},
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    return str(answer.json()["ticket"])


def _grants(stack: Stack, number: int) -> list[str]:
    """Grants of the vault, each with a consent in its own browser, so that no two share a session."""
    api = Api(stack, command_line_token(stack, WHO))
    return [api.grant(Person(WHO), scopes=["address", "phone"]) for _ in range(number)]


def _servers(processes: Processes, suffix: str, shape: Shape, stack: Stack, checkout: Path) -> RigServers:
    """A vault and a bare Flask route from that checkout."""
    sources = {"PYTHONPATH": ":".join(str(checkout / folder) for folder in SOURCES)}
    environ = {**stack.values, **sources}
    vault = ("vault_service.wsgi:app", "/readyz", shape)
    return RigServers(
        vault_url=_gunicorn(processes, f"bench-vault{suffix}", *vault, environ),
        shared_url=_gunicorn(processes, f"bench-shared{suffix}", *vault, {**environ, **REMEMBERS_NOTHING}),
        hello_url=_gunicorn(processes, f"bench-hello{suffix}", "bench.hello:app", "/hello", shape, sources),
    )


def _flask(processes: Processes, shape: Shape) -> str:
    """The bare route on gunicorn's own worker with threads."""
    options = ("--worker-class", "gthread", "--keep-alive", "75")
    numbers = ("--workers", str(shape.workers), "--threads", str(shape.threads))
    return _started(processes, "bench-flask", (*options, *numbers, "bench.hello:app"), "/hello", {})


def _gunicorn(processes: Processes, name: str, app: str, probe: str, shape: Shape, environ: dict[str, str]) -> str:
    """An application with the services' own settings."""
    own = {
        "METRICS_BIND": f"127.0.0.1:{free_port()}" if name.startswith(("bench-vault", "bench-shared")) else "",
        "WEB_WORKERS": str(shape.workers),
        "WEB_THREADS": str(shape.threads),
    }
    options = ("-c", "python:service_kit.server.gunicorn_config", app)
    return _started(processes, name, options, probe, {**environ, **own})


def _started(processes: Processes, name: str, options: Sequence[str], probe: str, environ: Mapping[str, str]) -> str:
    """Start a gunicorn; its address, when it answers there."""
    bind = f"127.0.0.1:{free_port()}"
    part = Part(
        name=name,
        command=[str(Path(sys.executable).parent / "gunicorn"), "--bind", bind, *options],
        environ={**environ, "BIND": bind},
        cwd=ROOT,
        ready=lambda: http.answers(f"http://{bind}{probe}"),
    )
    processes.start(part)
    processes.wait_ready(part)
    return f"http://{bind}"
