"""Unusable configuration is refused at once: one clear line, status 78, and dependent parts do not start."""

import base64
import os
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from compose_stack import ComposeStack, inspect

pytestmark = pytest.mark.skipif(os.environ.get("STACK") != "compose", reason="needs containers: make test-compose")
EX_CONFIG = 78
SECRETS_GROUP = 10000


@pytest.fixture(scope="module")
def compose(stack: ComposeStack) -> ComposeStack:
    """The stack, which these tests know to be a compose project."""
    return stack


def run(compose: ComposeStack, service: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Start one more container of a service, with something wrong with it, and wait for its end."""
    return compose.docker_compose("run", "--rm", "--no-deps", "-T", *options, service, check=False)


def assert_refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """One line that says what is wrong, and the status of an unusable configuration."""
    said = [line for line in done.stderr.splitlines() if "cannot start" in line or line.startswith("task-service: ")]
    assert done.returncode == EX_CONFIG, done.stdout + done.stderr
    assert len(said) == 1, done.stderr
    assert all(word in said[0] for word in words), said
    assert "Traceback" not in done.stderr


def test_a_missing_secret_file(compose: ComposeStack) -> None:
    """The message names the file."""
    missing = "/run/secrets/nothing"
    assert_refused(run(compose, "vault", "-e", f"VAULT_ROOT_KEY_FILE={missing}"), "VAULT_ROOT_KEY_FILE", missing)
    assert_refused(run(compose, "task-api", "-e", f"TASK_DATABASE_URL_FILE={missing}"), "TASK_DATABASE_URL", missing)
    assert_refused(run(compose, "task-worker", "-e", f"TASK_DATABASE_URL_FILE={missing}"), "TASK_DATABASE_URL", missing)


def root_key(folder: Path, mode: int) -> tuple[str, ...]:
    """Options that mount another root key."""
    path = folder / "root_key"
    path.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    os.chown(path, -1, SECRETS_GROUP) if os.geteuid() == 0 else pytest.skip(
        "needs root, for a file of the containers' group"
    )
    path.chmod(mode)
    return ("-v", f"{path}:/other/root_key:ro", "-e", "VAULT_ROOT_KEY_FILE=/other/root_key")


def test_a_root_key_that_everybody_may_read(compose: ComposeStack, tmp_path: Path) -> None:
    """A user who can read the root key has every stored token."""
    assert_refused(run(compose, "vault", *root_key(tmp_path, 0o444)), "VAULT_ROOT_KEY_FILE", "readable by everybody")


def test_a_wrong_root_key(compose: ComposeStack, tmp_path: Path) -> None:
    """The key does not open the values in the database."""
    assert_refused(run(compose, "vault", *root_key(tmp_path, 0o440)), "root key")


@contextmanager
def newer_schema(compose: ComposeStack, database: str) -> Iterator[None]:
    """As if a later release had migrated the database."""
    url = compose["POSTGRES_SUPERUSER_URL"].rpartition("/")[0] + f"/{database}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into schema_migrations (name) values ('9999_future.post.sql')")
        try:
            yield
        finally:
            connection.execute("delete from schema_migrations where name = '9999_future.post.sql'")


@pytest.mark.parametrize(("database", "service"), [("vault", "vault"), ("tasks", "task-api"), ("tasks", "task-worker")])
def test_a_database_of_a_newer_schema(compose: ComposeStack, database: str, service: str) -> None:
    """Old code does not guess."""
    with newer_schema(compose, database):
        assert_refused(run(compose, service), "9999_future.post.sql")


@pytest.mark.parametrize("service", ["vault", "task-api", "task-worker"])
def test_an_issuer_that_is_somebody_else(compose: ComposeStack, service: str) -> None:
    """The discovery document has another name in it (RFC 8414 section 3.3)."""
    assert_refused(run(compose, service, "-e", "ISSUER=http://localhost:1/realms/demo"), compose["ISSUER"])


def test_a_port_in_use(compose: ComposeStack) -> None:
    """The engine says so, and nothing was started."""
    port = compose.ports["GATEWAY_PORT"]
    done = run(compose, "gateway", "--publish", f"127.0.0.1:{port}:3000")
    assert done.returncode != 0
    assert "already" in done.stderr
    assert str(port) in done.stderr


def assert_gateway_waits(compose: ComposeStack, *files: Path) -> None:
    """`up` with a vault that refuses fails soon, names it, and the gateway was not started."""
    compose.docker_compose("rm", "--stop", "--force", "vault", "gateway")
    more = [word for path in files for word in ("-f", str(path))]
    up = compose.docker_compose(*more, "up", "--wait", "--wait-timeout", "200", check=False)
    assert up.returncode != 0
    assert re.search(rf"container {compose.project}-vault-1 (is unhealthy|exited)", up.stderr), up.stderr
    gateway = inspect(*compose.containers("gateway"))[0]["State"]
    assert gateway["Status"] == "created", gateway
    assert not compose.parts()["gateway"]
    assert "cannot start" in compose.log("vault")


def test_up_with_a_vault_that_has_a_wrong_root_key(healthy: ComposeStack, tmp_path: Path) -> None:
    """The vault logs the reason at each restart, and serves no request."""
    _, mount, _, variable = root_key(tmp_path, 0o440)
    path = tmp_path / "other.yml"
    path.write_text(f"services: {{vault: {{environment: ['{variable}'], volumes: ['{mount}']}}}}\n")
    assert_gateway_waits(healthy, path)
    assert "root key" in healthy.log("vault")


def test_up_with_a_vault_that_has_another_issuer(healthy: ComposeStack, tmp_path: Path) -> None:
    """The vault names the issuer that answers."""
    path = tmp_path / "other.yml"
    path.write_text("services:\n  vault:\n    environment: {ISSUER: 'http://localhost:1/realms/demo'}\n")
    assert_gateway_waits(healthy, path)
    assert healthy["ISSUER"] in healthy.log("vault")


def test_up_with_a_port_in_use(healthy: ComposeStack) -> None:
    """The engine names it, the page's service is not started, and the rest runs."""
    port = healthy.ports["GATEWAY_PORT"]
    healthy.docker_compose("rm", "--stop", "--force", "gateway")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        up = healthy.docker_compose("up", "--wait", check=False)
        parts = healthy.parts()
    assert up.returncode != 0
    assert "already" in up.stderr
    assert str(port) in up.stderr
    assert [part for part, runs in parts.items() if not runs] == ["gateway"]


def test_nothing_starts_without_its_secrets(tmp_path: Path) -> None:
    """A root key that was lost is not made anew: `up` fails, says which file, and everybody else waits."""
    stack = ComposeStack(tmp_path)
    lose = "mkdir /secrets/own && for name in redis database_vault; do echo x >/secrets/own/$name; done"
    try:
        stack.docker_compose("run", "--rm", "--no-deps", "-T", "--build", "secrets", "sh", "-c", lose)
        up = stack.docker_compose("up", "--wait", check=False)
        assert up.returncode != 0
        assert "secrets" in up.stderr
        assert "own/root_key" in stack.docker_compose("logs", "--no-log-prefix", "secrets").stdout
        assert not any(stack.parts().values())
        states = {container.Service: container.ExitCode for container in stack.compose.get_containers(include_all=True)}
        assert states["secrets"] == EX_CONFIG
    finally:
        stack.clean()
