"""One stack for the whole run, on its own ports, against the authorization server that `IDP` names (default: dev).

With pytest-xdist each worker has a stack of its own, so that a test may break what it likes. `STACK=compose` runs the
same tests against docker-compose.yml, with the real Keycloak inside. `ROTATION` (`off`, `reuse 0`, `reuse 1`) is what
Keycloak does with refresh tokens that were used; as in the realm's file, if not given.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api import Api, command_line_token, service_token
from faults.figures import Figures
from keycloak_admin import ROTATION, KeycloakAdmin
from person import Person
from scheduling import StackScheduling, shares_fixtures
from secrets_scan import leaks
from stack import ARTIFACTS, Stack, eventually

FIGURES = pytest.StashKey[Figures]()
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def pytest_configure(config: pytest.Config) -> None:
    """FAULTS=long measures the figures under faults at their full size; else a short form shows the same."""
    config.stash[FIGURES] = Figures(long=os.environ.get("FAULTS") == "long")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long units of work first, so that no worker has one left when the others are done."""
    items.sort(key=lambda item: not shares_fixtures(item.nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share a fixture of their module stay together, all others go anywhere."""
    return StackScheduling(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands its figures over."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = session.config.stash[FIGURES].dump()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's figures."""
    node.config.stash[FIGURES].load(node.workeroutput["figures"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures and keep them."""
    figures = config.stash[FIGURES]
    if figures.kept:
        figures.write(ARTIFACTS / "faults.json")
        terminalreporter.section("figures under faults")
        for line in figures.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """The place for a test's figures."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running stack. At the end its files are searched for secrets; then it is removed."""
    idp = os.environ.get("IDP") or "dev"
    state_dir = Path(tempfile.mkdtemp(prefix="offline-token-vault-test-"))
    state_dir.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    running = _compose_stack(state_dir) if os.environ.get("STACK") == "compose" else Stack.create(state_dir, idp)
    try:
        running.start()
        if rotation := os.environ.get("ROTATION"):
            KeycloakAdmin(running).call("PUT", "", ROTATION[rotation])
        yield running
        running.collect_logs()
        found = leaks(running)
    finally:
        _keep_logs(running)
        running.clean()
        shutil.rmtree(state_dir, ignore_errors=True)
    assert found == [], "secrets where none may be"


def _compose_stack(state_dir: Path) -> Stack:
    from compose_stack import ComposeStack  # noqa: PLC0415 - testcontainers are needed nowhere else

    return ComposeStack(state_dir)


def _keep_logs(stack: Stack) -> None:
    stack.collect_logs()
    target = ARTIFACTS / "log" / WORKER
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(stack.state_dir / "log", target)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a line during the tests: a figure, a version."""
    plugins = pytestconfig.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")

    def write(line: str) -> None:
        if terminal and capture:
            with capture.global_and_fixture_disabled():  # else it would be shown for tests that fail only
                terminal.write_line(f"\n  {line}")

    return write


@pytest.fixture
def healthy(stack: Stack) -> Iterator[Stack]:
    """The stack, for a test that breaks something: brought back afterwards, whatever happened."""
    yield stack
    if stack.is_disturbed:
        stack.start()
    if stack.is_dev:
        stack.control("DELETE", "")
    eventually(stack.is_at_ease, "every process of the vault asks the authorization server again")


@pytest.fixture
def dev_stack(healthy: Stack) -> Stack:
    """The stack with the development authorization server, whose switches the test needs."""
    if not healthy.is_dev:
        pytest.skip("needs the switches of the development authorization server")
    return healthy


@pytest.fixture(scope="session")
def alice_person(stack: Stack) -> Person:
    """Alice with her browser."""
    return Person("alice")


@pytest.fixture(scope="session")
def bob_person(stack: Stack) -> Person:
    """Bob with his browser."""
    return Person("bob")


@pytest.fixture
def alice(stack: Stack) -> Api:
    """Alice at the command line."""
    return Api(stack, command_line_token(stack, "alice"))


@pytest.fixture
def bob(stack: Stack) -> Api:
    """Bob at the command line."""
    return Api(stack, command_line_token(stack, "bob"))


@pytest.fixture
def nobody(stack: Stack) -> Api:
    """A caller without a token."""
    return Api(stack, None)


@pytest.fixture
def task_service(stack: Stack) -> Api:
    """The task service's own client, straight at the vault: the gateway gives services no access tokens."""
    return Api(stack, service_token(stack), stack["VAULT_URL"])
