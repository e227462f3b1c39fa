"""The whole stack: its parts, their order, and their environment."""

import fcntl
import secrets
import shutil
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from local_stack import authorization_server, environments, gateway, http, ports, postgres, providers, services, valkey
from local_stack.options import ROOT, Options, StackError, read_env_file, write_private
from local_stack.process import Part, Processes
from local_stack.progress import ProgressLine
from local_stack.start_up import StartUp

STOP_ORDER = ("gateway", "worker", "tasks", "vault", "idp2", "idp", "redis", "postgres")
DATABASE_ROLES = ("vault_owner", "vault", "tasks_owner", "tasks")
CLIENT_VARIABLES = {
    "UI_CLIENT_ID": "task-ui",
    "VAULT_CLIENT_ID": "token-vault",
    "TASK_SERVICE_CLIENT_ID": "task-service",
}
INNER_PARTS = ("postgres", "redis", "vault", "tasks", "vault-metrics", "tasks-metrics", "worker-metrics")
ADDRESSES = ("POSTGRES_SUPERUSER_URL", "REDIS_URL", "VAULT_URL", "TASK_URL")
FOLLOWERS = ("gateway", "worker", "tasks", "vault")
"""Parts that get the ADDRESSES at their start, and are restarted if one of these has changed."""
FOLDERS = ("hub", "idp", "idp2", "log", "nginx", "redis", "run", "secrets", "spool")
CLIENT_SECRETS = ("VAULT_CLIENT_SECRET", "TASK_SERVICE_CLIENT_SECRET")
OWN_CLIENT_SECRETS = (*CLIENT_SECRETS, "JUPYTERHUB_CLIENT_SECRET")
"""Of the clients in the realm that a stack brings; of an existing issuer, only the services' clients are used."""


class LocalStack:
    """One stack, in one state folder."""

    def __init__(self, options: Options, environ: dict[str, str], line: ProgressLine) -> None:
        """environ: where an external issuer's clients are read from; line: where progress is shown."""
        self._options = options
        self._environ = environ
        self._line = line
        self._before = read_env_file(options.stack_env)
        self.processes = Processes(options.folder("run"), options.folder("log"))

    # commands

    def alive(self) -> dict[str, bool]:
        """True for each part of this stack that is alive, by name."""
        return {name: self.processes.pid(name) is not None for name in self.names()}

    def names(self) -> list[str]:
        """The parts, in the order of starting."""
        absent = {"idp"} if self._options.idp_kind == "external" else set()
        if not self._options.second_idp:
            absent.add("idp2")
        return [name for name in reversed(STOP_ORDER) if name not in absent]

    def start(self) -> bool:
        """Start the parts that are not alive and return when all are ready; False if there was nothing to do.

        Raises StackError that names the part which failed.
        """
        with self._alone():
            self._before = read_env_file(self._options.stack_env)
            running = self._running()
            self._demand_same_stack(running)
            metrics = {f"{name}-metrics" for name in running}
            chosen = ports.choose(self._options.state_dir / "ports.json", list(INNER_PARTS), running | metrics)
            environ = self._environment(chosen)
            if any(self._before.get(name) != environ[name] for name in ADDRESSES):
                running -= {name for name in FOLLOWERS if self.processes.stop(name)}
            write_private(self._options.stack_env, "".join(f"{name}={value}\n" for name, value in environ.items()))
            parts = self._parts(chosen, environ)
            if running == set(parts) and all(part.ready() for part in parts.values()):
                return False
            self._bring_up(parts, running, environ)
        return True

    def stop(self) -> list[str]:
        """Stop all parts; returns those that were running."""
        with self._alone():
            fast = {"postgres": signal.SIGINT}  # PostgreSQL's "fast shutdown"
            return [name for name in STOP_ORDER if self.processes.stop(name, fast.get(name, signal.SIGTERM))]

    def clean(self) -> None:
        """Delete all data. Only files that a stack creates are removed from the folder."""
        self.stop()
        folder = self._options.state_dir
        postgres.forget(folder / "postgres")
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("stack.env", "ports.json", providers.FILE, services.FILE):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    # checks before the start

    def _running(self) -> set[str]:
        return {name for name, is_alive in self.alive().items() if is_alive}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the stack's lock: only one command at a time starts or stops parts."""
        with (self._options.folder("run") / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _demand_same_stack(self, running: set[str]) -> None:
        """Raise StackError if a port is in use, or if the stack's data or running parts have other addresses."""
        choice = {
            "IDP": self._options.idp_kind,
            "GATEWAY_URL": self._options.gateway_url,
            "ISSUER": self._options.issuer,
            "SECOND_IDP": self._options.second_idp,
            "SECOND_ISSUER": self._options.second_issuer,
        }
        changed = {name: old for name, new in choice.items() if (old := self._before.get(name, new)) != new}
        known = ", ".join(f"{name}={value}" for name, value in changed.items())
        if "IDP" in changed or (changed.keys() - {"SECOND_IDP", "SECOND_ISSUER"} and "keycloak" in choice.values()):
            raise StackError(f"this stack's data are made for {known}: `make clean` first, or choose another STATE_DIR")
        if changed and running:
            raise StackError(f"this stack is up with {known}: `make stop` first, or choose another STATE_DIR")
        for name in set(self.names()) - running:
            self.processes.kill_remnants(name)
        if "gateway" not in running:
            ports.demand(self._options.gateway_port, "GATEWAY_PORT")
        if "idp" in self.names() and "idp" not in running:
            ports.demand(self._options.idp_port, "IDP_PORT")
        if "idp2" in self.names() and "idp2" not in running:
            ports.demand(self._options.second_idp_port, "SECOND_IDP_PORT")

    # parts

    def _bring_up(self, parts: dict[str, Part], running: set[str], environ: dict[str, str]) -> None:
        missing = [name for name in self.names() if name not in running]
        services = [name for name in missing if name in {"vault", "tasks", "worker"}]
        StartUp(self.processes, self._line).run(
            running=[parts[name] for name in running],
            first=[parts[name] for name in missing if name not in services],
            services=[parts[name] for name in services],
            schemas=lambda: self._make_schemas(environ),
        )

    def _parts(self, chosen: dict[str, int], environ: dict[str, str]) -> dict[str, Part]:
        folder = self._options.folder
        parts = [
            self._postgres(chosen["postgres"]).part(),
            valkey.part(folder("redis"), chosen["redis"], self._secret("redis")),
            *self._idp_part(environ),
            *self._second_idp_part(environ),
            self._web("vault", chosen, environ),
            self._web("tasks", chosen, environ),
            Part(
                name="worker",
                command=[_program("task-service"), "worker"],
                environ={
                    **self._environ_of("worker", environ),
                    "METRICS_BIND": f"127.0.0.1:{chosen['worker-metrics']}",
                },
                ready=lambda: self.processes.has_logged("worker", "worker.ready"),
            ),
            gateway.part(folder("nginx"), environ["GATEWAY_URL"], self._gateway_values(chosen, environ)),
        ]
        return {part.name: part for part in parts}

    def _postgres(self, port: int) -> postgres.PostgresServer:
        return postgres.PostgresServer(self._options.folder("postgres"), port, self._secret("postgres"))

    def _idp_part(self, environ: dict[str, str]) -> list[Part]:
        if self._options.idp_kind == "external":
            return []
        folder, port = self._options.folder("idp"), self._options.idp_port
        realm = authorization_server.render_realm(folder, environ)
        if self._options.idp_kind == "dev":
            return [authorization_server.development(folder, realm, port, control=self._options.idp_control)]
        return [self._keycloak("idp", folder, realm, port)]

    def _second_idp_part(self, environ: dict[str, str]) -> list[Part]:
        """Keycloak with the same realm under another issuer, and the vault's client with another secret."""
        if not self._options.second_idp:
            return []
        folder = self._options.folder("idp2")
        own = {"VAULT_CLIENT_SECRET": self._secret(providers.SECOND_CLIENT_SECRET)}
        realm = authorization_server.render_realm(folder, {**environ, **own})
        return [self._keycloak("idp2", folder, realm, self._options.second_idp_port)]

    def _keycloak(self, name: str, folder: Path, realm: Path, port: int) -> Part:
        if self.processes.pid(name) is None:
            self._line.keep("  … Keycloak takes about 40 s the first time")
        return authorization_server.keycloak(name, folder, realm, port, self._secret("keycloak_admin"))

    def _web(self, name: str, chosen: dict[str, int], environ: dict[str, str]) -> Part:
        package = {"vault": "vault_service", "tasks": "task_service"}[name]
        port, metrics_port = chosen[name], chosen[f"{name}-metrics"]
        return Part(
            name=name,
            command=[_program("gunicorn"), "-c", "python:service_kit.server.gunicorn_config", f"{package}.wsgi:app"],
            environ={
                **self._environ_of(name, environ),
                "BIND": f"127.0.0.1:{port}",
                "METRICS_BIND": f"127.0.0.1:{metrics_port}",
                "WEB_WORKERS": "2",
                "WEB_THREADS": "16",
            },
            ready=lambda: http.answers(f"http://127.0.0.1:{port}/readyz"),
        )

    def _make_schemas(self, environ: dict[str, str]) -> None:
        postgres.create_databases(environ["POSTGRES_SUPERUSER_URL"], self._database_passwords())

        def run(service: str, part: str) -> subprocess.CompletedProcess[str]:
            command = [_program(service), "migrate"]
            own = self._environ_of(f"{part}-migrations", environ)
            return subprocess.run(command, env=own, capture_output=True, text=True, check=False)

        with ThreadPoolExecutor() as pool:
            for done in pool.map(run, ("vault-service", "task-service"), ("vault", "tasks")):
                if done.returncode != 0:
                    raise StackError(f"{done.args[0]} migrate failed: {done.stderr.strip()}")

    # environment of the parts

    def _environ_of(self, part: str, environ: dict[str, str]) -> dict[str, str]:
        return environments.of_part(part, environ, self._environ)

    def _environment(self, chosen: dict[str, int]) -> dict[str, str]:
        passwords = self._database_passwords()

        def database(role: str, name: str) -> str:
            return f"postgresql://{role}:{passwords[role]}@127.0.0.1:{chosen['postgres']}/{name}"

        environ = {
            "IDP": self._options.idp_kind,
            "GATEWAY_URL": self._options.gateway_url,
            "PUBLIC_URL": self._options.gateway_url,
            "ISSUER": self._options.issuer,
            "SECOND_IDP": self._options.second_idp,
            "SECOND_ISSUER": self._options.second_issuer,
            "VAULT_URL": f"http://127.0.0.1:{chosen['vault']}",
            "VAULT_INTERNAL_URLS": f"http://127.0.0.1:{chosen['vault']}",
            "TASK_URL": f"http://127.0.0.1:{chosen['tasks']}",
            **{
                f"{part.upper()}_METRICS_URL": f"http://127.0.0.1:{chosen[f'{part}-metrics']}/metrics"
                for part in ("vault", "tasks", "worker")
            },
            "POSTGRES_SUPERUSER_URL": self._postgres(chosen["postgres"]).url,
            "VAULT_DATABASE_URL": database("vault", "vault"),
            "VAULT_MIGRATION_DATABASE_URL": database("vault_owner", "vault"),
            "TASK_DATABASE_URL": database("tasks", "tasks"),
            "TASK_MIGRATION_DATABASE_URL": database("tasks_owner", "tasks"),
            "REDIS_URL": f"redis://:{self._secret('redis')}@127.0.0.1:{chosen['redis']}/0",
            "VAULT_ROOT_KEY_FILE": str(self._root_key()),
            "VAULT_OWNER_CLIENTS": "dev-cli,token-vault-cli",
            "VAULT_SPOOL_DIR": str(self._options.folder("spool")),
            **self._clients(),
        }
        if self._options.idp_kind == "dev" and self._options.idp_control:
            environ["CONTROL_URL"] = f"http://localhost:{self._options.idp_port}/_control"
        if self._options.idp_kind == "keycloak":
            environ |= {"KEYCLOAK_ADMIN_USER": "admin", "KEYCLOAK_ADMIN_PASSWORD": self._secret("keycloak_admin")}
        return environ | self._configuration_files()

    def _configuration_files(self) -> dict[str, str]:
        """Write the vault's providers and services files; the settings that name them."""
        own = services.write(self._options.state_dir, self._options.gateway_url)
        files = {"VAULT_SERVICES_FILE": self._environ.get("VAULT_SERVICES_FILE") or str(own)}
        if self._options.second_idp:
            file = providers.write(self._options.state_dir, self._options.issuer, self._options.second_issuer)
            files["VAULT_PROVIDERS_FILE"] = str(file)
        return files

    def _clients(self) -> dict[str, str]:
        if self._options.idp_kind != "external":
            return {**CLIENT_VARIABLES, **{name: self._secret(name.lower()) for name in OWN_CLIENT_SECRETS}}
        known = {**CLIENT_VARIABLES, **self._before}
        given = {name: self._environ.get(name) or known.get(name, "") for name in (*CLIENT_VARIABLES, *CLIENT_SECRETS)}
        missing = [name for name, value in given.items() if not value]
        if missing:
            raise StackError(f"IDP={self._options.idp} needs {' and '.join(missing)} in the environment")
        return given

    def _gateway_values(self, chosen: dict[str, int], environ: dict[str, str]) -> dict[str, str]:
        issuer = urlsplit(environ["ISSUER"])
        return {
            "PUBLIC_URL": environ["PUBLIC_URL"],
            "GATEWAY_LISTEN": f"127.0.0.1:{self._options.gateway_port}",
            "NGINX_WORKERS": "2",
            "VAULT_UPSTREAM": f"127.0.0.1:{chosen['vault']}",
            "TASK_UPSTREAM": f"127.0.0.1:{chosen['tasks']}",
            "NAMESERVER": "127.0.0.1",  # never used: the upstreams are addresses
            "TRUSTED_PROXY": gateway.NO_PROXY,
            "FRONTEND_ROOT": str(ROOT / "frontend" / "dist"),
            "DOCS_ROOT": str(ROOT / "artifacts" / "docs"),
            "ISSUER": environ["ISSUER"],
            "ISSUER_ORIGIN": f"{issuer.scheme}://{issuer.netloc}",
            "UI_CLIENT_ID": environ["UI_CLIENT_ID"],
        }

    def _database_passwords(self) -> dict[str, str]:
        return {role: self._secret(f"database_{role}") for role in DATABASE_ROLES}

    def _secret(self, name: str) -> str:
        """A secret of this stack, created on first use."""
        path = self._options.folder("secrets") / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8")

    def _root_key(self) -> Path:
        path = self._options.folder("secrets") / "vault_root_key"
        if not path.exists():
            write_private(path, urlsafe_b64encode(secrets.token_bytes(32)).decode(), mode=0o400)
        return path


def _program(name: str) -> str:
    """A console script of this virtual environment."""
    return str(Path(sys.executable).parent / name)
