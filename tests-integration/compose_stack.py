"""The stack in containers: docker-compose.yml as a project of its own, driven by testcontainers' compose support.

It looks like a native stack to the tests: the same parts by the same names, the same values, logs and secrets.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stack import ROOT, Stack, eventually, free_port
from testcontainers.compose import DockerCompose

from local_stack import services

SERVICES = {
    "postgres": "postgres",
    "redis": "redis",
    "idp": "keycloak",
    "vault": "vault",
    "tasks": "task-api",
    "worker": "task-worker",
    "gateway": "gateway",
}
"""The tests' word for a part, and its service in docker-compose.yml."""
DOORS = Path(__file__).with_name("compose-test.yml")
SCALE_DOORS = Path(__file__).with_name("compose-scale.yml")
CLEAR_LINE = "\x1b[2K"  # which docker compose writes, terminal or not
READ_SECRETS = (
    "import json,pathlib; print(json.dumps({p.name: p.read_text() for p in pathlib.Path('/secrets/own').iterdir()}))"
)
KILL_CHILDREN = "import os; [os.kill(int(pid), 9) for pid in open('/proc/1/task/1/children').read().split()]"


class ComposeStack(Stack):
    """One compose project."""

    def __init__(self, state_dir: Path, doors: Path = DOORS, replicas: Mapping[str, int] | None = None) -> None:
        """state_dir: for the tests' own files; doors: the compose file that opens what the tests look into."""
        super().__init__(state_dir, {**os.environ, "STATE_DIR": str(state_dir), "IDP": "keycloak"})
        self.ports = {name: free_port() for name in ("GATEWAY_PORT", "IDP_PORT")}
        self.ports |= {f"TEST_{name}_PORT": free_port() for name in ("POSTGRES", "REDIS", "VAULT")}
        self.ports |= {f"TEST_{name}_METRICS_PORT": free_port() for name in ("VAULT", "TASKS", "WORKER")}
        self.project = f"test-{state_dir.name}".lower()
        env_file = state_dir / "compose.env"
        known = services.write(state_dir, f"http://localhost:{self.ports['GATEWAY_PORT']}")
        known.chmod(0o644)  # the vault's container has another user
        chosen = {"COMPOSE_PROJECT_NAME": self.project, "TEST_SERVICES_FILE": str(known), **self.ports}
        chosen |= {f"{name.upper().replace('-', '_')}_REPLICAS": number for name, number in (replicas or {}).items()}
        for name in chosen:  # make exports its variables, empty ones too, and the environment counts before the file
            os.environ.pop(name, None)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
        self.compose = DockerCompose(
            ROOT, ["docker-compose.yml", str(doors.relative_to(ROOT))], build=True, env_file=str(env_file)
        )

    # what the tests ask of any stack

    def start(self) -> None:
        """Bring up what is missing and wait until all of it is healthy; images are built the first time."""
        self.compose.start()
        self.compose.build = False
        self.values = self._values()
        (self.state_dir / "stack.env").write_text("".join(f"{k}={v}\n" for k, v in self.values.items()))
        self.is_disturbed = False

    def clean(self) -> None:
        """Remove containers, networks and volumes, those of every profile."""
        self.docker_compose("--profile", "*", "down", "--volumes")

    def parts(self) -> dict[str, bool]:
        """Each part and whether it runs."""
        running = {container.Service for container in self.compose.get_containers()}
        return {part: service in running for part, service in SERVICES.items()}

    def log(self, part: str) -> str:
        """The output of a part."""
        told = self.docker_compose("logs", "--no-color", "--no-log-prefix", SERVICES[part]).stdout
        return told.replace(CLEAR_LINE, "")

    def collect_logs(self) -> None:
        """Put the containers' logs where a native stack has them."""
        folder = self.state_dir / "log"
        folder.mkdir(exist_ok=True)
        for part in SERVICES:
            (folder / f"{part}.log").write_text(self.log(part))

    def kill(self, part: str) -> None:
        """kill -9."""
        self._signal(part, "SIGKILL")
        eventually(lambda: not self.parts()[part], f"{part} is dead")

    def terminate(self, part: str) -> None:
        """SIGTERM, as a deploy does."""
        self._signal(part, "SIGTERM")

    def kill_children(self, part: str) -> None:
        """kill -9 whatever the part's first process has started."""
        self.docker_compose("exec", "-T", SERVICES[part], "python", "-c", KILL_CHILDREN)

    # what only containers have

    def docker_compose(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """One command of docker compose for this project, which may change anything."""
        self.is_disturbed = True
        return _run([*self.compose.compose_command_property, *words], check=check)

    def containers(self, service: str) -> list[str]:
        """The names of a service's containers, dead ones too."""
        found = self.compose.get_containers(include_all=True)
        return sorted(str(container.Name) for container in found if container.Service == service)

    def _signal(self, part: str, signal: str) -> None:
        self.docker_compose("kill", "--signal", signal, SERVICES[part])

    def _values(self) -> dict[str, str]:
        """The values that a native stack has in `stack.env`."""
        secrets = self._secrets()
        ports = self.ports
        server = f"127.0.0.1:{ports['TEST_POSTGRES_PORT']}"
        return {
            "IDP": "keycloak",
            "GATEWAY_URL": f"http://localhost:{ports['GATEWAY_PORT']}",
            "PUBLIC_URL": f"http://localhost:{ports['GATEWAY_PORT']}",
            "ISSUER": f"http://localhost:{ports['IDP_PORT']}/realms/demo",
            "POSTGRES_SUPERUSER_URL": f"postgresql://postgres:{secrets['database_superuser']}@{server}/postgres",
            "VAULT_DATABASE_URL": f"postgresql://vault:{secrets['database_vault']}@{server}/vault",
            "TASK_DATABASE_URL": f"postgresql://tasks:{secrets['database_tasks']}@{server}/tasks",
            "VAULT_URL": f"http://127.0.0.1:{ports['TEST_VAULT_PORT']}",
            "REDIS_URL": f"redis://:{secrets['redis']}@127.0.0.1:{ports['TEST_REDIS_PORT']}/0",
            **{
                f"{part}_METRICS_URL": f"http://127.0.0.1:{ports[f'TEST_{part}_METRICS_PORT']}/metrics"
                for part in ("VAULT", "TASKS", "WORKER")
            },
            "UI_CLIENT_ID": "task-ui",
            "VAULT_CLIENT_ID": "token-vault",
            "TASK_SERVICE_CLIENT_ID": "task-service",
            "VAULT_CLIENT_SECRET": secrets["vault_client_secret"],
            "TASK_SERVICE_CLIENT_SECRET": secrets["task_service_client_secret"],
            "JUPYTERHUB_CLIENT_SECRET": secrets["jupyterhub_client_secret"],
            "KEYCLOAK_ADMIN_USER": "admin",
            "KEYCLOAK_ADMIN_PASSWORD": secrets["keycloak_admin"],
        }

    def _secrets(self) -> dict[str, str]:
        """The project's secrets, put also where a native stack has them: no log may hold one."""
        told = self.docker_compose("run", "--rm", "--no-deps", "-T", "secrets", "python", "-c", READ_SECRETS).stdout
        secrets: dict[str, str] = json.loads(told)
        folder = self.state_dir / "secrets"
        folder.mkdir(exist_ok=True, mode=0o700)
        for name, value in secrets.items():
            (folder / name).write_text(value)
        return secrets


def docker(*words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """One command of the engine."""
    return _run(["docker", *words], check=check)


def inspect(*names: str) -> list[dict[str, Any]]:
    """The engine's description of containers or images."""
    return list(json.loads(docker("inspect", *names).stdout))


def _run(command: Sequence[str], *, check: bool) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done
