"""A vault beside the stack's own, on the same database: to be killed, frozen and thawed without harm to the rest."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests
from stack import ROOT, TIMEOUT, Stack, eventually, free_port

ACCESS_TOKEN = "/api/auth/manager/access-token"


class VaultProcess:
    """One gunicorn with its workers, in a process group of its own, with a spool folder of its own."""

    def __init__(
        self,
        stack: Stack,
        name: str,
        *,
        workers: int = 1,
        threads: int = 16,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """environ: what this one is told beside and instead of what the stack's vault is told."""
        self._stack = stack
        self.name = name
        self.spool = stack.state_dir / "spool" / name
        self._port = free_port()
        self._environ = {
            **os.environ,
            **stack.values,
            "BIND": f"127.0.0.1:{self._port}",
            "WEB_WORKERS": str(workers),
            "WEB_THREADS": str(threads),
            "VAULT_SPOOL_DIR": str(self.spool),
            "METRICS_BIND": "",
            **(environ or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens; without the gateway before it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The master, and the process group."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "VaultProcess":
        """Start it; it is ready when this returns."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start it, without waiting."""
        command = [
            str(Path(sys.executable).parent / "gunicorn"),
            *("-c", "python:service_kit.gunicorn_config", "vault_service.wsgi:app"),
        ]
        with (self._stack.state_dir / "log" / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Return when it can be used."""
        eventually(lambda: answers(f"{self.url}/readyz"), f"{self.name} is ready")

    def kill(self) -> None:
        """kill -9 all of it at once."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """SIGTERM, and wait until it has drained. Does nothing when it is gone."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            os.kill(self.pid, signal.SIGTERM)
            self._wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def workers(self) -> list[int]:
        """The pids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def ask(self, bearer: str, grant_id: str, **parameters: str) -> requests.Response:
        """Ask it for an access token."""
        return requests.get(
            self.url + ACCESS_TOKEN,
            params={"id": grant_id, **parameters},
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=2 * TIMEOUT,
        )

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(2 * TIMEOUT)
        self._process = None


def answers(url: str) -> bool:
    """Whether somebody there says 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
