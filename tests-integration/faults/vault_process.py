"""A vault beside the stack's own, on the same database: to be killed, frozen and thawed without harm to the rest."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests
from stack import ROOT, TIMEOUT, Stack, eventually, free_port, is_running

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
        """The vault's own address, without the gateway."""
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
            *("-c", "python:service_kit.server.gunicorn_config", "vault_service.wsgi:app"),
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
        self.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Return when it has ended."""
        assert self._process is not None
        self._process.wait(2 * TIMEOUT)
        self._process = None

    def end(self) -> None:
        """Kill what there is left of it, frozen or not."""
        if self._process is not None:
            self.kill()

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def ready_worker(self) -> int | None:
        """The pid of its worker, when it has one that serves."""
        if not answers(f"{self.url}/readyz"):
            return None
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if len(children) == 1 else None

    def kill_worker(self, pid: int) -> None:
        """kill -9 a worker; the master starts another."""
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid), "the worker is dead")

    def ask(self, bearer: str, grant_id: str, *, patience: float = 60.0, **parameters: str) -> requests.Response:
        """Ask it for an access token. patience: seconds after which the caller hangs up."""
        return requests.get(
            self.url + ACCESS_TOKEN,
            params={"id": grant_id, **parameters},
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=patience,
        )

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)


def answers(url: str) -> bool:
    """True when the address answers 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
