"""The stack under test, as an operator has it: its `stack.env`, its logs, and the commands that start and stop it."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"
TIMEOUT = 30
PORTS = range(10_000, 20_000)
T = TypeVar("T")


@dataclass
class Stack:
    """One local stack. environ: what it was started with; is_disturbed: since then a test has ended a part of it."""

    state_dir: Path
    environ: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    is_disturbed: bool = False

    @classmethod
    def create(cls, state_dir: Path, idp: str) -> "Stack":
        """A stack on ports of its own, not started yet."""
        choices = {
            "STATE_DIR": str(state_dir),
            "GATEWAY_PORT": str(free_port()),
            "IDP_PORT": str(free_port()),
            "IDP": idp,
            "IDP_CONTROL": "1",
        }
        return cls(state_dir, {**os.environ, **choices})

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one command of the local stack."""
        return subprocess.run(
            [sys.executable, "-m", "local_stack", *words],
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def start(self) -> None:
        """Start what is missing; the stack can be used when this returns."""
        done = self.command("start")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (self.state_dir / "stack.env").read_text().splitlines()
        self.values = dict(line.split("=", 1) for line in lines)
        self.is_disturbed = False

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def gateway(self) -> str:
        """The gateway's address for browsers."""
        return self["GATEWAY_URL"]

    @property
    def is_dev(self) -> bool:
        """True when the stack has the development authorization server, with its switches."""
        return self["IDP"] == "dev"

    def pid(self, part: str) -> int:
        """The process of a part."""
        return int((self.state_dir / "run" / f"{part}.pid").read_text())

    def log(self, part: str) -> str:
        """The output of a part."""
        return (self.state_dir / "log" / f"{part}.log").read_text(errors="replace")

    def metrics(self, part: str) -> list[Sample]:
        """The metrics of a part (vault, tasks, worker)."""
        text = requests.get(self[f"{part.upper()}_METRICS_URL"], timeout=TIMEOUT).text
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def is_at_ease(self) -> bool:
        """True when no process of the vault pauses its calls to the authorization server."""
        name = "vault_provider_paused_until_seconds"
        return all(sample.value < time.time() for sample in self.metrics("vault") if sample.name == name)

    def kill(self, part: str) -> None:
        """kill -9 a part with all its children, as a machine that loses power would."""
        pid = self.pid(part)
        self.is_disturbed = True
        os.killpg(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid), f"{part} is dead")

    def terminate(self, part: str) -> None:
        """SIGTERM, as a deploy does."""
        self.is_disturbed = True
        os.kill(self.pid(part), signal.SIGTERM)

    def kill_children(self, part: str) -> None:
        """kill -9 whatever the part's first process has started."""
        pid = self.pid(part)
        self.is_disturbed = True
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def parts(self) -> dict[str, bool]:
        """Each part and whether it is alive."""
        words = [line.split() for line in self.command("status").stdout.splitlines()]
        return {part: state == "up" for part, state in words}

    def clean(self) -> None:
        """Stop it and forget all its data."""
        self.command("clean")

    def collect_logs(self) -> None:
        """The logs are files already."""

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Flip a switch of the development authorization server."""
        answer = requests.request(method, self["CONTROL_URL"] + path, json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer


def is_running(pid: int) -> bool:
    """True when a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def eventually(condition: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """Wait until a condition is truthy; its value. Fails with `what` when that does not come.

    What takes long is asked about less often: a wait costs the machine little and is longer by a twentieth at most.
    """
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(min(max(waited / 20, 0.05), 0.5))


def free_port() -> int:
    """A free port, below the range that the kernel gives to outgoing connections."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
