"""The commands of a stack: start, start again, status, stop; in the foreground too. Uses its own stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from api import Api
from stack import ROOT, Stack, eventually, is_running

pytestmark = [
    pytest.mark.any_server,
    pytest.mark.skipif(
        os.environ.get("STACK") == "compose", reason="the native stack's own commands; compose has its own"
    ),
]
PARTS = ("postgres", "redis", "idp", "vault", "tasks", "worker", "gateway")


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that was not started yet."""
    fresh = Stack.create(tmp_path_factory.mktemp("commands") / "state", "dev")
    yield fresh
    fresh.command("clean")
    assert not fresh.state_dir.exists()


def pids(stack: Stack) -> list[int]:
    """The processes of all parts."""
    return [stack.pid(part) for part in PARTS]


def test_a_stack_is_started_once_mended_when_half_dead_and_stopped_whole(fresh: Stack) -> None:
    """`start` names the parts that it found. `token` prints a token for the API. `stop` ends all; data stay."""
    fresh.start()
    first = pids(fresh)
    assert fresh.command("start").stdout == f"already up: {fresh.gateway}/tasks\n"

    for part in ("redis", "gateway", "tasks"):
        os.kill(fresh.pid(part), signal.SIGKILL)
        eventually(lambda part=part: not is_running(fresh.pid(part)), f"{part} is dead")  # type: ignore[misc]
    assert fresh.command("status").stdout.count("down") == 3
    assert fresh.command("start").returncode == 0
    assert [new == old for new, old in zip(pids(fresh), first, strict=True)] == [
        part not in {"redis", "gateway", "tasks"} for part in PARTS
    ]
    assert requests.get(f"{fresh.gateway}/tasks", timeout=10).ok
    token = fresh.command("token", "bob").stdout.strip()
    assert Api(fresh, token).create_task()

    last = pids(fresh)
    assert fresh.command("stop").returncode == 0
    assert not [pid for pid in last if is_running(pid)]
    assert fresh.command("stop").stdout == "nothing was running\n"


def test_a_stack_that_is_up_does_not_move(fresh: Stack) -> None:
    """Another port is another stack, or needs a stop first."""
    fresh.start()
    moved = Stack(fresh.state_dir, {**fresh.environ, "GATEWAY_PORT": "29998"}).command("start")
    assert moved.returncode == 1
    assert f"this stack is up with GATEWAY_URL={fresh.gateway}" in moved.stderr
    silent = {name: value for name, value in fresh.environ.items() if name not in {"GATEWAY_PORT", "IDP_PORT"}}
    assert Stack(fresh.state_dir, silent).command("start").stdout == f"already up: {fresh.gateway}/tasks\n"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_a_death_is_named_and_the_end_is_the_end_of_all(
    fresh: Stack, tmp_path: Path, ending: signal.Signals
) -> None:
    """Ctrl-C and a service manager's SIGTERM stop every part."""
    told = tmp_path / "told"
    with told.open("w") as output:
        foreground = subprocess.Popen(
            [sys.executable, "-m", "local_stack", "run"], env=fresh.environ, cwd=ROOT, stdout=output, stderr=output
        )
    eventually(lambda: "Ctrl-C stops it." in told.read_text(), "it is up", 90)
    running = pids(fresh)
    os.kill(fresh.pid("redis"), signal.SIGKILL)
    eventually(lambda: "redis has died; `make start` in another terminal brings it back" in told.read_text(), "a word")
    foreground.send_signal(ending)
    try:
        assert foreground.wait(60) == 0
    finally:
        foreground.kill()
    assert not [pid for pid in running if is_running(pid)]
