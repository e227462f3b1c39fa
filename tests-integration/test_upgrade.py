"""An upgrade without downtime: today's code is the old release, a copy of it with more migrations the newer one.

What was tried with the real release before this one stands in docs/operations.md.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from api import Api, command_line_token
from faults.vault_process import VaultProcess
from person import Person
from stack import ROOT, Stack, eventually

pytestmark = [
    pytest.mark.any_server,
    pytest.mark.skipif(os.environ.get("STACK") == "compose", reason="test_compose_scale.py shows it with containers"),
]
EX_CONFIG = 78
PREPARED, FINISHED = "9998_newer.pre.sql", "9999_newer.post.sql"
NEWER_RELEASE = {
    "vault": (
        "alter table grants add column newer text; create index grants_newer on grants (newer);",
        "update grants set newer = ''; alter table grants alter column newer set not null;",
    ),
    "task": (
        "alter table tasks add column newer text; create index tasks_newer on tasks (newer);",
        "update tasks set newer = ''; alter table tasks alter column newer set not null;",
    ),
}
"""What it prepares, and what the old code cannot live with: each row that it writes then would be refused."""
ROLES = {
    "vault": ("gunicorn", "-c", "python:service_kit.server.gunicorn_config", "vault_service.wsgi:app"),
    "task-api": ("gunicorn", "-c", "python:service_kit.server.gunicorn_config", "task_service.wsgi:app"),
    "task-worker": ("task-service", "worker"),
    "vault-migrate": ("vault-service", "migrate"),
    "task-migrate": ("task-service", "migrate"),
}


@dataclass
class StackUpgrade:
    """A stack of the old release. newer: the folder with the newer release's packages."""

    stack: Stack
    newer: Path

    def run(self, *command: str, newer: bool = False) -> "subprocess.CompletedProcess[str]":
        """A program of one of the releases, with the stack's settings, until it ends."""
        program = str(Path(sys.executable).parent / command[0])
        path = {"PYTHONPATH": str(self.newer)} if newer else {}
        environ = {**os.environ, **self.stack.values, "BIND": "127.0.0.1:0", **path}
        return subprocess.run(
            [program, *command[1:]], env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )

    def migrate(self, *options: str) -> list[str]:
        """The output of the newer release's two `migrate` commands."""
        done = [self.run(f"{service}-service", "migrate", *options, newer=True) for service in NEWER_RELEASE]
        assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
        return [each.stdout.strip() for each in done]


@pytest.fixture(scope="module")
def upgrade() -> Iterator[StackUpgrade]:
    """A stack of its own, since its schema does not stay as it is; with tasks that run a second or two."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-upgrade-"))
    folder.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    stack = Stack.create(folder / "state", "dev")
    stack.environ["TASK_DEMO_STEP_SECONDS"] = "0.1"
    for service, steps in NEWER_RELEASE.items():
        package = f"{service}_service"
        shutil.copytree(ROOT / f"{service}-service" / "src" / package, folder / "newer" / package)
        for name, statements in zip((PREPARED, FINISHED), steps, strict=True):
            (folder / "newer" / package / "migrations" / name).write_text(statements)
    try:
        stack.start()
        yield StackUpgrade(stack, folder / "newer")
    finally:
        stack.clean()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def alice(upgrade: StackUpgrade) -> Api:
    """Alice at the command line."""
    return Api(upgrade.stack, command_line_token(upgrade.stack, "alice"))


@contextmanager
def asking(ask: Callable[[], int]) -> Iterator[Counter[int]]:
    """Send requests continuously during the block. Returns the statuses of the answers."""
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def again() -> None:
        while not over.wait(0.02):
            statuses[ask()] += 1

    thread = threading.Thread(target=again)
    thread.start()
    try:
        eventually(lambda: statuses, "there are answers")
        yield statuses
    finally:
        over.set()
        thread.join()


def assert_works(alice: Api, token_id: str, scope: str) -> None:
    """A refresh with the stored token, for a scope not asked for before; and a task from its creation to completion."""
    assert alice.access_token(token_id, scope=scope).status_code == 200
    task_id = alice.create_task()
    assert alice.link(task_id, token_id).status_code == 200
    assert alice.execute(task_id).json()["status"] == "executing"
    assert alice.finished(task_id)["status"] == "completed"


def test_an_upgrade_in_three_steps(upgrade: StackUpgrade, alice: Api) -> None:
    """Old code serves on the prepared schema, starts on it, stands beside the new; on the finished one it refuses."""
    stack = upgrade.stack
    token_id = alice.grant(Person("alice"))

    with asking(lambda: alice.access_token(token_id).status_code) as through_the_gateway:
        assert upgrade.migrate("--pre-only") == [f"applied: {PREPARED}"] * 2
        assert_works(alice, token_id, "openid")
    assert set(through_the_gateway) == {200}

    for part in ("vault", "tasks", "worker"):  # also one that starts anew, behind its own `migrate`
        stack.kill(part)
    stack.start()
    assert_works(alice, token_id, "openid profile")

    newcomer = VaultProcess(stack, "newer", environ={"PYTHONPATH": str(upgrade.newer)}).start()
    try:
        bearer = str(alice.bearer)
        at_both = (newcomer.ask(bearer, token_id).json(), alice.access_token(token_id).json())
        assert len({each["accessToken"] for each in at_both}) == 1
        assert newcomer.ask(bearer, token_id, scope="openid email").status_code == 200  # refreshed by the new one
        assert_works(alice, token_id, "openid profile email")  # and by the old one again

        with asking(lambda: newcomer.ask(bearer, token_id).status_code) as at_the_newcomer:
            for part in ("vault", "tasks", "worker"):
                stack.terminate(part)
            assert upgrade.migrate() == [f"applied: {FINISHED}"] * 2
        assert set(at_the_newcomer) == {200}
    finally:
        newcomer.end()

    for role, command in ROLES.items():
        refused = upgrade.run(*command)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (EX_CONFIG, 1), (role, refused.stderr)
        assert FINISHED in refused.stderr
