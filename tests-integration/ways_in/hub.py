"""A JupyterHub beside the stack, as `make demo-jupyterhub` starts it, and kernels in it."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from person import Person
from stack import ROOT, TIMEOUT, Stack, eventually, free_port, is_running

ENVIRONMENT = ROOT / ".venv" / "integrations" / "bin"
CONFIG = ROOT / "integrations" / "jupyterhub" / "example" / "jupyterhub_config.py"
START_SECONDS = 60.0


@dataclass
class Hub:
    """One hub on ports of its own. secret: of its client at the authorization server."""

    stack: Stack
    folder: Path
    port: int = field(default_factory=lambda: free_ports(4))
    token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    _process: "subprocess.Popen[bytes] | None" = None
    _crypt_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def url(self) -> str:
        """The hub's address for browsers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """The output of the hub, its proxy and its services."""
        return (self.folder / "hub.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the hub; it answers when this returns."""
        secret = self.folder / "client_secret"
        secret.write_text(self.stack["JUPYTERHUB_CLIENT_SECRET"])
        secret.chmod(0o600)
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environ |= {
            "HUB_STATE_DIR": str(self.folder),
            "HUB_PORT": str(self.port),
            "HUB_TEST_TOKEN": self.token,
            "JUPYTERHUB_CRYPT_KEY": self._crypt_key,
            "GATEWAY_URL": self.stack["GATEWAY_URL"],
            "VAULT_URL": self.stack["VAULT_URL"],
            "ISSUER": self.stack["ISSUER"],
        }
        with (self.folder / "hub.log").open("ab") as log:
            command = [str(ENVIRONMENT / "jupyterhub"), "-f", str(CONFIG)]
            self._process = subprocess.Popen(command, env=environ, cwd=self.folder, stdout=log, stderr=log)
        eventually(self._is_ready, f"the hub and its service answer:\n{self.log}", START_SECONDS)

    def stop(self) -> None:
        """End the hub as a restart does: the people's servers stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_SECONDS)

    def end(self) -> None:
        """End all that runs in the hub's folder: hub, proxy, services, people's servers, kernels.

        A hub that hangs, or was killed, leaves them behind. What one of them starts while they are ended is ended too.
        """
        eventually(lambda: not self._kill_all(), "nothing of the hub is left", START_SECONDS)
        if self._process is not None:
            self._process.wait(START_SECONDS)

    def _kill_all(self) -> list[int]:
        """Kill the running processes. Returns them."""
        found = self._processes()
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def _processes(self) -> list[int]:
        """The processes whose working directory is in the hub's folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").resolve().is_relative_to(self.folder.resolve()) and is_running(int(process.name)):
                    found.append(int(process.name))
        return found

    def end_servers(self) -> None:
        """End the people's servers, by the hub."""
        names = [user["name"] for user in self.call("GET", "/users").json()]
        for name in names:
            self.call("DELETE", f"/users/{name}/server")
        eventually(lambda: not any(map(self._server, names)), "the servers have ended", START_SECONDS)

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One call of the hub's API, by the test's token."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=TIMEOUT, **kwargs)

    def sign_in(self, person: Person) -> None:
        """Sign in with a browser; the person's server runs when this returns."""
        person.grant(f"{self.url}/hub/oauth_login?next=%2Fhub%2Fhome", stop_at=f"{self.url}/hub/home")
        started = self.call("POST", f"/users/{person.name}/server")
        assert started.status_code in {201, 202}, started.text
        eventually(lambda: self._server(person.name).get("ready"), f"the server runs:\n{self.log}", START_SECONDS)

    def sign_out(self, person: Person) -> None:
        """Sign out of the hub with the browser."""
        left = person.get(f"{self.url}/hub/logout")
        assert left.status_code in {200, 302}, left.text
        assert person.get(f"{self.url}/hub/home").is_redirect

    def kernel(self, person: Person) -> "Kernel":
        """A new kernel in the person's server."""
        base = f"{self.url}/user/{person.name}/api/kernels"
        answer = requests.post(base, json={}, headers={"Authorization": f"token {self.token}"}, timeout=TIMEOUT)
        assert answer.status_code == 201, answer.text
        return Kernel(self, f"{base}/{answer.json()['id']}/channels".replace("http", "ws", 1))

    def _server(self, name: str) -> dict[str, Any]:
        answer = self.call("GET", f"/users/{name}").json()
        return dict(answer.get("servers", {}).get("", {}))

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the hub has ended:\n{self.log}")
        try:
            return requests.get(f"{self.url}/services/token-vault/", timeout=TIMEOUT).status_code == 200
        except requests.RequestException:
            return False


@dataclass
class Kernel:
    """A kernel, and a connection to it."""

    hub: Hub
    url: str
    _driver: "subprocess.Popen[str] | None" = None

    def run(self, code: str) -> str:
        """Run a cell; what it has printed. Fails when the cell fails."""
        done = self.attempt(code)
        assert not done["error"], done
        return done["text"]

    def attempt(self, code: str) -> dict[str, str]:
        """Run a cell; its text, and its error or an empty string."""
        self.begin(code)
        return self.end()

    def begin(self, code: str) -> None:
        """Begin a cell."""
        if self._driver is None or self._driver.poll() is not None:
            self._driver = subprocess.Popen(
                [ENVIRONMENT / "python", Path(__file__).with_name("kernel.py"), self.url],
                env={"HUB_TEST_TOKEN": self.hub.token},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps(code) + "\n")
        self._driver.stdin.flush()

    def end(self) -> dict[str, str]:
        """The outcome of the cell that has begun."""
        while "error" not in (told := self._told()):
            pass
        return told

    def printed(self, pattern: str) -> str:
        """The first group of a pattern in what the cell that has begun prints."""
        while "error" not in (told := self._told()):
            if found := re.search(pattern, told["printed"]):
                return found[1]
        raise AssertionError(f"the cell has ended: {told}")

    def _told(self) -> dict[str, str]:
        assert self._driver is not None
        assert self._driver.stdout is not None
        line = self._driver.stdout.readline()
        assert line, "the kernel's driver has ended"
        return dict(json.loads(line))

    def disconnect(self) -> None:
        """Close the connection; the kernel keeps running."""
        if self._driver is not None:
            self._driver.communicate(timeout=TIMEOUT)
            self._driver = None


def free_ports(count: int) -> int:
    """The first of several neighbouring free ports."""
    while True:
        first = free_port()
        if all(_is_free(port) for port in range(first + 1, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
